package kube

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// The state names every change of a day, and a day may have a thousand: that
// must fit what the definition lets a status hold.
func TestTheStateOfABusyDayFitsTheStatus(t *testing.T) {
	s := operation.State{Version: operation.StateVersion}
	for range 1000 {
		s.Past = append(s.Past, decision.PastScale{
			Kind: decision.ScaleConsumers, Target: "Deployment/" + strings.Repeat("x", 63), From: 1000, To: 1001, At: time.Now(), Ended: time.Now(),
			Reactive: true, Cancelled: true, Consumed: 123456.78901234567, Lag: 1 << 40,
		})
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > policy.MaxState {
		t.Errorf("the state has %d bytes, and the status holds %d", len(text), policy.MaxState)
	}
}
