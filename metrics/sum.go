package metrics

import (
	"math"
	"slices"
	"time"
)

// Sum adds series up on the grid of the first: a gap in one is a gap in the sum.
func Sum(signal Signal, list []Series) Series {
	if len(list) == 0 {
		return Series{Signal: signal}
	}
	return SumIn(signal, list, Window{From: list[0].Start, To: list[0].End(), Step: list[0].Step})
}

// gone is how long a series must be silent at the end of a window to count as
// one that went for good, and not as one with a gap.
const gone = time.Hour

// SumIn adds series up on a window's grid. A series counts as nothing before it first
// appeared and after it went for good; a gap inside it, or a short one at its
// end, makes the sum a gap too: a missing exporter must not look like a dip.
func SumIn(signal Signal, list []Series, w Window) Series {
	if len(list) == 1 && list[0].Step == w.Step {
		return list[0]
	}
	n := int(w.To.Sub(w.From)/w.Step) + 1
	out := Series{Signal: signal, Start: w.From, Step: w.Step, Values: make([]float64, n)}
	seen := make([]bool, n)
	for _, s := range list {
		if s.Step != w.Step || len(s.Values) == 0 {
			continue
		}
		shift := int(s.Start.Sub(w.From) / w.Step)
		first := slices.IndexFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
		_, last := s.Last()
		if first < 0 {
			continue
		}
		until := last
		if w.To.Sub(s.TimeAt(last)) < gone {
			until = n - 1 - shift
		}
		for i := first; i <= until; i++ {
			k := i + shift
			if k < 0 || k >= n {
				continue
			}
			v := math.NaN()
			if i < len(s.Values) {
				v = s.Values[i]
			}
			out.Values[k] += v // a gap stays a gap
			seen[k] = true
		}
	}
	for i, ok := range seen {
		if !ok {
			out.Values[i] = math.NaN()
		}
	}
	return out
}

// Lately is the highest value and the mean of the end of a series; zero, and
// not known, when nothing was measured.
func Lately(s Series, span time.Duration) (peak, mean float64, known bool) {
	n := len(s.Values)
	if s.Step > 0 {
		n = min(n, int(span/s.Step))
	}
	count := 0
	for _, v := range s.Values[len(s.Values)-n:] {
		if !math.IsNaN(v) {
			peak = max(peak, v)
			mean += v
			count++
		}
	}
	if count > 0 {
		mean /= float64(count)
	}
	return peak, mean, count > 0
}

// Gaps tells for each grid point whether a series has a gap there: between its first and
// its last value, or at its end where it may come back. All are on one grid.
func Gaps(list []Series) []bool {
	var out []bool
	for _, s := range list {
		if out == nil {
			out = make([]bool, len(s.Values))
		}
		first := slices.IndexFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
		_, last := s.Last()
		if first < 0 {
			continue
		}
		if s.End().Sub(s.TimeAt(last)) < gone {
			last = len(s.Values) - 1
		}
		for i := first; i <= last && i < len(out); i++ {
			out[i] = out[i] || math.IsNaN(s.Values[i])
		}
	}
	return out
}
