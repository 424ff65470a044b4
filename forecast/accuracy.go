package forecast

import (
	"math"
	"time"
)

// Issued is a forecast of one time, as it was issued: before its outcome was
// known.
type Issued struct {
	At     time.Time
	Median float64
	Upper  float64 // the quantile at Level; NaN when none was asked for
	Level  float64 // in (0, 1)
}

// IssuedFor is what the prediction says of the first of its steps that is not
// before at: the middle one of its quantiles, and its highest. It is false when
// the prediction does not reach as far.
func (p Prediction) IssuedFor(at time.Time) (Issued, bool) {
	for _, pt := range p.Points {
		if pt.Time.Before(at) {
			continue
		}
		top := len(pt.Values) - 1
		return Issued{At: pt.Time, Median: pt.Values[len(pt.Values)/2], Upper: pt.Values[top], Level: p.Quantiles[top]}, true
	}
	return Issued{}, false
}

// Accuracy is how forecasts came out, in sums over their outcomes. The zero
// value has none.
type Accuracy struct {
	Outcomes int
	Absolute float64 // Σ|y − median|
	Load     float64 // Σ|y|
	Bounded  int     // outcomes that had an upper quantile
	Covered  int     // of these, how many lay at or under it
	Pinball  float64 // Σ of the pinball loss of the upper quantile
}

// Add takes the outcome y of a forecast.
func (a *Accuracy) Add(f Issued, y float64) {
	a.Outcomes++
	a.Absolute += math.Abs(y - f.Median)
	a.Load += math.Abs(y)
	if math.IsNaN(f.Upper) {
		return
	}
	a.Bounded++
	if y <= f.Upper {
		a.Covered++
	}
	a.Pinball += pinball(y-f.Upper, f.Level)
}

// WAPE is Σ|y − median| ÷ Σ|y|; NaN when there was no load.
func (a Accuracy) WAPE() float64 { return a.Absolute / a.Load }

// MAE is the mean absolute error of the median, in the load's unit; NaN without
// an outcome.
func (a Accuracy) MAE() float64 { return a.Absolute / float64(a.Outcomes) }

// Coverage is the share of outcomes at or under the upper quantile; NaN when
// there was none.
func (a Accuracy) Coverage() float64 { return float64(a.Covered) / float64(a.Bounded) }

// PinballOverMean is the mean pinball loss of the upper quantile over the mean
// load; NaN when there was no load.
func (a Accuracy) PinballOverMean() float64 { return a.Pinball / a.Load }

// Track follows, live, what was issued for one series against what came. The
// zero value is ready; it is not safe for concurrent use.
type Track struct {
	waiting  []Issued // oldest first
	outcomes []outcome
}

type outcome struct {
	at time.Time
	f  Issued
	y  float64
}

const (
	// trackSpan is how long an outcome counts: a day, so that every hour of a
	// load's rhythm is in it once.
	trackSpan = 24 * time.Hour
	// trackWaiting bounds the forecasts whose time has not come: three days of
	// one a minute.
	trackWaiting = 4096
)

// Issue remembers a forecast until its time comes. Forecasts are issued in
// order of the times that they are for.
func (t *Track) Issue(f Issued) {
	if len(t.waiting) < trackWaiting {
		t.waiting = append(t.waiting, f)
	}
}

// Observe takes the load that is measured now: it is the outcome of every
// forecast whose time has come since the last one.
func (t *Track) Observe(now time.Time, y float64) {
	for len(t.waiting) > 0 && !t.waiting[0].At.After(now) {
		t.outcomes = append(t.outcomes, outcome{now, t.waiting[0], y})
		t.waiting = t.waiting[1:]
	}
	for len(t.outcomes) > 0 && now.Sub(t.outcomes[0].at) > trackSpan {
		t.outcomes = t.outcomes[1:]
	}
}

// Accuracy is how the last day's forecasts came out, and since when they are
// counted; the zero time when none has.
func (t *Track) Accuracy() (a Accuracy, since time.Time) {
	if len(t.outcomes) == 0 {
		return a, since
	}
	for _, o := range t.outcomes {
		a.Add(o.f, o.y)
	}
	return a, t.outcomes[0].at
}
