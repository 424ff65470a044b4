package forecast

import (
	"math"
	"testing"
	"time"
)

func TestAccuracyIsWhatItsFormulasSay(t *testing.T) {
	var a Accuracy
	if !math.IsNaN(a.WAPE()) || !math.IsNaN(a.MAE()) || !math.IsNaN(a.Coverage()) {
		t.Errorf("without an outcome it is %+v", a)
	}
	a.Add(Issued{Median: 10, Upper: 12, Level: 0.95}, 13) // 3 off, 1 over: 0.95
	a.Add(Issued{Median: 10, Upper: 12, Level: 0.95}, 8)  // 2 off, 4 under: 0.20
	a.Add(Issued{Median: 10, Upper: math.NaN()}, 9)       // 1 off, not bounded
	for what, v := range map[string][2]float64{
		"WAPE": {a.WAPE(), 6.0 / 30}, "MAE": {a.MAE(), 2}, "coverage": {a.Coverage(), 0.5}, "pinball loss": {a.PinballOverMean(), 1.15 / 30},
	} {
		if math.Abs(v[0]-v[1]) > 1e-9 {
			t.Errorf("%s is %g, want %g", what, v[0], v[1])
		}
	}
}

func TestAForecastIsHeldAgainstTheFirstLoadFromItsTimeOn(t *testing.T) {
	var tr Track
	at := func(h int) time.Time { return monday.Add(time.Duration(h) * time.Hour) }
	tr.Issue(Issued{At: at(1), Median: 10, Upper: 11, Level: 0.9})
	tr.Issue(Issued{At: at(2), Median: 20, Upper: 21, Level: 0.9})
	tr.Observe(at(0), 5)
	if a, since := tr.Accuracy(); a.Outcomes != 0 || !since.IsZero() {
		t.Fatalf("nothing has come, and %+v is said since %s", a, since)
	}
	tr.Observe(at(1).Add(time.Minute), 12)
	if a, since := tr.Accuracy(); a.Outcomes != 1 || a.Absolute != 2 || a.Covered != 0 || !since.Equal(at(1).Add(time.Minute)) {
		t.Fatalf("%+v since %s", a, since)
	}
	tr.Observe(at(2), 20)
	if a, _ := tr.Accuracy(); a.Outcomes != 2 || a.Covered != 1 {
		t.Fatalf("%+v", a)
	}
	tr.Observe(at(26), 1) // the first is more than a day old
	if a, _ := tr.Accuracy(); a.Outcomes != 1 || a.Absolute != 0 {
		t.Fatalf("%+v", a)
	}
}

func TestIssuedIsTheFirstStepThatIsNotBefore(t *testing.T) {
	p := Prediction{Quantiles: []float64{0.05, 0.5, 0.95}}
	for h := range 3 {
		v := float64(h)
		p.Points = append(p.Points, Point{Time: monday.Add(time.Duration(h) * time.Hour), Values: []float64{v, 10 + v, 20 + v}})
	}
	f, ok := p.IssuedFor(monday.Add(30 * time.Minute))
	if want := (Issued{At: monday.Add(time.Hour), Median: 11, Upper: 21, Level: 0.95}); !ok || f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
	if _, ok := p.IssuedFor(monday.Add(3 * time.Hour)); ok {
		t.Error("it says something past its end")
	}
}
