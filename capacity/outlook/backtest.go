package outlook

import (
	"math"
	"slices"
	"time"
)

const (
	// firstOrigin is the part of the past, as one over it, that the first trial
	// is given.
	firstOrigin = 4
	// origins is about how many times in its own past a trend is tried.
	origins = 12
	// leastJudged is how many days a part of the horizon is judged by.
	leastJudged = 14
	// carriedGain is by how much less of the slope must err less to be taken.
	carriedGain = 0.05
	// sideLevel is how much of what came each side of the interval must hold.
	sideLevel = 0.95
	// leastSpread is the least distance from the middle that is widened, as a
	// part of it: a past without noise is no promise.
	leastSpread = 0.02
	// mostWidened bounds a widening: what is further off says that the past is
	// no guide, which the notes of a plan say in words.
	mostWidened = 10.0
)

// reaches are the parts of the horizon that are judged apart, in days ahead.
var reaches = []int{7, 14, 28, 56, 112, 224, 448}

// carriedParts are the parts of the slope that may go on beside all of it.
var carriedParts = []float64{0.5, 0}

// outcome is one day as a trend of its past had it.
type outcome struct {
	ahead      int
	t          *Trend
	at         time.Time
	came, unit float64
}

// calibrate tries the trend in the series' own past: at some origins it is
// fitted to what was known and held against what came. That decides how far
// the slope is carried on, and how much wider the interval has to be.
func (t *Trend) calibrate(days []day, first time.Time) {
	var tried []outcome
	step := max(7, len(days)/origins)
	for o := len(days) - 7; o >= max(leastDays, len(days)/firstOrigin); o -= step {
		past := fit(days[:o], first)
		for _, d := range days[o:] {
			at := first.AddDate(0, 0, int(d.x))
			tried = append(tried, outcome{int(d.x - days[o-1].x), &past, at, d.peak, math.Max(past.Level, 1e-12)})
		}
	}
	if len(tried) < 2*leastJudged {
		return
	}
	t.Carried = carried(tried)
	least := Widening{Low: 1, High: 1} // further ahead is never surer
	for i, days := range reaches {
		from := 0
		if i > 0 {
			from = reaches[i-1]
		}
		w, n := widened(tried, from, days, t.Carried)
		if n < leastJudged {
			break
		}
		least = Widening{days, max(least.Low, w.Low), max(least.High, w.High)}
		t.Widened = append(t.Widened, least)
	}
}

// carried is the part of the slope with which the middle would have been least
// wrong from a week ahead on; all of it where none does better by a twentieth.
func carried(tried []outcome) float64 {
	miss := func(part float64) (sum float64) {
		for _, x := range tried {
			if x.ahead > 7 {
				x.t.Carried = part
				sum += math.Abs(x.t.bare(x.at).Mid-x.came) / x.unit
			}
		}
		return sum
	}
	best, least := 1.0, (1-carriedGain)*miss(1)
	for _, part := range carriedParts {
		if m := miss(part); m < least {
			best, least = part, m
		}
	}
	return best
}

// widened is by how much the distances from the middle have to grow so that
// 95 % of what came was above the low side, and as much below the high one.
func widened(tried []outcome, from, to int, part float64) (w Widening, n int) {
	var low, high []float64
	for _, x := range tried {
		if x.ahead <= from || x.ahead > to {
			continue
		}
		x.t.Carried = part
		r := x.t.bare(x.at)
		unit := leastSpread * r.Mid
		low = append(low, (r.Mid-x.came)/math.Max(r.Mid-r.Low, unit))
		high = append(high, (x.came-r.Mid)/math.Max(r.High-r.Mid, unit))
	}
	slices.Sort(low)
	slices.Sort(high)
	return Widening{to, bounded(quantile(low, sideLevel)), bounded(quantile(high, sideLevel))}, len(low)
}

func bounded(v float64) float64 {
	if math.IsNaN(v) {
		return 1
	}
	return min(max(v, 1), mostWidened)
}
