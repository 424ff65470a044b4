package forecast

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// TestAStepDoesNotDependOnHowManyAreAskedFor holds what lets the page look
// farther than the loop does without changing what is decided.
func TestAStepDoesNotDependOnHowManyAreAskedFor(t *testing.T) {
	s := metrics.Series{Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Step: 15 * time.Minute}
	for i := range 96 * 10 {
		s.Values = append(s.Values, 1e8*(2+math.Sin(float64(i)/96*2*math.Pi))+float64((i*7919)%1000)*1e4)
	}
	var got [2]Prediction
	for i, ahead := range []time.Duration{2 * time.Hour, 48 * time.Hour} {
		p, err := New(Options{}).Forecast(t.Context(), s, Horizon{Ahead: ahead, Quantiles: []float64{0.05, 0.5, 0.95}})
		if err != nil {
			t.Fatal(err)
		}
		got[i] = p
	}
	if got[0].Trusted != got[1].Trusted {
		t.Errorf("trusted %v and %v", got[0].Trusted, got[1].Trusted)
	}
	for i, p := range got[0].Points {
		if !slices.Equal(p.Values, got[1].Points[i].Values) {
			t.Fatalf("step %d: %v and %v", i, p.Values, got[1].Points[i].Values)
		}
	}
}
