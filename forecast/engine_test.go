package forecast

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// daily is a plain day: a sine with an amplitude of 40 around 100, and noise.
func daily(days int, step time.Duration) metrics.Series {
	n := int(time.Duration(days) * 24 * time.Hour / step)
	s := metrics.Series{Start: monday, Step: step, Values: make([]float64, n)}
	for i := range s.Values {
		x := float64(i) * float64(step) / float64(24*time.Hour)
		s.Values[i] = 100 + 40*math.Sin(2*math.Pi*x) + 3*math.Sin(1e4*x*x)
	}
	return s
}

func TestDailyRhythmIsForecast(t *testing.T) {
	s := daily(7, 5*time.Minute)
	p, err := New(Options{}).Forecast(context.Background(), s, Horizon{Ahead: 24 * time.Hour, Quantiles: []float64{0.05, 0.5, 0.95}})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Points) != 288 || !p.Points[0].Time.Equal(s.End().Add(s.Step)) {
		t.Fatalf("got %d points from %v", len(p.Points), p.Points[0].Time)
	}
	for i, pt := range p.Points {
		x := float64(len(s.Values)+i) / 288
		want := 100 + 40*math.Sin(2*math.Pi*x)
		if math.Abs(pt.Values[1]-want) > 5 || pt.Values[0] > pt.Values[1] || pt.Values[1] > pt.Values[2] {
			t.Fatalf("step %d: got %v, want about %.1f", i+1, pt.Values, want)
		}
	}
}

func TestTooShortSaysSo(t *testing.T) {
	s := daily(2, 5*time.Minute)
	s.Values = s.Values[:len(s.Values)-1]
	_, err := New(Options{}).Forecast(context.Background(), s, Horizon{Ahead: time.Hour, Quantiles: []float64{0.5}})
	if !errors.Is(err, ErrTooShort) {
		t.Errorf("two days minus one point: got %v, want ErrTooShort", err)
	}
}
