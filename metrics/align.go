package metrics

import (
	"math"
	"slices"
	"time"
)

// Align puts samples on the grid of w: each grid point takes the mean of the
// samples in (t−Step, t]. Samples may be unordered, repeated and non-finite;
// what was repaired is counted in Mended. A grid point without a sample is
// NaN: a gap is never filled here.
func Align(signal Signal, labels Labels, samples []Sample, w Window) Series {
	s := Series{Signal: signal, Labels: labels, Start: w.From, Step: w.Step}
	if w.Step <= 0 || w.To.Before(w.From) {
		return s
	}
	samples, s.Mended = ordered(samples)
	n := int(w.To.Sub(w.From)/w.Step) + 1
	s.Values = make([]float64, n)
	counts := make([]int32, n)
	for _, x := range samples {
		i := gridIndex(x.Time, w)
		if i < 0 || i >= n {
			continue
		}
		if !x.Time.Equal(w.From.Add(time.Duration(i) * w.Step)) {
			s.Mended.OffGrid++
		}
		s.Values[i] += x.Value
		counts[i]++
	}
	for i, c := range counts {
		if c == 0 {
			s.Values[i] = math.NaN()
			s.Mended.Missing++
			continue
		}
		s.Values[i] /= float64(c)
	}
	return s
}

// gridIndex is the first grid point at or after t; negative before the grid.
func gridIndex(t time.Time, w Window) int {
	d := t.Sub(w.From)
	if d <= -w.Step {
		return -1
	}
	if d <= 0 {
		return 0
	}
	return int((d + w.Step - 1) / w.Step)
}

// ordered sorts by time, drops non-finite samples, and keeps the last of
// samples at one time.
func ordered(in []Sample) ([]Sample, Mended) {
	var m Mended
	out := make([]Sample, 0, len(in))
	for i, x := range in {
		if i > 0 && x.Time.Before(in[i-1].Time) {
			m.Unordered++
		}
		if math.IsNaN(x.Value) || math.IsInf(x.Value, 0) {
			m.NonFinite++
			continue
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b Sample) int { return a.Time.Compare(b.Time) })
	k := 0
	for _, x := range out {
		if k > 0 && out[k-1].Time.Equal(x.Time) {
			out[k-1] = x
			m.Duplicates++
			continue
		}
		out[k] = x
		k++
	}
	return out[:k], m
}
