package controller

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// track compares what was forecast for a time, as far ahead as sizes are
// decided, with what the load was when that time came.
type track struct {
	signal, subject string
	nominal         float64
	pending         []foretold
	outcomes        []outcome // of the last day
}

type foretold struct {
	at        time.Time
	mid, high float64
}

type outcome struct {
	at           time.Time
	miss, actual float64
	covered      bool
}

// trackLeast is how many outcomes it takes to say anything.
const trackLeast = 12

// foretell notes what a new forecast says for the end of the lead time.
func (c *Controller) foretell(key, subject string, p *predictor, within time.Duration) {
	if p.err != nil || p.told {
		return
	}
	p.told = true
	t := c.tracks[key]
	if t == nil {
		t = &track{}
		c.tracks[key] = t
	}
	t.signal, t.subject, t.nominal = string(p.signal), subject, p.p.Quantiles[len(p.p.Quantiles)-1]
	at := p.madeAt.Add(within)
	for _, pt := range p.p.Points {
		if pt.Time.Before(at) {
			continue
		}
		const most = 4096
		if len(t.pending) < most {
			t.pending = append(t.pending, foretold{pt.Time, pt.Values[len(pt.Values)/2], pt.Values[len(pt.Values)-1]})
		}
		return
	}
}

// came takes the load that was seen, and settles what was foretold for now.
func (t *track) came(now time.Time, actual float64) {
	for len(t.pending) > 0 && !t.pending[0].at.After(now) {
		f := t.pending[0]
		t.pending = t.pending[1:]
		t.outcomes = append(t.outcomes, outcome{at: now, miss: math.Abs(actual - f.mid), actual: actual, covered: actual <= f.high})
	}
	for len(t.outcomes) > 0 && now.Sub(t.outcomes[0].at) > 24*time.Hour {
		t.outcomes = t.outcomes[1:]
	}
}

// accuracy gives how every forecast came out, sorted.
func (c *Controller) accuracy() []decision.Accuracy {
	var out []decision.Accuracy
	for _, t := range c.tracks {
		if len(t.outcomes) < trackLeast {
			continue
		}
		var miss, actual float64
		covered := 0
		for _, o := range t.outcomes {
			miss += o.miss
			actual += o.actual
			if o.covered {
				covered++
			}
		}
		a := decision.Accuracy{Signal: t.signal, Subject: t.subject, Since: t.outcomes[0].at, Points: len(t.outcomes),
			Coverage: cluster.Ratio(covered) / cluster.Ratio(len(t.outcomes)), Nominal: cluster.Ratio(t.nominal)}
		if actual > 0 {
			a.WAPE = cluster.Ratio(miss / actual)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b decision.Accuracy) int {
		return strings.Compare(a.Signal+"\x00"+a.Subject, b.Signal+"\x00"+b.Subject)
	})
	return out
}
