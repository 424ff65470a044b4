package forecast

import (
	"math"
	"slices"
)

// history is the recent past of one series on its grid, in units of the
// series' own scale. Indexes are absolute: they count every sample ever
// appended, also those no longer kept.
type history struct {
	day, week int // season lengths in steps; 0 when there is none
	keep      int // samples kept
	base      int // absolute index of raw[0]

	raw   []float64 // as measured; NaN where missing
	clean []float64 // gaps filled, anomalies clipped: what models look back on
	logs  []float64 // log(clean + offset)

	offset float64 // of the logarithm
	top    float64 // highest cleaned value, as of the last dropping or later
}

// logOffset keeps logarithms of small and zero loads finite, as a share of the
// series' mean.
const logOffset = 0.05

func newHistory(s seasons, keep int) *history {
	keep = max(keep, 9*s.day)
	if s.week > 0 {
		keep = 5*s.week + s.day
	}
	return &history{day: s.day, week: s.week, keep: keep, offset: logOffset}
}

// n is the number of samples ever appended.
func (h *history) n() int { return h.base + len(h.raw) }

// append adds a sample and its cleaned value, and drops what is too old.
func (h *history) append(raw, clean float64) {
	if len(h.raw) >= h.keep+h.keep/8 {
		drop := len(h.raw) - h.keep
		h.raw = h.raw[:copy(h.raw, h.raw[drop:])]
		h.clean = h.clean[:copy(h.clean, h.clean[drop:])]
		h.logs = h.logs[:copy(h.logs, h.logs[drop:])]
		h.base += drop
		h.top = slices.Max(h.clean)
	}
	h.raw = append(h.raw, raw)
	h.clean = append(h.clean, clean)
	h.top = max(h.top, clean)
	h.logs = append(h.logs, math.Log(clean+h.offset))
}

// bounded keeps a forecast within what a load may do next: no less than
// nothing, no more than twice the highest value in memory.
func (h *history) bounded(v float64) float64 { return max(0, min(v, 2*h.top)) }

// setClean replaces the cleaned value at absolute index i.
func (h *history) setClean(i int, v float64) {
	h.clean[i-h.base] = v
	h.logs[i-h.base] = math.Log(v + h.offset)
}

// view is one series of the history: the cleaned values or their logarithms.
type view struct {
	v    []float64
	base int
}

func (h *history) linear() view { return view{h.clean, h.base} }
func (h *history) log() view    { return view{h.logs, h.base} }

func (v view) at(i int) float64 { return v.v[i-v.base] }
func (v view) has(i int) bool   { return i >= v.base && i < v.base+len(v.v) }

// mean is the mean over [from, to], clipped to what is kept.
func (v view) mean(from, to int) float64 {
	from, to = max(from, v.base), min(to, v.base+len(v.v)-1)
	if to < from {
		return math.NaN()
	}
	s := 0.0
	for _, x := range v.v[from-v.base : to-v.base+1] {
		s += x
	}
	return s / float64(to-from+1)
}
