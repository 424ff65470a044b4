package controller

import (
	"math"
	"testing"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

func TestWhatStandsInForAForecastStaysWithinWhatHasBeen(t *testing.T) {
	points := []forecast.Point{{Time: start, Values: []float64{50, 60, 200}}}
	past := func(days int) metrics.Series {
		s := metrics.Series{Step: time.Hour, Values: make([]float64, (28-days)*24)} // nothing was measured before
		for i := range s.Values {
			s.Values[i] = math.NaN()
		}
		for range days * 24 {
			s.Values = append(s.Values, 40)
		}
		s.Values[len(s.Values)-3] = 90
		return s
	}
	if got := bounded(points, past(8))[0].Values; got[2] != 90 || got[1] != 60 {
		t.Errorf("after eight days with 90 at most: %v", got)
	}
	if got := bounded(points, past(3))[0].Values; got[2] != 200 {
		t.Errorf("after three days: %v", got)
	}
	if points[0].Values[2] != 200 {
		t.Error("the forecaster's own points are changed")
	}
}
