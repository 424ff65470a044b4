package forecast

import "math"

// filler stands in for missing samples: the same time of the last season,
// moved by how the hour before the gap differed from its own last season, with
// that difference fading over six hours.
type filler struct {
	gap int     // missing samples since the last measured one
	dev float64 // mean difference to the last season, over about an hour
}

func (f *filler) lag(h *history) int {
	t := h.n()
	switch v := h.linear(); {
	case h.week > 0 && v.has(t-h.week):
		return h.week
	case v.has(t - h.day):
		return h.day
	}
	return 0
}

// guess is the value taken for the next sample when it is missing.
func (f *filler) guess(h *history) float64 {
	n := h.n()
	if n == 0 {
		return 1 // the mean, in the history's units
	}
	lag := f.lag(h)
	if lag == 0 {
		return h.last()
	}
	fade := math.Exp(-float64(f.gap) / float64(max(1, h.day/gapFadesPerDay)))
	return max(0, h.linear().at(n-lag)+f.dev*fade)
}

// update learns from the sample just appended; y is NaN when it was missing.
func (f *filler) update(h *history, y float64) {
	if math.IsNaN(y) {
		f.gap++
		return
	}
	f.gap = 0
	t := h.n() - 1
	v := h.linear()
	lag := h.day
	if h.week > 0 && v.has(t-h.week) {
		lag = h.week
	}
	if v.has(t - lag) {
		f.dev += 2 / float64(max(2, h.day/hoursPerDay)+1) * (y - v.at(t-lag) - f.dev)
	}
}
