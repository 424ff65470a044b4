package metrics

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Assembly puts the answers to range queries on one grid, series by series.
// Readers that get their samples in parts, and under an exporter's labels,
// share it.
type Assembly struct {
	Lines map[string]*Line // by Labels.Key
	from  int64            // Unix milliseconds of the first grid point
	step  int64            // milliseconds
	n     int
}

// Line is one series being assembled. Values has NaN where nothing came.
type Line struct {
	Labels Labels
	Values []float64
	Mended Mended
	last   int64 // the latest time put, in milliseconds
	in     *Assembly
}

// NewAssembly starts on a window that lies on its grid (Window.OnGrid), with a
// step of whole milliseconds.
func NewAssembly(w Window) *Assembly {
	return &Assembly{Lines: map[string]*Line{}, from: w.From.UnixMilli(), step: w.Step.Milliseconds(), n: w.Points()}
}

// Line is the series with these labels, new or begun.
func (a *Assembly) Line(labels Labels) *Line {
	key := labels.Key()
	l := a.Lines[key]
	if l == nil {
		l = &Line{Labels: labels, Values: make([]float64, a.n), in: a}
		for i := range l.Values {
			l.Values[i] = math.NaN()
		}
		a.Lines[key] = l
	}
	l.last = math.MinInt64
	return l
}

// Put puts one sample at the first grid point at or after its time. Of two at
// one point the first stays: the second is the same point of another series
// that stands for the same labels, such as a pod's under its former name.
func (l *Line) Put(unixMilli int64, v float64) {
	if unixMilli < l.last {
		l.Mended.Unordered++
	}
	l.last = unixMilli
	if math.IsNaN(v) || math.IsInf(v, 0) {
		l.Mended.NonFinite++
		return
	}
	offset := unixMilli - l.in.from
	i := (max(offset, 0) + l.in.step - 1) / l.in.step
	if offset <= -l.in.step || i >= int64(len(l.Values)) {
		return
	}
	if offset%l.in.step != 0 {
		l.Mended.OffGrid++
	}
	if !math.IsNaN(l.Values[i]) {
		l.Mended.Duplicates++
		return
	}
	l.Values[i] = v
}

// Series is the assembled series, sorted by labels. One without any value is
// left out.
func (a *Assembly) Series(signal Signal) []Series {
	out := make([]Series, 0, len(a.Lines))
	for _, key := range slices.Sorted(maps.Keys(a.Lines)) {
		l := a.Lines[key]
		s := Series{
			Signal: signal, Labels: l.Labels, Values: l.Values, Mended: l.Mended,
			Start: time.UnixMilli(a.from).UTC(), Step: time.Duration(a.step) * time.Millisecond,
		}
		s.Mended.Missing = 0
		for _, v := range s.Values {
			if math.IsNaN(v) {
				s.Mended.Missing++
			}
		}
		if s.Mended.Missing < len(s.Values) {
			out = append(out, s)
		}
	}
	return out
}
