package forecast

import (
	"context"
	"testing"
	"time"
)

// Six and a half days ahead yesterday's value is that of the same weekday: what
// is right there for the wrong reason must not speak of a day further on.
func TestWeekendsAreRightAtAnyDistance(t *testing.T) {
	s := fourWeeks(4)
	for _, days := range []int{2, 5} {
		cut := s
		cut.Values = s.Values[:len(s.Values)-days*288]
		h := Horizon{Ahead: 14 * 24 * time.Hour, Quantiles: []float64{0.05, 0.5, 0.95}}
		p, err := New(Options{MaxAhead: h.Ahead}).Forecast(context.Background(), cut, h)
		if err != nil {
			t.Fatal(err)
		}
		level := func(day int) float64 {
			sum := 0.0
			for _, pt := range p.Points[day*288 : (day+1)*288] {
				sum += pt.Values[1] / 288
			}
			return sum
		}
		first := p.Points[0].Time
		for d := 4; d < 14; d++ {
			day := first.AddDate(0, 0, d).Weekday()
			if day != time.Saturday && day != time.Sunday {
				continue
			}
			// The load of a weekend is six tenths of a weekday's; four weeks show few
			// outcomes so far ahead.
			week := level(d - 3)
			if d >= 7 {
				week = level(d - 4)
			}
			if got := level(d); got > 0.85*week {
				t.Errorf("from %d days before the end, day %d, a %v: %.1f on average, %.1f in the week before it", days, d, day, got, week)
			}
		}
	}
}
