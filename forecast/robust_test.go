package forecast

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

var wide = Horizon{Ahead: 24 * time.Hour, Quantiles: []float64{0.01, 0.05, 0.5, 0.95, 0.99}}

// sane fails the test if a prediction is not a number, negative, out of order
// or beyond any proportion to the highest value ever seen.
func sane(t testing.TB, s metrics.Series, p Prediction) {
	t.Helper()
	top := 0.0
	for _, v := range s.Values {
		if v > top && v < 1e120 {
			top = v
		}
	}
	for i, pt := range p.Points {
		for j, v := range pt.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || j > 0 && v < pt.Values[j-1] {
				t.Fatalf("step %d: %v", i+1, pt.Values)
			}
			if v > 20*top {
				t.Fatalf("step %d: %v, but nothing above %v was ever seen", i+1, pt.Values, top)
			}
		}
	}
}

func mustForecast(t *testing.T, s metrics.Series) Prediction {
	t.Helper()
	p, err := New(Options{}).Forecast(context.Background(), s, wide)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Points) != int(wide.Ahead/s.Step) {
		t.Fatalf("got %d points", len(p.Points))
	}
	sane(t, s, p)
	return p
}

// median is the middle quantile at a step.
func median(p Prediction, step int) float64 { return p.Points[step-1].Values[2] }

func TestConstantSeriesStaysConstant(t *testing.T) {
	s := daily(10, 5*time.Minute)
	for i := range s.Values {
		s.Values[i] = 42
	}
	p := mustForecast(t, s)
	for i := range p.Points {
		if m := median(p, i+1); math.Abs(m-42) > 0.5 {
			t.Fatalf("step %d: got %v, want 42", i+1, m)
		}
	}
}

func TestAllZerosStayZero(t *testing.T) {
	s := daily(10, 5*time.Minute)
	clear(s.Values)
	p := mustForecast(t, s)
	if m := median(p, 288); m > 1e-6 {
		t.Errorf("got %v, want 0", m)
	}
}

func TestNegativeValuesAreMissingAndNeverForecast(t *testing.T) {
	s := daily(10, 5*time.Minute)
	for i := 0; i < len(s.Values); i += 3 {
		s.Values[i] = -1000
	}
	p := mustForecast(t, s)
	if m := median(p, 144); math.Abs(m-100) > 15 {
		t.Errorf("got %v, want about 100", m)
	}
	for i := range s.Values {
		s.Values[i] = -1
	}
	if _, err := New(Options{}).Forecast(context.Background(), s, wide); !errors.Is(err, ErrTooShort) {
		t.Errorf("only negative values: got %v, want ErrTooShort", err)
	}
}

func TestTooLittleIsErrTooShort(t *testing.T) {
	two := daily(2, 5*time.Minute)
	two.Values = two.Values[:len(two.Values)-1]
	none := daily(9, 5*time.Minute)
	for i := range none.Values {
		none.Values[i] = math.NaN()
	}
	one := daily(1, 5*time.Minute)
	one.Values = one.Values[:1]
	empty := one
	empty.Values = nil
	for name, s := range map[string]metrics.Series{"no points": empty, "one point": one, "two days minus one point": two,
		"all missing": none} {
		if _, err := New(Options{}).Forecast(context.Background(), s, wide); !errors.Is(err, ErrTooShort) {
			t.Errorf("%s: got %v, want ErrTooShort", name, err)
		}
	}
}

func TestSixtyPercentMissing(t *testing.T) {
	s := daily(14, 5*time.Minute)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range s.Values {
		if r.Float64() < 0.6 {
			s.Values[i] = math.NaN()
		}
	}
	p := mustForecast(t, s)
	for i := range p.Points {
		want := 100 + 40*math.Sin(2*math.Pi*float64(i)/288)
		if m := median(p, i+1); math.Abs(m-want) > 10 {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestGapOfThreeDaysKeepsWhatLiesBeforeIt(t *testing.T) {
	s := daily(10, 5*time.Minute)
	// Only one day follows the gap: without what lies before it there would be
	// too little to forecast from.
	for i := 6 * 288; i < 9*288; i++ {
		s.Values[i] = math.NaN()
	}
	p := mustForecast(t, s)
	for i := range p.Points {
		want := 100 + 40*math.Sin(2*math.Pi*float64(i)/288)
		if m := median(p, i+1); math.Abs(m-want) > 10 {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestGapAtTheEndWidensTheBand(t *testing.T) {
	s := fourWeeks(2)
	whole := mustForecast(t, s)
	for i := len(s.Values) - 72; i < len(s.Values); i++ {
		s.Values[i] = math.NaN()
	}
	blind := mustForecast(t, s)
	width := func(p Prediction) float64 { return p.Points[0].Values[3] - p.Points[0].Values[1] }
	if width(blind) < 1.5*width(whole) {
		t.Errorf("six hours without data: the first step's band is %v wide, with data %v", width(blind), width(whole))
	}
}

func TestSpikeIsNotForecastAgain(t *testing.T) {
	s := daily(10, 5*time.Minute)
	at := 8*288 + 150
	s.Values[at], s.Values[at+1] = 10000, 9000
	p := mustForecast(t, s)
	for i := range p.Points {
		want := 100 + 40*math.Sin(2*math.Pi*float64(i)/288)
		if m := median(p, i+1); math.Abs(m-want) > 15 {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
		if up := p.Points[i].Values[3]; up > 2.5*want {
			t.Fatalf("step %d: the 0.95 quantile is %v where the load is %v", i+1, up, want)
		}
	}
}

func TestLevelShiftIsFollowed(t *testing.T) {
	s := daily(14, 5*time.Minute)
	for i := 11 * 288; i < len(s.Values); i++ {
		s.Values[i] *= 3
	}
	p := mustForecast(t, s)
	for i := range p.Points {
		want := 3 * (100 + 40*math.Sin(2*math.Pi*float64(i)/288))
		if m := median(p, i+1); math.Abs(m-want) > 0.2*want {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestHourShiftOfTheClockIsFollowed(t *testing.T) {
	// Clocks go forward: from day 10 on everything happens an hour earlier.
	s := daily(14, 5*time.Minute)
	f := func(i int) float64 { return 100 + 40*math.Sin(2*math.Pi*float64(i)/288) }
	for i := 10 * 288; i < len(s.Values); i++ {
		s.Values[i] = f(i + 12)
	}
	p := mustForecast(t, s)
	for i := range p.Points {
		if m, want := median(p, i+1), f(len(s.Values)+i+12); math.Abs(m-want) > 12 {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestHugeAndTinyValuesScale(t *testing.T) {
	base := mustForecast(t, daily(10, 5*time.Minute))
	for _, f := range []float64{1e15, 1e-15} {
		s := daily(10, 5*time.Minute)
		for i := range s.Values {
			s.Values[i] *= f
		}
		p := mustForecast(t, s)
		for i := range p.Points {
			if r := median(p, i+1) / f / median(base, i+1); math.Abs(r-1) > 0.01 {
				t.Fatalf("times %g, step %d: %v of the unscaled forecast", f, i+1, r)
			}
		}
	}
}

func TestNonFiniteAndOverflowingValuesAreMissing(t *testing.T) {
	s := daily(10, 5*time.Minute)
	for i, v := range []float64{math.Inf(1), math.Inf(-1), math.MaxFloat64, 1e200} {
		s.Values[2000+i*50] = v
	}
	p := mustForecast(t, s)
	if m := median(p, 144); math.Abs(m-100) > 15 {
		t.Errorf("got %v, want about 100", m)
	}
}

func TestShortRhythmOfATestClusterIsFound(t *testing.T) {
	// A "day" of ten minutes, read every five seconds for an hour.
	s := metrics.Series{Start: monday, Step: 5 * time.Second, Values: make([]float64, 720)}
	r := rand.New(rand.NewPCG(5, 6))
	f := func(i int) float64 { return 1000 + 600*math.Sin(2*math.Pi*float64(i)/120) }
	for i := range s.Values {
		s.Values[i] = f(i) + 20*r.NormFloat64()
	}
	p, err := New(Options{}).Forecast(context.Background(), s, Horizon{Ahead: 10 * time.Minute, Quantiles: wide.Quantiles})
	if err != nil {
		t.Fatal(err)
	}
	sane(t, s, p)
	for i := range p.Points {
		if m, want := median(p, i+1), f(720+i); math.Abs(m-want) > 150 {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestOtherStepsAreForecast(t *testing.T) {
	for _, step := range []time.Duration{time.Minute, 7 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour,
		24 * time.Hour} {
		days := 10
		if step >= 6*time.Hour {
			days = 70
		}
		s := daily(days, step)
		h := wide
		h.Ahead = 2 * 24 * time.Hour
		p, err := New(Options{MaxAhead: h.Ahead}).Forecast(context.Background(), s, h)
		if err != nil {
			t.Fatalf("%v: %v", step, err)
		}
		sane(t, s, p)
		for i := range p.Points {
			x := float64(len(s.Values)+i) * float64(step) / float64(24*time.Hour)
			want := 100 + 40*math.Sin(2*math.Pi*x)
			if m := median(p, i+1); math.Abs(m-want) > 12 {
				t.Fatalf("%v, step %d: got %v, want about %v", step, i+1, m, want)
			}
		}
	}
}

func TestHorizonOfAWeekIsForecast(t *testing.T) {
	s := fourWeeks(3)
	h := Horizon{Ahead: 7 * 24 * time.Hour, Quantiles: wide.Quantiles}
	for _, e := range []*Engine{New(Options{}), New(Options{MaxAhead: h.Ahead})} {
		p, err := e.Forecast(context.Background(), s, h)
		if err != nil {
			t.Fatal(err)
		}
		sane(t, s, p)
		for i := range p.Points {
			if i < 72 {
				continue // the weekend ends with a jump at midnight
			}
			if m, want := median(p, i+1), s.Values[len(s.Values)-7*288+i]; math.Abs(m-want) > 40 {
				t.Fatalf("step %d: got %v, a week ago it was %v", i+1, m, want)
			}
		}
	}
}

func TestBadHorizonIsRefused(t *testing.T) {
	s := daily(3, 5*time.Minute)
	for name, h := range map[string]Horizon{
		"no quantiles":      {Ahead: time.Hour},
		"unsorted":          {Ahead: time.Hour, Quantiles: []float64{0.9, 0.5}},
		"one":               {Ahead: time.Hour, Quantiles: []float64{1}},
		"shorter than step": {Ahead: time.Minute, Quantiles: []float64{0.5}},
		"absurdly long":     {Ahead: 100 * 365 * 24 * time.Hour, Quantiles: []float64{0.5}},
	} {
		if _, err := New(Options{}).Forecast(context.Background(), s, h); err == nil || errors.Is(err, ErrTooShort) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s.Step = 0
	if _, err := New(Options{}).Forecast(context.Background(), s, wide); err == nil {
		t.Error("a step of zero was taken")
	}
}

func FuzzForecastIsSane(f *testing.F) {
	f.Add([]byte{1, 2, 3, 250, 7}, uint16(300), uint8(1), 1.0)
	f.Add([]byte{0}, uint16(900), uint8(60), 1e15)
	f.Add([]byte{255, 0, 255, 9, 254}, uint16(64), uint8(30), 1e-15)
	f.Fuzz(func(t *testing.T, pattern []byte, n uint16, minutes uint8, scale float64) {
		if len(pattern) == 0 || minutes == 0 || math.IsNaN(scale) {
			return
		}
		s := metrics.Series{Start: monday, Step: time.Duration(minutes) * time.Minute, Values: make([]float64, n%3000)}
		for i := range s.Values {
			b := pattern[(i+i*i/len(pattern))%len(pattern)]
			s.Values[i] = (float64(b) + float64(i%24)) * scale
			switch b {
			case 255:
				s.Values[i] = math.NaN()
			case 254:
				s.Values[i] = math.Inf(1)
			case 253:
				s.Values[i] *= 1e6
			}
		}
		p, err := New(Options{}).Forecast(context.Background(), s, Horizon{Ahead: 6 * time.Hour, Quantiles: wide.Quantiles})
		if err != nil {
			return
		}
		sane(t, s, p)
	})
}
