package controller

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/forecast"
)

func TestWhatIsCarriedIsBoundByTheFirstConstraintThatGrows(t *testing.T) {
	cpu := capacity.Constraint{Name: "cpu", Demand: 30, PerBroker: 5}
	out := capacity.Constraint{Name: "networkOut", Demand: 400, PerBroker: 100}
	for name, c := range map[string]struct {
		constraints []capacity.Constraint
		want        float64
	}{
		"the first that binds":       {[]capacity.Constraint{cpu, out}, 1},
		"only what grows":            {[]capacity.Constraint{out, {Name: "storage", Demand: 1e12, PerBroker: 1}}, 1.5},
		"unknown is left out":        {[]capacity.Constraint{out, {Name: "cpu", Demand: 30, PerBroker: 5, Unknown: "no shape"}}, 1.5},
		"advisory is left out":       {[]capacity.Constraint{out, {Name: "cpu", Demand: 30, PerBroker: 5, Advisory: true}}, 1.5},
		"nothing known":              {nil, 0},
		"no demand is not a divisor": {[]capacity.Constraint{{Name: "cpu", PerBroker: 5}}, 0},
	} {
		if got := carries(c.constraints, 6); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestExhaustionIsTheFirstTimeTheQuantileExceeds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &prediction{p: forecast.Prediction{Trusted: true}}
	for i, v := range []float64{90, 40, 60, 80} {
		p.p.Points = append(p.p.Points, forecast.Point{Time: now.Add(time.Duration(i) * time.Hour), Values: []float64{1, v}})
	}
	if got := exceeds(p, now, 50); !got.Equal(now.Add(2 * time.Hour)) {
		t.Errorf("exceeds at %v", got)
	}
	if got := exceeds(p, now, 100); !got.IsZero() {
		t.Errorf("exceeds at %v", got)
	}
}
