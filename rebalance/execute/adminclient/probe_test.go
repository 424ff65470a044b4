package adminclient

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/rebalance/execute"
)

func TestProbeCallsABrokerHurtByTheMedianOnly(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		name string
		took []time.Duration
		want execute.Health
	}{
		{"too few answers say nothing", []time.Duration{ms(900), ms(900)}, execute.Unknown},
		{"quick", []time.Duration{ms(2), ms(3), ms(2)}, execute.Well},
		{"one pause is no verdict", []time.Duration{ms(2), ms(900), ms(3)}, execute.Well},
		{"slow", []time.Duration{ms(2), ms(2), ms(2), ms(400), ms(400)}, execute.Hurt},
		{"slow from the start, and not slower", []time.Duration{ms(120), ms(130), ms(125)}, execute.Unknown},
		{"a cut gets its time", []time.Duration{ms(2), ms(2), ms(400), ms(400), ms(400)}, execute.Unknown},
	} {
		p := &Probe{last: map[int][]time.Duration{}, best: map[int]time.Duration{}}
		var got execute.Health
		for _, d := range c.took {
			got = p.judge(1, d)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
