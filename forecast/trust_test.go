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
