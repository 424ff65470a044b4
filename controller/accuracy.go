package controller

import (
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
)

// track is how one subject's forecasts come out, as far ahead as sizes are
// decided.
type track struct {
	forecast.Track
	signal, subject string
	nominal         float64
	issued          time.Time // when the last forecast that is accounted for was made
}

// trackLeast is how many outcomes it takes to say anything.
const trackLeast = 12

// foretell notes what a new forecast says for the end of the lead time.
func (fs *forecasts) foretell(key, subject string, p *prediction, within time.Duration) {
	t := fs.tracks[key]
	if p.err != nil || t != nil && t.issued.Equal(p.madeAt) {
		return
	}
	if t == nil {
		t = &track{}
		fs.tracks[key] = t
	}
	t.issued = p.madeAt
	t.signal, t.subject, t.nominal = string(p.signal), subject, p.p.Quantiles[len(p.p.Quantiles)-1]
	if issued, ok := p.p.IssuedFor(p.madeAt.Add(within)); ok {
		t.Issue(issued)
	}
}

// accuracy gives how every forecast came out, sorted.
func (fs *forecasts) accuracy() []decision.Accuracy {
	var out []decision.Accuracy
	for _, t := range fs.tracks {
		came, since := t.Accuracy()
		if came.Outcomes < trackLeast {
			continue
		}
		a := decision.Accuracy{
			Signal: t.signal, Subject: t.subject, Since: since, Points: came.Outcomes,
			Coverage: cluster.Ratio(came.Coverage()), Nominal: cluster.Ratio(t.nominal),
		}
		if came.Load > 0 {
			a.WAPE = cluster.Ratio(came.WAPE())
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b decision.Accuracy) int {
		return strings.Compare(a.Signal+"\x00"+a.Subject, b.Signal+"\x00"+b.Subject)
	})
	return out
}
