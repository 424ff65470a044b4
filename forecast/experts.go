package forecast

import "math"

// expert is one candidate model, updated sample by sample. Predictions are in
// the history's units.
type expert interface {
	name() string
	// ready says whether it has seen enough to speak.
	ready() bool
	// update is called after a sample was appended.
	update(h *history)
	// predict writes the forecasts made now for each number of steps ahead.
	predict(h *history, ahead []int, dst []float64)
}

// naive repeats the last value.
type naive struct{}

func (naive) name() string    { return "naive" }
func (naive) ready() bool     { return true }
func (naive) update(*history) {}
func (naive) predict(h *history, ahead []int, dst []float64) {
	v := h.last()
	for i := range ahead {
		dst[i] = v
	}
}

// level is an exponentially weighted mean with a memory of span samples.
type level struct {
	label string
	span  int
	v     float64
	n     int
}

func (l *level) name() string { return l.label }
func (l *level) ready() bool  { return true }
func (l *level) update(h *history) {
	l.n++
	a := max(1/float64(l.n), 2/float64(l.span+1))
	l.v += a * (h.last() - l.v)
}
func (l *level) predict(_ *history, ahead []int, dst []float64) {
	for i := range ahead {
		dst[i] = l.v
	}
}

// seasonal repeats the same time of earlier seasons: the mean of up to periods
// of them, without the highest and lowest when there are four.
type seasonal struct {
	label   string
	lag     int
	periods int
	shift   bool // moves by how the last hour differed from its own earlier seasons
	span    int
	dev     float64
	need    int // seasons it must have seen
	seen    int
}

func (s *seasonal) name() string { return s.label }

func (s *seasonal) ready() bool { return s.seen >= s.lag*s.need }

func (s *seasonal) update(h *history) {
	s.seen++
	if !s.shift {
		return
	}
	t := h.n() - 1
	d := math.Log((h.linear().at(t) + offsetShare) / (s.ref(h, t, t-1) + offsetShare))
	s.dev += 2 / float64(s.span+1) * (d - s.dev)
}

// ref is the seasonal value for index i from what is known at now.
func (s *seasonal) ref(h *history, i, now int) float64 {
	v := h.linear()
	j := i - s.lag
	for j > now {
		j -= s.lag
	}
	sum, lo, hi, n := 0.0, 0.0, 0.0, 0
	for ; n < s.periods && v.has(j); j -= s.lag {
		x := v.at(j)
		if n == 0 {
			lo, hi = x, x
		}
		lo, hi = min(lo, x), max(hi, x)
		sum += x
		n++
	}
	switch {
	case n == 0:
		return v.at(max(now, v.base))
	case n >= 4:
		return (sum - lo - hi) / float64(n-2)
	}
	return sum / float64(n)
}

func (s *seasonal) predict(h *history, ahead []int, dst []float64) {
	now := h.n() - 1
	for i, a := range ahead {
		dst[i] = s.ref(h, now+a, now)
		if s.shift {
			dst[i] = h.bounded((dst[i]+offsetShare)*math.Exp(s.dev) - offsetShare)
		}
	}
}

// stepped is yesterday moved by the step the same two days made a week ago, so
// that a Saturday is not a Friday.
type stepped struct {
	day, week, half, seen int
}

func (s *stepped) name() string      { return "day+weekstep" }
func (s *stepped) ready() bool       { return s.seen > s.day+s.week+s.half }
func (s *stepped) update(h *history) { s.seen++ }

func (s *stepped) predict(h *history, ahead []int, dst []float64) {
	v := h.log()
	now := h.n() - 1
	for i, a := range ahead {
		back := (a + s.day - 1) / s.day * s.day
		j := now + a - back
		k := now + a - (a+s.week-1)/s.week*s.week
		step := v.mean(k-s.half, min(now, k+s.half)) - v.mean(k-back-s.half, k-back+s.half)
		if math.IsNaN(step) {
			step = 0
		}
		dst[i] = h.bounded(math.Exp(v.at(j)+step) - h.offset)
	}
}
