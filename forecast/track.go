package forecast

import (
	"math"
	"time"
)

// Track follows, live, what was said about one series at one distance ahead
// against what came. It can be kept as JSON over a restart. The zero value
// needs Ahead; it is not safe for concurrent use.
type Track struct {
	// Ahead is the distance judged, such as the lead time.
	Ahead time.Duration `json:"ahead"`
	// Waiting are forecasts whose time has not come, oldest first.
	Waiting []Issued `json:"waiting,omitempty"`
	// Sums are discounted over about trackMemory outcomes.
	Outcomes float64 `json:"outcomes"`
	Held     float64 `json:"held"`     // outcomes at or under the upper quantile
	Absolute float64 `json:"absolute"` // Σ|y − median|
	Naive    float64 `json:"naive"`    // Σ|y − last value at the origin|
	Load     float64 `json:"load"`     // Σy
}

// Issued is what was said about one time.
type Issued struct {
	Time  time.Time `json:"time"`
	Mid   float64   `json:"mid"`
	Upper float64   `json:"upper"`
	Last  float64   `json:"last"`
}

const (
	trackMemory = 500
	// trackWaiting bounds what waits: a day of forecasts every half minute.
	trackWaiting = 2880
)

// Issue remembers what p says about the time Ahead of its origin: its quantile
// nearest to 0.5 and its highest. last is the load at the origin.
func (t *Track) Issue(p Prediction, last float64) {
	i := int(t.Ahead/max(p.Step, 1)) - 1
	if i < 0 || i >= len(p.Points) || len(p.Quantiles) == 0 {
		return
	}
	mid := 0
	for j, q := range p.Quantiles {
		if math.Abs(q-0.5) < math.Abs(p.Quantiles[mid]-0.5) {
			mid = j
		}
	}
	pt := p.Points[i]
	if n := len(t.Waiting); n > 0 && !pt.Time.After(t.Waiting[n-1].Time) {
		return // said already
	}
	if len(t.Waiting) == trackWaiting {
		t.Waiting = append(t.Waiting[:0], t.Waiting[1:]...)
	}
	t.Waiting = append(t.Waiting, Issued{pt.Time, pt.Values[mid], pt.Values[len(pt.Values)-1], last})
}

// Observe takes the load measured at a time. What waited for an earlier time
// that was never measured is let go.
func (t *Track) Observe(at time.Time, y float64) {
	k := 0
	for ; k < len(t.Waiting) && !t.Waiting[k].Time.After(at); k++ {
		w := t.Waiting[k]
		if !w.Time.Equal(at) || math.IsNaN(usable(y)) {
			continue
		}
		const f = 1 - 1.0/trackMemory
		held := 0.0
		if y <= w.Upper {
			held = 1
		}
		t.Outcomes = f*t.Outcomes + 1
		t.Held = f*t.Held + held
		t.Absolute = f*t.Absolute + math.Abs(y-w.Mid)
		t.Naive = f*t.Naive + math.Abs(y-w.Last)
		t.Load = f*t.Load + y
	}
	t.Waiting = append(t.Waiting[:0], t.Waiting[k:]...)
}

// Coverage is the share of outcomes at or under the upper quantile; ok is
// false while nothing was judged.
func (t *Track) Coverage() (share float64, ok bool) {
	if t.Outcomes == 0 {
		return 0, false
	}
	return t.Held / t.Outcomes, true
}

// WAPE is Σ|y − median| / Σy; ok is false while there is nothing to divide by.
func (t *Track) WAPE() (share float64, ok bool) {
	if t.Load == 0 {
		return 0, false
	}
	return t.Absolute / t.Load, true
}

// Skill is how much less the median erred than the last value at the origin
// did, as a share; ok is false while that did not err.
func (t *Track) Skill() (share float64, ok bool) {
	if t.Naive == 0 {
		return 0, false
	}
	return 1 - t.Absolute/t.Naive, true
}
