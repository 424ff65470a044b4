package forecast

import (
	"math"
	"testing"
)

func TestPartsAddUpToTheWholeAndFollowRecentShares(t *testing.T) {
	s := NewShares(3, 12)
	if got := s.Of(0); math.Abs(got-1.0/3) > 1e-12 {
		t.Errorf("without any load: share %v, want a third", got)
	}
	for range 100 {
		s.Observe([]float64{60, 30, 10})
	}
	for range 100 {
		s.Observe([]float64{10, 30, 60})
	}
	p := mustForecast(t, fourWeeks(1))
	for k := range p.Points {
		for j := range p.Quantiles {
			sum := 0.0
			for i := range 3 {
				sum += s.Split(p, i).Points[k].Values[j]
			}
			if want := p.Points[k].Values[j]; math.Abs(sum-want) > 1e-9*want {
				t.Fatalf("step %d: the parts add up to %v, the whole is %v", k+1, sum, want)
			}
		}
		if k == 3 {
			break
		}
	}
	if got := s.Of(2); math.Abs(got-0.6) > 0.01 {
		t.Errorf("a part that has 60 %% by now: share %v", got)
	}
	s.Observe([]float64{10, math.NaN(), 60})
	if got := s.Of(1); math.Abs(got-0.3) > 0.03 {
		t.Errorf("a part that was not measured: share %v, want about its 0.3", got)
	}
}
