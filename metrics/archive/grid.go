package archive

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// align puts the rows on their grid.
func (t *table) align() (Trace, error) {
	order, unordered := t.order()
	sorted := make([]int64, len(order))
	for k, row := range order {
		sorted[k] = t.times[row]
	}
	distinct := slices.Compact(slices.Clone(sorted))
	if len(distinct) < 2 {
		return Trace{}, errors.New("all rows have the same timestamp; the step between rows needs at least two")
	}
	step := medianGap(distinct)
	start := gridStart(distinct, step)
	n := int((sorted[len(sorted)-1]-start+step/2)/step) + 1
	if n <= 0 || n > maxTraceCells/len(t.columns) {
		return Trace{}, fmt.Errorf("the rows span %s, which at their step of %s is more than the limit of %d values; is a timestamp wrong?",
			time.Duration(sorted[len(sorted)-1]-sorted[0]).Round(time.Second), time.Duration(step), maxTraceCells)
	}
	out := Trace{Step: time.Duration(step), Rows: len(t.times)}
	for i, name := range t.columns {
		s := t.column(i, order, start, step, n)
		s.Labels = metrics.Labels{columnLabel: name}
		s.Mended.Unordered = unordered
		s.Mended.Duplicates = len(sorted) - len(distinct)
		out.Mended.NonFinite += s.Mended.NonFinite
		out.Mended.Missing += s.Mended.Missing
		out.Mended.OffGrid = max(out.Mended.OffGrid, s.Mended.OffGrid)
		out.Series = append(out.Series, s)
	}
	out.Mended.Unordered = unordered
	out.Mended.Duplicates = len(sorted) - len(distinct)
	return out, nil
}

// order is the rows by time, in the file's order where times are equal, and
// how many rows came before their predecessor.
func (t *table) order() (rows []int, unordered int) {
	rows = make([]int, len(t.times))
	for i := range rows {
		rows[i] = i
		if i > 0 && t.times[i] < t.times[i-1] {
			unordered++
		}
	}
	if unordered > 0 {
		slices.SortStableFunc(rows, func(a, b int) int {
			switch {
			case t.times[a] < t.times[b]:
				return -1
			case t.times[a] > t.times[b]:
				return 1
			}
			return 0
		})
	}
	return rows, unordered
}

// column puts one column on the grid: of values at one time the later row's
// wins, and values that share a grid point are averaged.
func (t *table) column(i int, order []int, start, step int64, n int) metrics.Series {
	s := metrics.Series{Start: time.Unix(0, start).UTC(), Step: time.Duration(step), Values: make([]float64, n)}
	s.Mended.NonFinite = t.nonFinite[i]
	for k := range s.Values {
		s.Values[k] = math.NaN()
	}
	at, count := -1, 0
	for k, row := range order {
		v := t.values[i][row]
		if math.IsNaN(v) {
			continue
		}
		when := t.times[row]
		if superseded(t, i, order[k+1:], when) {
			continue
		}
		g := int((when - start + step/2) / step)
		if start+int64(g)*step != when {
			s.Mended.OffGrid++
		}
		if g != at {
			at, count = g, 1
			s.Values[g] = v
			continue
		}
		count++
		s.Values[g] += (v - s.Values[g]) / float64(count)
	}
	for _, v := range s.Values {
		if math.IsNaN(v) {
			s.Mended.Missing++
		}
	}
	return s
}

// superseded tells whether a later row of the same time has a value too.
func superseded(t *table, i int, later []int, when int64) bool {
	for _, row := range later {
		if t.times[row] != when {
			return false
		}
		if !math.IsNaN(t.values[i][row]) {
			return true
		}
	}
	return false
}

// medianGap is the median gap between distinct times, snapped to a whole
// number of seconds that divides the day when it is within 2 % of one: clocks
// that jitter still measure every five minutes.
func medianGap(distinct []int64) int64 {
	gaps := make([]int64, 0, len(distinct)-1)
	for i := 1; i < len(distinct); i++ {
		gaps = append(gaps, distinct[i]-distinct[i-1])
	}
	slices.Sort(gaps)
	// The lower median is a gap that exists.
	gap := gaps[(len(gaps)-1)/2]
	if gap%int64(time.Second) == 0 && gaps[len(gaps)/4] == gap {
		return gap
	}
	for _, nice := range niceSteps {
		if d := int64(nice); math.Abs(float64(gap-d)) <= 0.02*float64(d) {
			return d
		}
	}
	return gap
}

// niceSteps are the intervals people scrape and record at.
var niceSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute, 6 * time.Minute, 10 * time.Minute,
	12 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour,
	4 * time.Hour, 6 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// gridStart places the grid where most rows are: at the most common phase of
// their times when a fifth of them share it, else at their mean phase on the
// circle of one step.
func gridStart(distinct []int64, step int64) int64 {
	counts := make(map[int64]int)
	var sin, cos float64
	for _, x := range distinct {
		phase := mod(x, step)
		counts[phase]++
		s, c := math.Sincos(2 * math.Pi * float64(phase) / float64(step))
		sin += s
		cos += c
	}
	best, most := int64(0), 0
	for phase, n := range counts {
		if n > most || n == most && phase < best {
			best, most = phase, n
		}
	}
	if 5*most < len(distinct) {
		best = 0
		if math.Hypot(sin, cos) > 0.5*float64(len(distinct)) {
			mean := math.Atan2(sin, cos) / (2 * math.Pi) * float64(step)
			best = mod(int64(math.Round(mean/1e9))*int64(time.Second), step)
		}
	}
	first := distinct[0]
	// The nearest grid point to the first row.
	return first - mod(first-best+step/2, step) + step/2
}

// mod is the remainder that is never negative.
func mod(x, m int64) int64 {
	r := x % m
	if r < 0 {
		r += m
	}
	return r
}
