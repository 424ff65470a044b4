package forecast

import "math"

// family says how the size of an error depends on the forecast.
type family int

const (
	famConst        family = iota // not at all
	famRoot                       // with its root, as a Poisson count's does
	famProportional               // in proportion
	famPhase                      // with the time of day
)

// centre is what a quantile is built around.
type centre int

const (
	aroundMix centre = iota
	aroundLast
	asSaid // the mix itself, for the middle only
)

// spreads are the ways a knot's errors are described. They are weighed by
// their own pinball loss, apart for the low, the middle and the high quantiles.
var spreads = [...]struct {
	c centre
	f family
}{
	{aroundMix, famConst}, {aroundMix, famRoot}, {aroundMix, famProportional}, {aroundMix, famPhase},
	{aroundLast, famConst}, {aroundLast, famProportional},
	{asSaid, famConst},
}

// fitted is how many of the spreads have a distribution of errors; the last one
// has none.
const fitted = len(spreads) - 1

// The quantiles each spread is judged at, and the parts of (0, 1) they stand for.
var judged = [3]float64{0.05, 0.5, 0.95}

func part(q float64) int {
	switch {
	case q < 0.3:
		return 0
	case q <= 0.7:
		return 1
	}
	return 2
}

const (
	phases    = 24
	tinyPhase = 1e-9 // a phase scale below this knows nothing yet
)

// calibrator turns the errors of one knot into quantiles: conformal
// calibration on discounted histograms of scaled errors.
type calibrator struct {
	hist   [fitted]histogram
	loss   [len(spreads)][3]float64
	phase  [phases]float64 // discounted mean absolute error by phase of the day
	global float64
	n      int
	now    [3]quantiles // the calibration at judged, renewed now and then
	shift  [3]float64   // adaptive correction of the level, in logits
	rate   float64      // of the shift, per outcome
	held   tracker      // how often the 0.95 quantile as issued held
}

// said is what was known at the origin about one later outcome.
type said struct {
	mix, last, phase float64
	low, high        float64 // what was issued as the 0.05 and 0.95 quantiles
}

func (s said) centre(c centre) float64 {
	if c == aroundLast {
		return s.last
	}
	return s.mix
}

// size is the unit of a scaled error.
func (s said) size(i int) float64 {
	p := s.centre(spreads[i].c)
	switch spreads[i].f {
	case famRoot:
		return math.Sqrt(max(p, 0) + 0.02)
	case famProportional:
		return max(p, 0) + 0.02
	case famPhase:
		return s.phase
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
	return 0.8*(a+u*(b-a)) + 0.2*c.global + tinyPhase/2
}

func (c *calibrator) bucket(i int) float64 {
	if b := c.phase[(i+phases)%phases]; b > 0 {
		return b
	}
	return c.global
}

func newCalibrator(memory, overlap float64) *calibrator {
	c := &calibrator{rate: 0.1 / math.Sqrt(overlap)}
	for i := range c.hist {
		c.hist[i].growth = 1 / (1 - 1/max(memory, 20))
	}
	return c
}

const warmup = 12

// observe takes the outcome y of what was said at a phase of the day.
func (c *calibrator) observe(y float64, s said, phase float64) {
	c.n++
	a := math.Abs(y - s.mix)
	if c.n > warmup {
		c.adapt(y, s)
		if c.n%12 == 0 || c.n < 64 {
			for j, q := range judged {
				c.now[j] = c.at(q)
			}
		}
		for i := range spreads {
			r, z := y-s.centre(spreads[i].c), s.size(i)
			for j, q := range judged {
				c.loss[i][j] = 0.9993*c.loss[i][j] + pinball(r-z*c.now[j].q[i], q)
			}
		}
	}
	rate := max(1/float64(c.n), 0.003)
	c.global += rate * (a - c.global)
	b := &c.phase[int(phase*phases)%phases]
	if *b == 0 {
		*b = c.global
	}
	*b += max(rate, 0.06) * (a - *b)
	for i, sp := range spreads[:fitted] {
		if sp.f == famPhase && s.phase < tinyPhase {
			continue
		}
		c.hist[i].add((y - s.centre(sp.c)) / s.size(i))
	}
}

// adapt moves the levels at which the histograms are read so that the quantiles
// as they were issued, before their outcomes were known, keep their promise:
// adaptive conformal inference (Gibbs and Candès, "Adaptive conformal inference
// under distribution shift", 2021), in logits so that a level stays in (0, 1).
func (c *calibrator) adapt(y float64, s said) {
	miss := func(m bool) float64 {
		if m {
			return 1
		}
		return 0
	}
	if !math.IsNaN(s.high) {
		c.held.add(y <= s.high)
		c.shift[2] += c.rate * (miss(y > s.high) - (1 - judged[2]))
		c.shift[2] = max(-0.7, min(c.shift[2], 1))
	}
	if !math.IsNaN(s.low) {
		c.shift[0] -= c.rate * (miss(y < s.low) - judged[0])
		c.shift[0] = max(-1, min(c.shift[0], 0.7))
	}
}

// tracker is a discounted share of how often something held.
type tracker struct{ held, n float64 }

func (t *tracker) add(ok bool) {
	const f = 1 - 1.0/1000
	t.held, t.n = t.held*f, t.n*f+1
	if ok {
		t.held++
	}
}

func (t *tracker) share() float64 {
	if t.n == 0 {
		return 0
	}
	return t.held / t.n
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

// quantiles are the scaled quantiles of every spread at one level, with the
// weight each has in that part of the distribution.
type quantiles struct {
	q, w [len(spreads)]float64
}

// at reads the calibration at level q.
func (c *calibrator) at(q float64) quantiles {
	var out quantiles
	j := part(q)
	best := math.Inf(1)
	for i := range spreads {
		if i < fitted || j == 1 {
			best = min(best, c.loss[i][j])
		}
	}
	sum := 0.0
	level := c.level(q)
	for i := range spreads {
		if i < fitted {
			out.q[i] = c.hist[i].quantile(level)
		} else if j != 1 {
			continue
		}
		r := (best + 1e-12) / (c.loss[i][j] + 1e-12)
		r *= r            // 2
		r *= r            // 4
		r4 := r           //
		r *= r            // 8
		r *= r            // 16
		out.w[i] = r * r4 // 20
		sum += out.w[i]
	}
	for i := range spreads {
		out.w[i] /= sum
	}
	return out
}

// value is the quantile for what is said now.
func (q *quantiles) value(s said) float64 {
	v := 0.0
	for i := range spreads {
		v += q.w[i] * (s.centre(spreads[i].c) + s.size(i)*q.q[i])
	}
	return v
}
