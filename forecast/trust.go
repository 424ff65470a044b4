package forecast

import (
	"fmt"
	"math"
)

// trust decides whether the predictive part is worth listening to. Where it is
// not, sizing falls back to the load just seen plus a margin; so the 0.95
// quantile as it was issued is held against the last value with the margin that
// its own errors ask for, an hour to a day ahead, by pinball loss: too low and
// too wide both count. A quantile that is no better than that is not acted
// upon, and says so.
type trust struct {
	knots    []int      // those from an hour to a day ahead
	high     float64    // pinball loss of the 0.95 quantile issued
	reactive [2]float64 // of the last value with a margin: a constant one, one in proportion
	miss     float64    // absolute error of the median
	load     float64
	n        float64
	memory   float64 // outcomes that count
	off      bool
	why      string
	days     int
}

const (
	// minGain is by what share the quantile must beat the last value with a
	// margin, and regainGain by how much to be believed again.
	minGain    = 0.15
	regainGain = 0.20
	// maxNoise is the error, as a share of the load, past which a forecast says
	// nothing about a single hour even when the last value says less: ln 2, what
	// the best guess errs for independent samples with an exponential
	// distribution. regainNoise is where it is believed again.
	maxNoise    = math.Ln2
	regainNoise = 0.9 * math.Ln2
	// smallError is the error, as a share of the load, under which a forecast is
	// good enough to size by whatever else does better: little is won by that.
	smallError = 0.1
	// trustDays is how many days of outcomes count: a week, so that one odd day
	// does not speak alone.
	trustDays = 7
	// leastJudged is how many outcomes, discounted, it takes.
	leastJudged = 20
	// trialDays pass before anything is judged, and believed: then a whole day was
	// forecast and has come.
	trialDays = 3
)

// unjudged is why nothing is trusted at first.
const unjudged = "not judged yet: less than a whole day of forecasts has come, since they began after two"

// reactiveWords name what the quantile is held against.
const reactiveWords = "the last value with a margin, which needs no model (pinball loss)"

// reactiveScores are the places in scores of the last value with a margin.
var reactiveScores = [2]int{4, 5}

func newTrust(c *core) trust {
	t := trust{off: true, why: unjudged}
	hour := max(1, c.s.day/hoursPerDay)
	for k, a := range c.knots.at {
		if a >= hour && a <= c.s.day {
			t.knots = append(t.knots, k)
		}
	}
	if len(t.knots) == 0 {
		t.knots = []int{len(c.knots.at) - 1}
	}
	t.memory = trustDays * float64(c.s.day) / float64(c.stride) * float64(len(t.knots))
	return t
}

// observe takes the outcome y of what was pointForecast at knot k. now is the knot's
// calibration of the 0.95 quantile.
func (t *trust) observe(k int, y float64, s pointForecast, now *quantiles) {
	if k < t.knots[0] || k > t.knots[len(t.knots)-1] || math.IsNaN(s.high) {
		return
	}
	f := 1 - 1/t.memory
	add := func(v *float64, e float64) { *v = f**v + e }
	add(&t.high, pinball(y-s.high, judged[2]))
	for j, i := range reactiveScores {
		add(&t.reactive[j], pinball(y-s.last-s.size(i)*now.q[i], judged[2]))
	}
	add(&t.miss, math.Abs(y-s.mix))
	add(&t.load, y)
	add(&t.n, 1)
}

// gain is how much less the quantile loses than the last value with the better
// of the margins.
func (t *trust) gain() float64 {
	best := min(t.reactive[0], t.reactive[1])
	if best <= tinyError*t.load {
		return 1 // nothing to win: a constant load
	}
	return 1 - t.high/best
}

// noise is the ensemble's error as a share of the load.
func (t *trust) noise() float64 {
	if t.load <= 0 {
		return 0
	}
	return t.miss / t.load
}

// day looks once a day.
func (t *trust) day() {
	if t.days++; t.days < trialDays || t.n < leastJudged {
		return
	}
	gain, noise := t.gain(), t.noise()
	floor, top := minGain, maxNoise
	if t.off {
		floor, top = regainGain, regainNoise
	}
	over := fmt.Sprintf("switched off: over the last %d days, an hour to a day ahead,", trustDays)
	switch {
	case noise > top:
		t.off, t.why = true, fmt.Sprintf("%s forecasts missed by %.0f %% of the load on average", over, 100*noise)
	case gain < 0 && noise > smallError:
		t.off, t.why = true, fmt.Sprintf("%s the 0.95 quantile was %.0f %% worse than %s", over, -100*gain, reactiveWords)
	case gain < floor && noise > smallError:
		t.off, t.why = true, fmt.Sprintf("%s the 0.95 quantile was only %.0f %% better than %s", over, 100*gain, reactiveWords)
	default:
		t.off, t.why = false, ""
	}
}
