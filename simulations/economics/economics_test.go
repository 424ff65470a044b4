package economics

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// A wave of three days costs static what its peak needs, and the optimum no more;
// a price between zones changes what moves cost and nothing else.
func TestEveryPolicyIsHeldAgainstTheOptimum(t *testing.T) {
	s := metrics.Series{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Step: 30 * time.Minute}
	for i := range 144 {
		s.Values = append(s.Values, 2+math.Sin(2*math.Pi*float64(i)/48))
	}
	rows, err := Run(t.Context(), []Trace{{"wave", s}}, Settings{
		Retentions: []time.Duration{time.Hour}, CrossZone: []float64{0, 0.05}, Policies: []string{"static", "keda-lag"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]Row{}
	for _, r := range rows {
		by[strings.Join([]string{r.Policy, map[bool]string{true: "free", false: "priced"}[r.CrossZone == 0]}, " ")] = r
	}
	if len(by) != 6 {
		t.Fatalf("%d rows of six", len(by))
	}
	free, priced, static := by["optimum free"], by["optimum priced"], by["static free"]
	if free.Cost > priced.Cost || priced.Cost > static.Cost*1.0001 || static.OverOptimum < 1 {
		t.Errorf("the optimum costs %g with moves for nothing and %g with a price; static %g", free.Cost, priced.Cost, static.Cost)
	}
	if free.Changes <= priced.Changes {
		t.Errorf("%g changes a day when moves are for nothing, and %g at a price", free.Changes, priced.Changes)
	}
	a, b := by["static free"], by["static priced"]
	if a.Changes != b.Changes || a.Moved != b.Moved || a.Cost > b.Cost {
		t.Errorf("a price changes what static does: %+v, %+v", a, b)
	}
	var out bytes.Buffer
	Write(&out, rows, true, true)
	if !strings.Contains(out.String(), "| 1 h | 0.05 | wave | optimum |") {
		t.Error(out.String())
	}
}
