// Package metrics reads the world. This root holds the values every reader
// gives and every forecaster takes: a Series on a regular grid, the Signal it
// measures, the Window it was asked for, and the query catalogue's types. It
// reads nothing itself; the adapters below it do.
package metrics

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Labels name a series within its signal, such as topic="orders".
type Labels map[string]string

// Key is the labels as one string, sorted, such as broker=1,topic=orders. It
// is what series are sorted and matched by.
func (l Labels) Key() string {
	switch len(l) {
	case 0:
		return ""
	case 1:
		for k, v := range l {
			return k + "=" + v
		}
	}
	names := slices.Sorted(maps.Keys(l))
	var b strings.Builder
	for i, k := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k)
		b.WriteByte('=')
		b.WriteString(l[k])
	}
	return b.String()
}

// Window is a stretch of time, From inclusive, To inclusive, on a grid of Step.
type Window struct {
	From, To time.Time
	Step     time.Duration
}

// OnGrid is the part of the window that lies on multiples of Step since the
// Unix epoch. Two windows of one step then share their grid points, whoever
// asks and whenever.
func (w Window) OnGrid() Window {
	if w.Step <= 0 {
		return w
	}
	from := time.Unix(0, floor(w.From.UnixNano(), int64(w.Step))).UTC()
	if from.Before(w.From) {
		from = from.Add(w.Step)
	}
	return Window{From: from, To: time.Unix(0, floor(w.To.UnixNano(), int64(w.Step))).UTC(), Step: w.Step}
}

// Points is the number of grid points; zero for an empty window.
func (w Window) Points() int {
	if w.Step <= 0 || w.To.Before(w.From) {
		return 0
	}
	return int(w.To.Sub(w.From)/w.Step) + 1
}

func floor(x, m int64) int64 {
	r := x % m
	if r < 0 {
		r += m
	}
	return x - r
}

// Sample is one reading as it came.
type Sample struct {
	Time  time.Time
	Value float64
}

// Point is the value of one series of a signal at one instant.
type Point struct {
	Labels Labels
	Time   time.Time
	Value  float64
	// Names are what the broker of the series is called by those who scrape it, the
	// best first: a pod, a host, a target. They are empty where the label broker was
	// told as an id. With names, that label is an id that was read off one of them, or
	// the name itself where none can be: who places brokers has the last word.
	Names []string
}

// Series is one signal on a regular grid: Values[i] was measured at
// Start + i·Step. A missing value is NaN; no other value is ever NaN or Inf.
type Series struct {
	Signal Signal
	Labels Labels
	Start  time.Time
	Step   time.Duration
	Values []float64
	// Mended says what Align had to do to the samples.
	Mended Mended
}

// Mended counts what a reader repaired, so that nobody takes repaired input
// for clean input.
type Mended struct {
	Duplicates int `json:"duplicates,omitempty"` // samples at a time already seen; the later one won
	Unordered  int `json:"unordered,omitempty"`  // samples that came before their predecessor
	NonFinite  int `json:"nonFinite,omitempty"`  // NaN and ±Inf, taken for missing
	Resets     int `json:"resets,omitempty"`     // counter resets
	Missing    int `json:"missing,omitempty"`    // grid points without a sample
	OffGrid    int `json:"offGrid,omitempty"`    // samples that were not on the grid
}

// Len is the number of grid points.
func (s Series) Len() int { return len(s.Values) }

// TimeAt is the time of grid point i.
func (s Series) TimeAt(i int) time.Time { return s.Start.Add(time.Duration(i) * s.Step) }

// End is the time of the last grid point; the zero time for an empty series.
func (s Series) End() time.Time {
	if len(s.Values) == 0 {
		return time.Time{}
	}
	return s.TimeAt(len(s.Values) - 1)
}

// Last is the latest value that is not missing, and its index; NaN and -1 if
// there is none.
func (s Series) Last() (float64, int) {
	for i := len(s.Values) - 1; i >= 0; i-- {
		if !math.IsNaN(s.Values[i]) {
			return s.Values[i], i
		}
	}
	return math.NaN(), -1
}

// Upto is the series without what lies after t. The values are shared.
func (s Series) Upto(t time.Time) Series {
	n := 0
	if !t.Before(s.Start) && s.Step > 0 {
		n = min(int(t.Sub(s.Start)/s.Step)+1, len(s.Values))
	}
	s.Values = s.Values[:n:n]
	return s
}
