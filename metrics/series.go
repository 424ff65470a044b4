// Package metrics reads the world. This root holds the values every reader
// gives and every forecaster takes: a Series on a regular grid, the Signal it
// measures, the Window it was asked for, and the query catalogue's types. It
// reads nothing itself; the adapters below it do.
package metrics

import (
	"math"
	"time"
)

// Labels name a series within its signal, such as topic="orders".
type Labels map[string]string

// Window is a stretch of time, From inclusive, To inclusive, on a grid of Step.
type Window struct {
	From, To time.Time
	Step     time.Duration
}

// Sample is one reading as it came.
type Sample struct {
	Time  time.Time
	Value float64
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
