package metrics

import (
	"math"
	"testing"
)

func TestACounterIsToldFromALoad(t *testing.T) {
	count := 1e12
	for name, c := range map[string]struct {
		column string
		value  func(i int) float64
		want   bool
	}{
		"a counter from its start":       {"v", func(i int) float64 { return float64(1000 * i) }, true},
		"one that has long been running": {"bytes_in_total", func(i int) float64 { count += 1e6; return count }, true},
		"one that began anew":            {"v", func(i int) float64 { return float64(1000 * (i + 1 - i/900*800)) }, true},
		"a load":                         {"bytes_in", func(i int) float64 { return 100 + 40*math.Sin(float64(i)/46) }, false},
		"a load that is named so":        {"load_total", func(i int) float64 { return 100 + 40*math.Sin(float64(i)/46) }, false},
		"a constant":                     {"x_total", func(int) float64 { return 5 }, false},
		"a load that doubles steadily":   {"bytes_in", func(i int) float64 { return 100 + float64(i)/10 }, false},
	} {
		s := Series{Values: make([]float64, 1000)}
		for i := range s.Values {
			s.Values[i] = c.value(i)
		}
		if got := s.LooksLikeCounter(c.column); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
