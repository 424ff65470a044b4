package forecast

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestAperiodicLoadSwitchesThePredictivePartOffAndARhythmOnAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	st := New(Options{}).NewState(monday, 15*time.Minute)
	for range 12 * 96 {
		st.Observe(math.Exp(2 * r.NormFloat64()))
	}
	p, err := st.Predict(wide)
	if err != nil {
		t.Fatal(err)
	}
	if p.Trusted || !strings.HasPrefix(p.Why, "switched off: ") {
		t.Fatalf("after twelve days of noise: trusted is %v, why is %q", p.Trusted, p.Why)
	}
	for i := range 21 * 96 {
		st.Observe(20 + 8*math.Sin(2*math.Pi*float64(i)/96) + 1.5*r.NormFloat64())
	}
	if p, err = st.Predict(wide); err != nil {
		t.Fatal(err)
	}
	if !p.Trusted || p.Why != "" {
		t.Fatalf("after three weeks of rhythm: trusted is %v, why is %q", p.Trusted, p.Why)
	}
}

// Of two days nothing was forecast that has come: how wide the band has to be is
// a guess.
func TestNothingIsTrustedBeforeItWasJudged(t *testing.T) {
	s := fourWeeks(1)
	for hours, want := range map[int]bool{49: false, 60: false, 100: true} {
		short := s
		short.Values = s.Values[:hours*12]
		p := mustForecast(t, short)
		if p.Trusted != want || !want && (!strings.HasPrefix(p.Why, "not judged yet") || len(p.Reactive) != len(p.Points)) {
			t.Errorf("%d h: trusted is %v, why is %q, %d reactive points", hours, p.Trusted, p.Why, len(p.Reactive))
		}
	}
}

func TestTheStandInForADistrustedForecastIsTheLastValueAndItsMargin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	s := daily(14, 15*time.Minute)
	x := 0.0
	for i := range s.Values {
		x += 0.05 * r.NormFloat64()
		s.Values[i] = 100 * math.Exp(x)
	}
	last := s.Values[len(s.Values)-1]
	p := mustForecast(t, s)
	near, far := p.Reactive[0].Values[3]/last, p.Reactive[23].Values[3]/last
	// A random walk of 5 % a step: 1.645·0.05 after one, √24 times that after 24.
	if near < 1.04 || near > 1.2 || far < 1.25 || far > 1.9 {
		t.Errorf("the 0.95 quantile is %.2f of the last value a step ahead, %.2f six hours ahead", near, far)
	}
}

func TestRhythmIsTrusted(t *testing.T) {
	for seed := range uint64(3) {
		if p := mustForecast(t, fourWeeks(seed)); !p.Trusted {
			t.Errorf("seed %d: %s", seed, p.Why)
		}
	}
}

func TestALoadThatRepeatsItselfToThePercentIsTrusted(t *testing.T) {
	st := New(Options{}).NewState(monday, 15*time.Minute)
	for i := range 14 * 96 {
		st.Observe(220 + 120*math.Cos(2*math.Pi*float64(i)/96))
	}
	p, err := st.Predict(wide)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Trusted {
		t.Errorf("yesterday is right to the percent, and so is the forecast: %s", p.Why)
	}
}

func TestLoadThatWandersIsNotTrusted(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := daily(14, 15*time.Minute)
		x := 0.0
		for i := range s.Values {
			x += 0.05 * r.NormFloat64()
			s.Values[i] = 100 * math.Exp(x)
		}
		p := mustForecast(t, s)
		if p.Trusted || !strings.Contains(p.Why, "than the last value with a margin") {
			t.Errorf("seed %d: trusted is %v, why is %q", seed, p.Trusted, p.Why)
		}
	}
}

func TestNoiseAloneDoesNotSwitchOffARhythm(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 6))
		s := daily(14, 15*time.Minute)
		for i := range s.Values {
			s.Values[i] = 100 * math.Exp(2*math.Sin(2*math.Pi*float64(i)/96)+0.7*r.NormFloat64())
		}
		st := New(Options{}).NewState(s.Start, s.Step)
		st.Load(s.Values)
		p, err := st.Predict(wide)
		if err != nil {
			t.Fatal(err)
		}
		if noise := st.core.trust.noise(); noise < 0.5 {
			t.Fatalf("seed %d: errors are %.2f of the load, too few for this test", seed, noise)
		}
		if !p.Trusted {
			t.Errorf("seed %d: %s", seed, p.Why)
		}
	}
}
