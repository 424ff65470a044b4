package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// While no history can be read the last good forecast stands, until it is too old.
func TestAGapKeepsTheLastGoodForecast(t *testing.T) {
	c := newPredictor(flatForecaster{1}, flatHistory{}, policy.Forecast{
		Step: policy.Duration(5 * time.Minute), Refresh: policy.Duration(5 * time.Minute), History: policy.Duration(24 * time.Hour), Quantile: 0.95,
	}, true)
	gone := false
	read := func(_ context.Context, w metrics.Window) (metrics.Signal, metrics.Series, error) {
		if gone {
			return metrics.TopicBytesIn, metrics.Series{}, errors.New("Prometheus does not answer")
		}
		s := metrics.Series{Start: w.From, Step: w.Step, Values: make([]float64, int(w.To.Sub(w.From)/w.Step)+1)}
		for i := range s.Values {
			s.Values[i] = 100
		}
		return metrics.TopicBytesIn, s, nil
	}
	for _, x := range []struct {
		after time.Duration
		gone  bool
		known bool
	}{{0, false, true}, {10 * time.Minute, true, true}, {5 * time.Hour, true, true}, {7 * time.Hour, true, false}, {8 * time.Hour, false, true}} {
		gone = x.gone
		now := start.Add(x.after)
		p := c.predict(t.Context(), now, "in", time.Hour, time.Time{}, read)
		if v, ok := p.upperNow(now); ok != x.known || ok && v != 100 {
			t.Errorf("after %s: %g is expected, %v", x.after, v, p.err)
		}
	}
}

// A load that stays silent for a day is what there is; one that comes back is
// believed at once.
func TestADoubtEnds(t *testing.T) {
	fs := &forecasts{doubts: map[string]*doubt{}}
	for _, x := range []struct {
		after   time.Duration
		odd     bool
		doubted bool
	}{
		{0, false, false}, {time.Minute, true, true}, {2 * time.Hour, true, true}, {3 * time.Hour, false, false},
		{4 * time.Hour, true, true}, {27 * time.Hour, true, true}, {29 * time.Hour, true, false}, {30 * time.Hour, true, false},
		{31 * time.Hour, false, false}, {32 * time.Hour, true, true},
	} {
		if got := !fs.doubted("in", start.Add(x.after), x.odd).IsZero(); got != x.doubted {
			t.Errorf("after %s: doubted %v, want %v", x.after, got, x.doubted)
		}
	}
}
