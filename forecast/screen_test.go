package forecast

import (
	"math"
	"testing"
	"time"
)

// near says whether the 0.95 quantiles of two predictions are within a tenth.
func near(t *testing.T, name string, got, want Prediction) {
	t.Helper()
	if got.Trusted != want.Trusted {
		t.Errorf("%s: trusted is %v (%s), without it %v", name, got.Trusted, got.Why, want.Trusted)
	}
	for i := range want.Points {
		if a, b := got.Points[i].Values[3], want.Points[i].Values[3]; math.Abs(a-b) > 0.1*b {
			t.Fatalf("%s, step %d: the 0.95 quantile is %.1f, without it %.1f", name, i+1, a, b)
		}
	}
}

// A counter that is taken to begin anew shows weeks of traffic in one sample.
func TestOneFalseCounterResetIsNotALoad(t *testing.T) {
	clean := mustForecast(t, fourWeeks(1))
	n := len(fourWeeks(1).Values)
	for name, at := range map[string]int{
		"first sample": 0, "first day": 100, "a day ago": n - 289, "an hour ago": n - 12, "last but one": n - 2, "last": n - 1,
	} {
		for _, factor := range []float64{100, 5600} {
			s := fourWeeks(1)
			s.Values[at] *= factor
			near(t, name, mustForecast(t, s), clean)

			live := New(Options{}).NewState(s.Start, s.Step)
			for _, v := range s.Values {
				live.Observe(v)
			}
			p, err := live.Predict(wide)
			if err != nil {
				t.Fatal(err)
			}
			near(t, name+", taken one by one", p, clean)
		}
	}
}

func TestAnOutageIsNotTomorrowsForecast(t *testing.T) {
	for _, hours := range []float64{0.5, 2, 4} {
		for _, ago := range []int{1, 7} {
			s := daily(14, 5*time.Minute)
			from := len(s.Values) - ago*288 + 72 // at the peak
			span := int(hours * 12)
			for i := from; i < from+span; i++ {
				s.Values[i] = 0
			}
			p := mustForecast(t, s)
			for i := 72; i < 72+span; i++ {
				want := 100 + 40*math.Sin(2*math.Pi*float64(i)/288)
				if up := p.Points[i].Values[3]; up < want {
					t.Fatalf("%v h of zeros %d days ago: the 0.95 quantile there is %.1f, the load %.1f", hours, ago, up, want)
				}
			}
		}
	}
}

func TestWhileAnOutageLastsTheLoadIsExpectedBack(t *testing.T) {
	s := daily(14, 5*time.Minute)
	s.Values = s.Values[:len(s.Values)-216] // 06:00
	for i := len(s.Values) - 12; i < len(s.Values); i++ {
		s.Values[i] = 0
	}
	if p := mustForecast(t, s); median(p, 12) < 100 {
		t.Errorf("an hour into an outage, an hour ahead: %.1f", median(p, 12))
	}
}

func TestALoadThatGoesAwayForGoodIsFollowedWithinTwoDays(t *testing.T) {
	for _, left := range []float64{0, 0.05, 0.4} {
		s := daily(16, 5*time.Minute)
		for i := 14 * 288; i < len(s.Values); i++ {
			s.Values[i] *= left
		}
		p := mustForecast(t, s)
		for i := range p.Points {
			want := left * (100 + 40*math.Sin(2*math.Pi*float64(i)/288))
			if m := median(p, i+1); m > 1.25*want+4 {
				t.Fatalf("two days after only %v is left, step %d: %.1f, the load %.1f", left, i+1, m, want)
			}
		}
	}
}

func TestARealSurgeCountsWhenTheNextSampleBearsItOut(t *testing.T) {
	screen := newScreen(288)
	for range 3 * 288 {
		screen.take(100)
	}
	if seen, _ := screen.take(1000); !math.IsNaN(seen) {
		t.Errorf("the first sample of ten times the load counts at once: %v", seen)
	}
	if seen, back := screen.take(1050); seen != 1050 || len(back) != 1 || back[0] != 1000 {
		t.Errorf("the second: %v, and before it %v", seen, back)
	}
}

func TestWhatComesEveryDayIsNotDoubted(t *testing.T) {
	screen := newScreen(288)
	lost := 0
	for i := range 10 * 288 {
		v := 1.0
		if i%288 == 30 {
			v = 100
		}
		if seen, _ := screen.take(v); math.IsNaN(seen) && i >= 288 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d samples of a habit were lost after its first day", lost)
	}
}
