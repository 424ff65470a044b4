package backtest

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/us"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics"
)

var (
	results = flag.String("results", "", "write the table of results into this Markdown file, between its markers")
	every   = flag.Duration("every", 15*time.Minute, "from one origin of the table of results to the next")
)

const (
	beginResults = "<!-- results: make docs-forecast -->"
	endResults   = "<!-- end of results -->"
)

// TestResultsTable writes docs/forecasting.md's table.
func TestResultsTable(t *testing.T) {
	if *results == "" {
		t.Skip("left out: it writes documentation; make docs-forecast runs it")
	}
	var b strings.Builder
	b.WriteString("| trace | 15 min | 1 h | 6 h | 24 h |\n|---|---|---|---|---|\n")
	logs, off, n := [4]float64{}, [4]float64{}, [4]int{}
	for _, name := range sharedTraces(t) {
		s := readValues(t, name+".csv")
		r, err := Run(context.Background(), forecast.New(forecast.Options{}), s, Options{Every: *every, Candidates: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| %s |", name)
		for k, h := range []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
			mine, yesterday := score(r, Ensemble, h), score(r, "yesterday", h)
			if mine == nil || yesterday == nil {
				b.WriteString(" |")
				continue
			}
			ratio, cover := mine.MASE/yesterday.MASE, 100*mine.Coverage95
			fmt.Fprintf(&b, " %.3f, %.1f %% |", ratio, cover)
			logs[k], off[k], n[k] = logs[k]+math.Log(ratio), off[k]+math.Abs(cover-95), n[k]+1
		}
		b.WriteString("\n")
	}
	b.WriteString("| **geometric mean, mean distance from 95** |")
	for k := range n {
		fmt.Fprintf(&b, " **%.3f, %.2f** |", math.Exp(logs[k]/float64(n[k])), off[k]/float64(n[k]))
	}
	b.WriteString("\nAgainst the same engine without them, US holidays change the error on holidays (by the calendar, up to 24 h ahead) by\n")
	for _, name := range []string{"bike_sharing", "nab_nyc_taxi"} {
		s := readValues(t, name+".csv")
		plain := holidayError(t, s, nil)
		with := holidayError(t, s, &forecast.Calendar{Holidays: []string{"US"}})
		fmt.Fprintf(&b, "%+.0f %% on %s\n", 100*(with/plain-1), name)
	}
	replaceBetween(t, *results, beginResults, endResults, b.String())
}

// sharedTraces are the names of all shared traces, sorted.
func sharedTraces(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(shareddata.Path(t, "data", "traces") + "/*.csv")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".csv")
		if name != "baselines" && name != "mstl_ets" && name != "prophet" {
			names = append(names, name)
		}
	}
	return names
}

// holidayError is the summed absolute error of the median on US holidays.
func holidayError(t *testing.T, s metrics.Series, c *forecast.Calendar) float64 {
	days := cal.NewBusinessCalendar()
	days.AddHoliday(us.Holidays...)
	sum := 0.0
	_, err := Run(context.Background(), forecast.New(forecast.Options{Events: c}), s, Options{Every: time.Hour}, func(f Forecast) error {
		for _, p := range f.Points {
			i := int(p.Time.Sub(s.Start) / s.Step)
			if actual, observed, _ := days.IsHoliday(p.Time); (actual || observed) && i < len(s.Values) && !math.IsNaN(s.Values[i]) {
				sum += math.Abs(s.Values[i] - p.Values[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func score(r Result, model string, h time.Duration) *Score {
	for i := range r.Scores {
		if r.Scores[i].Model == model && r.Scores[i].Horizon == h {
			return &r.Scores[i]
		}
	}
	return nil
}

func replaceBetween(t *testing.T, path, begin, end, table string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers for the table", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+"\n"+table+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readValues reads a shared trace's first column.
func readValues(t *testing.T, name string) metrics.Series {
	t.Helper()
	var s metrics.Series
	s.Start, s.Step, s.Values = shareddata.Trace(t, "data", "traces", name)
	return s
}
