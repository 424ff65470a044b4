package decision

import (
	"encoding/json"
	"testing"
	"time"
)

func TestADecisionOfVersion1IsStillRead(t *testing.T) {
	const old = `{"version":1,"id":"x","horizonNanoseconds":7200000000000,
		"requirement":{"brokers":4,"bottleneck":"network-in","leadTimeNanoseconds":60000000000},
		"moving":{"state":"moving","etaNanoseconds":5000000000},
		"forecasts":[{"signal":"topic_bytes_in","leadTimeNanoseconds":1800000000000}]}`
	var d Decision
	if err := json.Unmarshal([]byte(old), &d); err != nil {
		t.Fatal(err)
	}
	if d.Horizon() != 2*time.Hour || d.Forecasts[0].LeadTime() != 30*time.Minute || d.Requirement.LeadTime() != time.Minute ||
		d.Moving.ETA() != 5*time.Second {
		t.Errorf("read %+v", d)
	}
	again, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var same Decision
	if err := json.Unmarshal(again, &same); err != nil || same.Horizon() != d.Horizon() ||
		same.Forecasts[0].LeadTime() != d.Forecasts[0].LeadTime() {
		t.Errorf("written and read again: %v, %+v", err, same)
	}
}
