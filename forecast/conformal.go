package forecast

import "math"

// family says how the size of an error depends on the forecast.
type family int

const (
	famConst        family = iota // not at all
	famRoot                       // with its root, as a Poisson count's does
	famProportional               // in proportion
	famPhase                      // with the time of day
	famHour                       // all of its distribution with the hour of the day
)

// centre is what a quantile is built around.
type centre int

const (
	aroundMix centre = iota
	aroundLast
	asSaid // the mix itself, for the middle only
)

// scores are the nonconformity scores of a knot: each is an error over a size of
// its own, (y − centre) ÷ size, and has a distribution. They are weighed by
// their own pinball loss, apart for the low, the middle and the high quantiles.
var scores = [...]struct {
	c centre
	f family
}{
	{aroundMix, famConst}, {aroundMix, famRoot}, {aroundMix, famProportional}, {aroundMix, famPhase},
	{aroundLast, famConst}, {aroundLast, famProportional},
	{aroundMix, famHour},
	{asSaid, famConst},
}

// fitted is how many of the scores have a distribution of errors of their own;
// byHour shares its one, and the last has none.
const (
	fitted = len(scores) - 2
	byHour = fitted
)

// The quantiles each score is judged at, and the parts of (0, 1) they stand for.
var judged = [3]float64{0.05, 0.5, 0.95}

func part(q float64) int {
	switch {
	case q < lowPart:
		return 0
	case q <= highPart:
		return 1
	}
	return 2
}

// calibrator turns the errors of one knot into quantiles: conformal prediction
// from discounted histograms of nonconformity scores.
type calibrator struct {
	hist    [fitted]histogram
	loss    [len(scores)][3]float64
	phase   [phases]float64 // discounted mean absolute error by phase of the day
	global  float64
	n       int
	now     [3]quantiles // the calibration at judged, renewed now and then
	shift   [3]float64   // adaptive correction of the level, in logits
	rate    float64      // of the shift, per outcome
	covered coverage     // how often the 0.95 quantile as issued held
}

// pointForecast is what was known at the origin about one later outcome.
type pointForecast struct {
	mix, last, phase float64
	hour             [len(judged)]float64 // the hour's quantiles at judged, in mean errors
	unit             float64              // the distance's mean error
	low, high        float64              // as issued: the 0.05 and 0.95 quantiles
}

func (s pointForecast) centre(c centre) float64 {
	if c == aroundLast {
		return s.last
	}
	return s.mix
}

// size is what an error is divided by for the i-th nonconformity score.
func (s pointForecast) size(i int) float64 {
	p := s.centre(scores[i].c)
	switch scores[i].f {
	case famRoot:
		return math.Sqrt(max(p, 0) + offsetShare)
	case famProportional:
		return max(p, 0) + offsetShare
	case famPhase:
		return s.phase
	case famHour:
		return s.unit
	}
	return 1
}

// phaseScale is the expected absolute error at a phase of the day in [0, 1),
// interpolated between buckets and drawn to the mean of all.
func (c *calibrator) phaseScale(x float64) float64 {
	x = x*phases - 0.5
	i := int(math.Floor(x))
	u := x - float64(i)
	a, b := c.bucket(i), c.bucket(i+1)
	return phaseShare*(a+u*(b-a)) + (1-phaseShare)*c.global + tinyPhase/2
}

func (c *calibrator) bucket(i int) float64 {
	if b := c.phase[(i+phases)%phases]; b > 0 {
		return b
	}
	return c.global
}

func newCalibrator(memory, overlap float64) *calibrator {
	c := &calibrator{rate: levelRate / math.Sqrt(overlap)}
	for i := range c.hist {
		c.hist[i].growth = 1 / (1 - 1/max(memory, leastMemory))
	}
	return c
}

// observe takes the outcome y of a forecast for a phase of the day.
func (c *calibrator) observe(y float64, s pointForecast, phase float64) {
	c.n++
	a := math.Abs(y - s.mix)
	if c.n > warmup {
		if !idle(s.mix, y) {
			c.adapt(y, s)
		}
		if c.n%renewEvery == 0 || c.n < renewAlways {
			for j, q := range judged {
				c.now[j] = c.at(q)
			}
		}
		for i := range scores {
			r, z := y-s.centre(scores[i].c), s.size(i)
			for j, q := range judged {
				at := c.now[j].q[i]
				if i == byHour {
					at = s.hour[j]
				}
				c.loss[i][j] = lossDecay*c.loss[i][j] + pinball(r-z*at, q)
			}
		}
	}
	rate := max(1/float64(c.n), errorRate)
	c.global += rate * (a - c.global)
	b := &c.phase[int(phase*phases)%phases]
	if *b == 0 {
		*b = c.global
	}
	*b += max(rate, phaseRate) * (a - *b)
	for i, sc := range scores[:fitted] {
		if sc.f == famPhase && s.phase < tinyPhase {
			continue
		}
		c.hist[i].add((y - s.centre(sc.c)) / s.size(i))
	}
}

// adapt moves the levels at which the histograms are read so that the quantiles
// as they were issued, before their outcomes were known, keep their promise:
// adaptive conformal inference (Gibbs and Candès, "Adaptive conformal inference
// under distribution shift", 2021), in logits so that a level stays in (0, 1).
func (c *calibrator) adapt(y float64, s pointForecast) {
	miss := func(m bool) float64 {
		if m {
			return 1
		}
		return 0
	}
	if !math.IsNaN(s.high) {
		c.covered.add(y <= s.high)
		c.shift[2] += c.rate * (miss(y > s.high) - (1 - judged[2]))
		c.shift[2] = max(-mostTighter, min(c.shift[2], mostWider))
	}
	if !math.IsNaN(s.low) {
		c.shift[0] -= c.rate * (miss(y < s.low) - judged[0])
		c.shift[0] = max(-mostWider, min(c.shift[0], mostTighter))
	}
}

// coverage is a discounted share of how often a quantile was not exceeded.
type coverage struct{ covered, n float64 }

func (t *coverage) add(ok bool) {
	const f = 1 - 1.0/coverageMemory
	t.covered, t.n = t.covered*f, t.n*f+1
	if ok {
		t.covered++
	}
}

func (t *coverage) share() float64 {
	if t.n == 0 {
		return 0
	}
	return t.covered / t.n
}

// level is the level at which q is read.
func (c *calibrator) level(q float64) float64 {
	b := c.shift[part(q)]
	if b == 0 {
		return q
	}
	return 1 / (1 + math.Exp(-math.Log(q/(1-q))-b))
}

func pinball(r, q float64) float64 {
	if r >= 0 {
		return q * r
	}
	return (q - 1) * r
}

// quantiles are the scaled quantiles of every score at one level, with the
// weight each has in that part of the distribution.
type quantiles struct {
	q, w [len(scores)]float64
}

// at reads the calibration at level q.
func (c *calibrator) at(q float64) quantiles {
	var out quantiles
	j := part(q)
	best := math.Inf(1)
	for i := range scores {
		if i <= byHour || j == 1 {
			best = min(best, c.loss[i][j])
		}
	}
	sum := 0.0
	level := c.level(q)
	for i := range scores {
		if i < fitted {
			out.q[i] = c.hist[i].quantile(level)
		} else if i > byHour && j != 1 {
			continue
		}
		r := (best + tinyLoss) / (c.loss[i][j] + tinyLoss)
		r *= r            // 2
		r *= r            // 4
		r4 := r           //
		r *= r            // 8
		r *= r            // 16
		out.w[i] = r * r4 // 20
		sum += out.w[i]
	}
	for i := range scores {
		out.w[i] /= sum
	}
	return out
}

// value is the quantile of a forecast made now; hour is that of its hour.
func (q *quantiles) value(s pointForecast, hour float64) float64 {
	v := 0.0
	for i := range scores {
		at := q.q[i]
		if i == byHour {
			at = hour
		}
		v += q.w[i] * (s.centre(scores[i].c) + s.size(i)*at)
	}
	return v
}
