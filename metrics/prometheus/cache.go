package prometheus

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// cached is what was read of one expression: grid points lo to hi, numbered
// since the epoch.
type cached struct {
	mu     sync.Mutex
	step   time.Duration
	lo, hi int64
	span   int64 // the longest window asked for, in points
	series map[string]*metrics.Line
	// overlap is how many of the last points are read again: a rate's last
	// points may have been read before all of their samples were there.
	overlap int64
	// looked is the last point when what was missing was looked for anew.
	looked int64
}

// lookAgain is how long what was missing stays so before it is asked for again: a store
// of older data may have been away without a word. A judgement: as often as forecasts
// are made anew, at most.
const lookAgain = time.Hour

// missing is the first grid point that must be read for lo to hi, and whether
// anything must.
func (c *cached) missing(lo, hi int64) (from int64, needed bool) {
	if c.series == nil || lo < c.lo || lo > c.hi {
		return lo, true
	}
	settled := c.hi - c.overlap
	if hi-c.looked >= int64(lookAgain/c.step) {
		c.looked = hi
		if hole, ok := c.hole(lo, min(hi, settled)); ok {
			return hole, true
		}
	}
	if hi <= settled {
		return 0, false
	}
	return max(lo, settled+1), true
}

// hole is the first point from lo to hi at which no series has a value.
func (c *cached) hole(lo, hi int64) (at int64, ok bool) {
	for at = max(lo, c.lo); at <= hi; at++ {
		empty := true
		for _, l := range c.series {
			if !math.IsNaN(l.Values[at-c.lo]) {
				empty = false
				break
			}
		}
		if empty {
			return at, true
		}
	}
	return 0, false
}

// put takes what was read for from to hi, on the way to answering lo to hi.
// Points older than the longest window asked for are forgotten.
func (c *cached) put(from, lo, hi int64, got map[string]*metrics.Line) {
	c.span = max(c.span, hi-lo+1)
	if c.series == nil || from == lo {
		if c.series == nil {
			c.looked = hi
		}
		c.series, c.lo, c.hi = got, from, hi
		return
	}
	newHi := max(c.hi, hi)
	newLo := min(lo, max(c.lo, newHi-c.span+1))
	for key, l := range got {
		if c.series[key] == nil {
			old := &metrics.Line{Labels: l.Labels, Values: make([]float64, c.hi-c.lo+1)}
			fillNaN(old.Values)
			c.series[key] = old
		}
	}
	for key, old := range c.series {
		old.Values = old.Values[newLo-c.lo:]
		for len(old.Values) < int(newHi-newLo+1) {
			old.Values = append(old.Values, math.NaN())
		}
		fresh := old.Values[from-newLo : hi-newLo+1]
		fillNaN(fresh)
		if l := got[key]; l != nil {
			copy(fresh, l.Values)
			old.Mended.Duplicates += l.Mended.Duplicates
			old.Mended.NonFinite += l.Mended.NonFinite
			old.Mended.Unordered += l.Mended.Unordered
			old.Mended.OffGrid += l.Mended.OffGrid
		}
		if !anyFinite(old.Values) {
			delete(c.series, key)
		}
	}
	c.lo, c.hi = newLo, newHi
}

// get copies lo to hi out, sorted by labels. A series without any value there
// is left out.
func (c *cached) get(signal metrics.Signal, lo, hi int64) []metrics.Series {
	out := make([]metrics.Series, 0, len(c.series))
	for _, key := range sortedKeys(c.series) {
		l := c.series[key]
		values := l.Values[lo-c.lo : hi-c.lo+1]
		missing := 0
		for _, v := range values {
			if math.IsNaN(v) {
				missing++
			}
		}
		if missing == len(values) {
			continue
		}
		s := metrics.Series{
			Signal: signal, Labels: l.Labels, Start: time.Unix(0, lo*int64(c.step)).UTC(), Step: c.step,
			Values: slices.Clone(values), Mended: l.Mended,
		}
		s.Mended.Missing = missing
		out = append(out, s)
	}
	return out
}

func anyFinite(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) })
}

func fillNaN(values []float64) {
	for i := range values {
		values[i] = math.NaN()
	}
}
