package backtest

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

// coveredWhere is how much of what came at steps of a kind lay under the 0.95
// quantile.
func coveredWhere(t *testing.T, s metrics.Series, where func(time.Time) bool) float64 {
	t.Helper()
	var a forecast.Accuracy
	_, err := Run(context.Background(), forecast.New(forecast.Options{}), s, Options{From: 0.5, Every: 3 * time.Hour}, func(f Forecast) error {
		for _, p := range f.Points {
			if i := int(p.Time.Sub(s.Start) / s.Step); i < len(s.Values) && where(p.Time) {
				a.Add(forecast.Issued{Median: p.Values[1], Upper: p.Values[2], Level: topLevel}, s.Values[i])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Coverage()
}

// loads whose errors depend on the time of day, with when they are large.
func unevenLoad(kind string, seed uint64) (metrics.Series, func(time.Time) bool) {
	r := rand.New(rand.NewPCG(seed, 11))
	s := metrics.Series{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 5 * time.Minute, Values: make([]float64, 28*288)}
	on := func(at time.Time) bool { return at.Hour() == 2 }
	weeknight := func(at time.Time) bool { return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday }
	where := on
	for i := range s.Values {
		at := s.TimeAt(i)
		switch kind {
		case "a batch and nothing else":
			if on(at) {
				s.Values[i] = 500 * (1 + 0.1*r.NormFloat64())
			}
		case "a batch on weeknights":
			where = func(at time.Time) bool { return on(at) && weeknight(at) }
			if where(at) {
				s.Values[i] = 500 * (1 + 0.1*r.NormFloat64())
			}
		case "a batch on a quiet load":
			if s.Values[i] = 20 * (1 + 0.02*r.NormFloat64()); on(at) {
				s.Values[i] = 500 * (1 + 0.1*r.NormFloat64())
			}
		case "a wild evening":
			where = func(at time.Time) bool { return at.Hour() >= 18 && at.Hour() < 22 }
			s.Values[i] = 100 + 40*math.Sin(2*math.Pi*float64(i)/288) + r.NormFloat64()
			if where(at) {
				s.Values[i] += 15 * r.NormFloat64()
			}
		}
	}
	return s, where
}

func TestTheBandIsRightAtTheHoursThatMatter(t *testing.T) {
	for kind, most := range map[string]float64{
		"a batch and nothing else": 0.97, "a batch on a quiet load": 0.97, "a wild evening": 0.97,
		"a batch on weeknights": 0.99, // Mondays are wider until two weekends have been seen
	} {
		sum := 0.0
		for seed := range uint64(2) {
			s, where := unevenLoad(kind, seed)
			sum += coveredWhere(t, s, where) / 2
		}
		t.Logf("%s: %.1f %%", kind, 100*sum)
		if sum < 0.93 || sum > most {
			t.Errorf("%s: the 0.95 quantile covers %.1f %% then", kind, 100*sum)
		}
	}
}
