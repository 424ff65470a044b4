package operation

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
)

func TestAFillThatIsSoonOverTeachesNoRate(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		took time.Duration
		want float64
	}{{20 * time.Second, 0}, {10 * time.Minute, 1e6}} {
		w := &walk{Machine: New(Config{}), View: View{Now: start.Add(tt.took)}}
		w.learnRate(&decision.Operation{PhaseSince: start, BytesMoved: 1200e6, Brokers: []int{3, 4}})
		if got := float64(w.state.Learned.MoveRate); got != tt.want {
			t.Errorf("a fill of %s teaches %.0f B/s, want %.0f", tt.took, got, tt.want)
		}
	}
}
