package backtest

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

var stress = flag.String("stress", "", "write the table of bad days into this Markdown file, between its markers")

const (
	beginStress = "<!-- stress: make docs-forecast-stress -->"
	endStress   = "<!-- end of stress -->"
)

// fault does something bad to values at index i; a day has so many steps.
type fault struct {
	name string
	// truth is set when what happened is the load, and not its reading: then
	// what comes is held against the changed values.
	truth bool
	do    func(v []float64, i, day int)
}

func span(v []float64, i, n int, f func(float64) float64) {
	for j := i; j < min(i+n, len(v)); j++ {
		v[j] = f(v[j])
	}
}

var faults = []fault{
	{"none", false, func([]float64, int, int) {}},
	{"one sample × 1,000", false, func(v []float64, i, _ int) { v[i] *= 1000 }},
	{"counter reset", false, func(v []float64, i, day int) {
		sum := 0.0
		for _, x := range v[max(0, i-7*day):i] {
			if !math.IsNaN(x) {
				sum += x
			}
		}
		v[i] += sum
	}},
	{"outage to zero, 2 h", false, func(v []float64, i, day int) { span(v, i, max(1, day/12), func(float64) float64 { return 0 }) }},
	{"outage to zero, 4 h", false, func(v []float64, i, day int) { span(v, i, max(1, day/6), func(float64) float64 { return 0 }) }},
	{"gap of 6 h", false, func(v []float64, i, day int) { span(v, i, day/4, func(float64) float64 { return math.NaN() }) }},
	{"doubled for an hour", false, func(v []float64, i, day int) {
		span(v, i, max(1, day/24), func(x float64) float64 { return 2 * x })
	}},
	{"an hour earlier from here", true, func(v []float64, i, day int) {
		h := max(1, day/24)
		copy(v[i:], v[i+h:])
	}},
	{"twice the load from here", true, func(v []float64, i, _ int) { span(v, i, len(v), func(x float64) float64 { return 2 * x }) }},
	{"5 % more every day from here", true, func(v []float64, i, day int) {
		for j := i; j < len(v); j++ {
			v[j] *= math.Pow(1.05, float64(j-i)/float64(day))
		}
	}},
	{"a week missing", false, func(v []float64, i, day int) {
		from := max(3*day, i-7*day) // of a short trace less than a week
		span(v, from, i-from, func(float64) float64 { return math.NaN() })
	}},
}

// stressed is how the forecasts made after a fault came out.
type stressed struct {
	next  forecast.Accuracy // from a day after it on
	upper float64           // highest 0.95 quantile within an hour of an origin in the day after it
	off   int               // of origins origins a day after it, how many were not trusted
	of    int
}

// stressing runs a trace with a fault at the busiest time of the day after its
// first four fifths.
func stressing(t *testing.T, s metrics.Series, f fault) stressed {
	t.Helper()
	day := int((24*time.Hour + s.Step/2) / s.Step)
	at := peakOf(s.Values, min(len(s.Values)*4/5, len(s.Values)-4*day), day)
	v := slices.Clone(s.Values)
	f.do(v, at, day)
	truth := s.Values
	if f.truth {
		truth = v
	}
	st := forecast.New(forecast.Options{}).NewState(s.Start, s.Step)
	st.Load(v[:at])
	var out stressed
	every := max(1, day/24)
	for i := at; i < min(at+2*day, len(v)-1); i++ {
		st.Observe(v[i])
		if (i-at)%every != 0 {
			continue
		}
		p, err := st.Predict(forecast.Horizon{Ahead: 24 * time.Hour, Quantiles: []float64{0.5, 0.95}})
		if err != nil {
			t.Fatal(err)
		}
		if i < at+day {
			for _, x := range p.Points[:every] {
				out.upper = max(out.upper, x.Values[1])
			}
			continue
		}
		out.of++
		if !p.Trusted {
			out.off++
		}
		for k, x := range p.Points {
			if j := i + 1 + k; j < len(v) && !math.IsNaN(truth[j]) {
				out.next.Add(forecast.Issued{Median: x.Values[0], Upper: x.Values[1], Level: topLevel}, truth[j])
			}
		}
	}
	return out
}

// peakOf is the index of the highest of the day that begins at i.
func peakOf(v []float64, i, day int) int {
	best := i
	for j := i; j < min(i+day, len(v)); j++ {
		if v[j] > v[best] {
			best = j
		}
	}
	return best
}

// TestStressTable writes docs/forecasting.md's table of bad days.
func TestStressTable(t *testing.T) {
	if *stress == "" {
		t.Skip("left out: it writes documentation; make docs-forecast-stress runs it")
	}
	var b strings.Builder
	b.WriteString("| what happens | error a day later | worst trace | covered by 0.95 | highest 0.95, the day after | not trusted (clean) |\n")
	b.WriteString("|---|---|---|---|---|---|\n")
	clean := map[string]stressed{}
	for _, f := range faults {
		logs, worst, worstAt, n := 0.0, 0.0, "", 0
		var covered, bounded, off, cleanOff, of int
		upper, upperAt := 0.0, ""
		for _, name := range sharedTraces(t) {
			got := stressing(t, readValues(t, name+".csv"), f)
			if f.name == "none" {
				clean[name] = got
			}
			was := clean[name]
			ratio := got.next.WAPE() / was.next.WAPE()
			logs, n = logs+math.Log(ratio), n+1
			if ratio > worst {
				worst, worstAt = ratio, name
			}
			if u := got.upper / was.upper; u > upper {
				upper, upperAt = u, name
			}
			covered, bounded = covered+got.next.Covered, bounded+got.next.Bounded
			off, cleanOff, of = off+got.off, cleanOff+was.off, of+got.of
			if testing.Verbose() {
				t.Logf("%-30s %-20s error %.3f, upper %.3f, covered %.1f %%, off %d of %d",
					f.name, name, ratio, got.upper/was.upper, 100*got.next.Coverage(), got.off, got.of)
			}
		}
		fmt.Fprintf(&b, "| %s | × %.2f | × %.2f (%s) | %.1f %% | × %.2f (%s) | %.0f %% (%.0f %%) |\n",
			f.name, math.Exp(logs/float64(n)), worst, worstAt, 100*float64(covered)/float64(bounded), upper, upperAt,
			100*float64(off)/float64(of), 100*float64(cleanOff)/float64(of))
	}
	replaceBetween(t, *stress, beginStress, endStress, b.String())
}
