package metrics

import (
	"math"
	"testing"
	"time"
)

func TestSumKeepsGapsAndForgetsTopicsThatWent(t *testing.T) {
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	nan := math.NaN()
	w := Window{From: start, To: start.Add(24 * time.Minute * 10), Step: 10 * time.Minute}
	a := make([]float64, 25)
	b := make([]float64, 25)
	for i := range a {
		a[i], b[i] = 1, 10
	}
	a[5] = nan                 // a gap
	b[0], b[1] = nan, nan      // not there yet
	for i := 12; i < 25; i++ { // gone for more than an hour
		b[i] = nan
	}
	a[24] = nan // the last scrape is missing
	s := SumIn(TopicBytesIn, []Series{{Start: start, Step: w.Step, Values: a}, {Start: start, Step: w.Step, Values: b}}, w)
	for i, want := range map[int]float64{0: 1, 2: 11, 5: nan, 11: 11, 12: 1, 23: 1, 24: nan} {
		if got := s.Values[i]; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("point %d is %v, want %v", i, got, want)
		}
	}
}
