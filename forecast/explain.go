package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Explanation says in numbers why a prediction is what it is.
type Explanation struct {
	Seasons    []Season        `json:"seasons"`
	TrendShare float64         `json:"trendPerWeek"` // change of the daily level over a week, as a share
	Horizon    time.Duration   `json:"-"`
	Models     []ModelStanding `json:"models"` // best first, at the horizon
	// ErrorShare is the ensemble's recent mean absolute error at the horizon
	// over the load; Coverage90 how often the 0.05 to 0.95 band held there.
	ErrorShare   float64         `json:"recentErrorShare"`
	BandShare    float64         `json:"bandWidthShare"`
	CoverageHigh float64         `json:"recentCoverage95"`
	Outcomes     int             `json:"outcomes"`
	Events       []ExplainedBump `json:"events"`
	Trusted      bool            `json:"trusted"`
	Why          string          `json:"why,omitempty"`
}

// Season is one rhythm found in the series.
type Season struct {
	Name   string        `json:"name"`
	Length time.Duration `json:"-"`
}

// ModelStanding is how one candidate did recently at the horizon.
type ModelStanding struct {
	Name   string  `json:"name"`
	Error  float64 `json:"meanAbsoluteError"`
	Weight float64 `json:"weight"`
}

// ExplainedBump is an event that lies ahead and what it multiplies the load by.
type ExplainedBump struct {
	Name   string    `json:"name"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Factor float64   `json:"factor"` // mean over its steps, with all else that is on then
}

// Explain says why the forecast at the horizon is what it is.
func (s *State) Explain(ahead time.Duration) (Explanation, error) {
	if s.core == nil {
		return Explanation{}, s.tooShort()
	}
	c := s.core
	k, _, _ := c.knots.bracket(max(1, int(ahead/s.step)))
	x := Explanation{Horizon: time.Duration(c.knots.at[k]) * s.step, Trusted: !c.trust.off, Why: c.trust.why, TrendShare: c.trend()}
	x.Seasons = append(x.Seasons, Season{"day", time.Duration(c.s.day) * s.step})
	if c.s.week > 0 {
		x.Seasons = append(x.Seasons, Season{"week", time.Duration(c.s.week) * s.step})
	}
	for e, m := range c.experts {
		if m.ready() && c.seen[k] > 0 {
			x.Models = append(x.Models, ModelStanding{m.name(), c.err[k][e] / c.seen[k] * c.scale, c.w[k][e]})
		}
	}
	slices.SortStableFunc(x.Models, func(a, b ModelStanding) int {
		switch {
		case a.Error < b.Error:
			return -1
		case a.Error > b.Error:
			return 1
		}
		return 0
	})
	b := c.band[k]
	mean := c.h.linear().mean(c.h.n()-c.s.day, c.h.n()-1)
	x.Outcomes = b.n
	x.CoverageHigh = b.covered.share()
	if mean > 0 {
		x.ErrorShare = b.global / mean
		lo, hi := b.at(0.05), b.at(0.95)
		at, hour := pointForecast{mix: mean, last: mean, phase: b.global, unit: b.global}, hourAt(c.phaseAt(c.h.n()))
		x.BandShare = (hi.value(at, c.hours.now[2][hour]) - lo.value(at, c.hours.now[0][hour])) / mean
	}
	x.Events = s.bumps(int(ahead / s.step))
	return x, nil
}

// trend is how much the daily level changed from a week ago to now, or over as
// many days as there are.
func (c *core) trend() float64 {
	v := c.h.linear()
	now := c.h.n() - 1
	back := c.s.week
	if back == 0 {
		back = c.s.day
	}
	a, b := v.mean(now-back-c.s.day+1, now-back), v.mean(now-c.s.day+1, now)
	if !(a > 0) || math.IsNaN(b) {
		return 0
	}
	return (b/a - 1) * float64(7*c.s.day) / float64(back)
}

// bumps lists the events within so many steps ahead.
func (s *State) bumps(ahead int) []ExplainedBump {
	c := s.core
	if c.events == nil {
		return nil
	}
	now := c.h.n() - 1
	var out []ExplainedBump
	open := map[int]int{}
	count := map[int]int{}
	for a := 1; a <= ahead; a++ {
		t := s.End().Add(time.Duration(a) * s.step)
		seen := map[int]bool{}
		for _, o := range c.events.at(now + a) {
			seen[o.id] = true
			i, ok := open[o.id]
			if !ok {
				i = len(out)
				open[o.id] = i
				count[i] = 0
				out = append(out, ExplainedBump{Name: c.events.on.names[o.id], From: t})
			}
			count[i]++
			out[i].Until = t
			out[i].Factor += (math.Exp(c.events.log(c.h, now+a, now)) - out[i].Factor) / float64(count[i])
		}
		for id := range open {
			if !seen[id] {
				delete(open, id)
			}
		}
	}
	return out
}

// Words is the explanation in sentences.
func (x Explanation) Words() []string {
	var out []string
	for _, s := range x.Seasons {
		out = append(out, fmt.Sprintf("A rhythm of one %s (%v) is modelled.", s.Name, s.Length))
	}
	out = append(out, fmt.Sprintf("The daily level changes by %+.1f %% a week.", 100*x.TrendShare))
	if len(x.Models) > 0 {
		m := x.Models[0]
		out = append(
			out,
			fmt.Sprintf("At %v ahead %d candidates were tried; %s erred least (%.4g on average) and has %.0f %% of the weight.",
				x.Horizon, len(x.Models), m.Name, m.Error, 100*m.Weight),
		)
		if last := x.Models[len(x.Models)-1]; last.Error > 0 && len(x.Models) > 1 {
			out = append(out, fmt.Sprintf("The worst, %s, erred %.1f times as much.", last.Name, last.Error/math.Max(m.Error, 1e-300)))
		}
	}
	out = append(out, fmt.Sprintf("The band from 0.05 to 0.95 is %.0f %% of the load wide; "+
		"%.1f %% of the last %d outcomes judged lay at or under the 0.95 quantile.", 100*x.BandShare, 100*x.CoverageHigh, x.Outcomes))
	for _, e := range x.Events {
		out = append(out, fmt.Sprintf("%s, from %s to %s, multiplies the load by %.2f.", e.Name, e.From.UTC().Format(time.RFC3339),
			e.Until.UTC().Format(time.RFC3339), e.Factor))
	}
	if !x.Trusted {
		out = append(out, "The predictive part is "+x.Why+".")
	}
	return out
}
