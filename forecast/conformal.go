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

const phases = 24

// calibrator turns the errors of one knot into quantiles: conformal
// calibration on discounted histograms of scaled errors.
type calibrator struct {
	hist   [len(spreads)]histogram
	cached [len(spreads)][3]float64 // quantiles at judged, renewed now and then
	loss   [len(spreads)][3]float64
	phase  [phases]float64 // discounted mean absolute error by phase of the day
	global float64
	n      int
}

// said is what was known at the origin about one later outcome.
type said struct{ mix, last, phase float64 }

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
	a, b := c.phase[(i+phases)%phases], c.phase[(i+1)%phases]
	return 0.8*(a+u*(b-a)) + 0.2*c.global + 1e-9
}

func newCalibrator(memory float64) *calibrator {
	c := &calibrator{}
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
		for i := range spreads {
			r, z := y-s.centre(spreads[i].c), s.size(i)
			if c.n%8 == 0 || c.n < 64 {
				for j, q := range judged {
					c.cached[i][j] = c.hist[i].quantile(q)
				}
			}
			for j, q := range judged {
				c.loss[i][j] = 0.998*c.loss[i][j] + pinball(r-z*c.cached[i][j], q)
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
	for i, sp := range spreads {
		if sp.c == asSaid || sp.f == famPhase && c.n < warmup {
			continue
		}
		c.hist[i].add((y - s.centre(sp.c)) / s.size(i))
	}
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
		if spreads[i].c != asSaid || j == 1 {
			best = min(best, c.loss[i][j])
		}
	}
	sum := 0.0
	for i := range spreads {
		if spreads[i].c == asSaid && j != 1 {
			continue
		}
		out.q[i] = c.hist[i].quantile(q)
		out.w[i] = math.Pow((best+1e-12)/(c.loss[i][j]+1e-12), 10)
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
