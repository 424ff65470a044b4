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
	base      int // absolute index of clean[0]

	// Single precision halves what a series costs to remember; a load is never
	// measured to seven digits.
	clean   []float32 // gaps filled, anomalies clipped: what models look back on
	logs    []float32 // log(clean + offset)
	missing bits      // the sample was not measured

	offset float64 // of the logarithm
	top    float64 // highest cleaned value, as of the last dropping or later
}

func newHistory(s seasons, keep int) *history {
	keep = max(keep, keptDays*s.day)
	if s.week > 0 {
		keep = keptWeeks * s.week
	}
	return &history{day: s.day, week: s.week, keep: keep, offset: logOffset}
}

// n is the number of samples ever appended.
func (h *history) n() int { return h.base + len(h.clean) }

// last is the latest cleaned value.
func (h *history) last() float64 { return float64(h.clean[len(h.clean)-1]) }

// measured is the sample at position i of what is kept, NaN if it was missing.
func (h *history) measured(i int) float64 {
	if h.missing.at(i) {
		return math.NaN()
	}
	return float64(h.clean[i])
}

// append adds a sample's cleaned value, and drops what is too old.
func (h *history) append(clean float64, missing bool) {
	room := h.keep + h.keep/keptSlack
	if len(h.clean) >= room {
		drop := len(h.clean) - h.keep
		h.clean = h.clean[:copy(h.clean, h.clean[drop:])]
		h.logs = h.logs[:copy(h.logs, h.logs[drop:])]
		h.missing.drop(drop, len(h.clean))
		h.base += drop
		h.top = float64(slices.Max(h.clean))
	}
	if len(h.clean) == cap(h.clean) {
		// Grown in steps, never past what is kept.
		n := min(room, max(2*h.day, len(h.clean)*3/2))
		h.clean = append(make([]float32, 0, n), h.clean...)
		h.logs = append(make([]float32, 0, n), h.logs...)
	}
	h.clean = append(h.clean, float32(clean))
	h.top = max(h.top, clean)
	h.logs = append(h.logs, float32(math.Log(clean+h.offset)))
	h.missing.set(len(h.clean)-1, missing)
}

// bounded keeps a forecast within what a load may do next: no less than
// nothing, no more than twice the highest value in memory.
func (h *history) bounded(v float64) float64 { return max(0, min(v, highestAhead*h.top)) }

// setClean replaces the cleaned value at absolute index i.
func (h *history) setClean(i int, v float64) {
	h.clean[i-h.base] = float32(v)
	h.top = max(h.top, v)
	h.logs[i-h.base] = float32(math.Log(v + h.offset))
}

// view is one series of the history: the cleaned values or their logarithms.
type view struct {
	v    []float32
	base int
}

func (h *history) linear() view { return view{h.clean, h.base} }
func (h *history) log() view    { return view{h.logs, h.base} }

func (v view) at(i int) float64 { return float64(v.v[i-v.base]) }
func (v view) has(i int) bool   { return i >= v.base && i < v.base+len(v.v) }

// mean is the mean over [from, to], clipped to what is kept.
func (v view) mean(from, to int) float64 {
	from, to = max(from, v.base), min(to, v.base+len(v.v)-1)
	if to < from {
		return math.NaN()
	}
	s := 0.0
	for _, x := range v.v[from-v.base : to-v.base+1] {
		s += float64(x)
	}
	return s / float64(to-from+1)
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) at(i int) bool { return i/64 < len(b) && b[i/64]>>(i%64)&1 != 0 }

func (b *bits) set(i int, v bool) {
	for i/64 >= len(*b) {
		*b = append(*b, 0)
	}
	if (*b)[i/64] &^= 1 << (i % 64); v {
		(*b)[i/64] |= 1 << (i % 64)
	}
}

// drop forgets the first n; left remain.
func (b *bits) drop(n, left int) {
	for i := range left {
		b.set(i, b.at(i+n))
	}
}
