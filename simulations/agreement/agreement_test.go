package agreement

import (
	"math"
	"strings"
	"testing"
)

func day(moved float64, lag []float64, scalings ...Scaling) Day {
	return Day{TickSeconds: 3, Scalings: scalings, MovedBytes: moved, Lag: Curve{StepSeconds: 1, Values: lag}}
}

func TestADayAgreesWithItself(t *testing.T) {
	d := day(1e6, []float64{0, 10, 20, 10}, Scaling{3, "brokers", 3, 4}, Scaling{9, "billing", 2, 3}, Scaling{90, "billing", 3, 2},
		Scaling{120, "billing", 2, 3})
	r := Judge(d, d)
	if err := r.Err(); err != nil || r.LagError != 0 || r.MovedError != 0 || len(r.Scalings) != 4 || len(r.Unmatched) != 0 {
		t.Errorf("a day beside itself gives %+v, %v", r, err)
	}
}

func TestWhatIsApartIsSaid(t *testing.T) {
	real := day(100e6, []float64{0, 100, 200, 100, 0}, Scaling{30, "brokers", 3, 4}, Scaling{60, "billing", 2, 3})
	for _, tt := range []struct {
		name      string
		simulated Day
		want      string // in the error; "" is none
	}{
		{"a tick late", day(100e6, real.Lag.Values, Scaling{33, "brokers", 3, 4}, Scaling{57, "billing", 2, 3}), ""},
		{"two ticks late", day(100e6, real.Lag.Values, Scaling{36, "brokers", 3, 4}, Scaling{60, "billing", 2, 3}),
			"brokers 3 → 4 happened at 30.0 s and was simulated at 36.0 s: 2.0 ticks apart"},
		{"one not simulated", day(100e6, real.Lag.Values, Scaling{30, "brokers", 3, 4}),
			"billing 2 → 3 at 60 s happened and was not simulated"},
		{"one too many", day(100e6, real.Lag.Values, Scaling{30, "brokers", 3, 4}, Scaling{60, "billing", 2, 3}, Scaling{90, "billing", 3, 2}),
			"billing 3 → 2 at 90 s was simulated and did not happen"},
		{"4 % fewer bytes", day(96e6, real.Lag.Values, real.Scalings...), ""},
		{"6 % fewer bytes", day(94e6, real.Lag.Values, real.Scalings...), "6.0 % apart"},
		{"no lag", day(100e6, []float64{0, 0, 0, 0, 0}, real.Scalings...), "normalised error"},
		{"half a step early", day(100e6, []float64{0, 100, 200, 100, 20}, real.Scalings...), ""},
	} {
		err := Judge(real, tt.simulated).Err()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestLagErrorIsTheRootMeanSquareOverTheRange(t *testing.T) {
	real := Curve{1, []float64{100, 200, 300, 200}}
	// Differences of 0, 20, 40, 20 on a grid twice as fine: √(2400/4)/200.
	simulated := Curve{0.5, []float64{100, 160, 220, 280, 340, 280, 220}}
	got, realPeak, peak := LagError(real, simulated)
	if want := math.Sqrt(600) / 200; math.Abs(got-want) > 1e-12 || realPeak != 300 || peak != 340 {
		t.Errorf("got %g, peaks %g and %g, want %g", got, realPeak, peak, want)
	}
	if e, _, _ := LagError(Curve{1, []float64{5, 5}}, simulated); !math.IsInf(e, 1) {
		t.Errorf("a lag that does not move has an error of %g, want none that could be met", e)
	}
}
