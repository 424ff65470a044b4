package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// traceCSV is a week with a daily rhythm; the step changes from one to five
// minutes half way, some rows are given twice and some out of order.
func traceCSV(t *testing.T) string {
	t.Helper()
	var rows []string
	start := time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC) // clocks change on 29 March
	for at := start; at.Before(start.Add(9 * 24 * time.Hour)); {
		x := at.Sub(start).Hours() / 24
		rows = append(rows, fmt.Sprintf("%s,%.3f", at.Format(time.RFC3339), 100+40*math.Sin(2*math.Pi*x)))
		if x < 1 {
			at = at.Add(time.Minute)
		} else {
			at = at.Add(5 * time.Minute)
		}
	}
	rows = append(rows, rows[10], rows[500])
	rows[20], rows[21] = rows[21], rows[20]
	path := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(path, []byte("timestamp,value\n"+strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tidetable(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestForecastOfAMessyTraceKeepsItsPromise(t *testing.T) {
	code, out, errs := tidetable("forecast", "--input", traceCSV(t), "--horizon", "6h", "--explain", "--output", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var got struct {
		Step, Model string
		Points      []struct {
			Time      time.Time
			Quantiles map[string]float64
		}
		Explanation struct{ Words []string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	step, err := time.ParseDuration(got.Step)
	if err != nil || len(got.Points) != int(6*time.Hour/step) || got.Model == "" || len(got.Explanation.Words) == 0 {
		t.Fatalf("step %q, %d points, model %q, %d words", got.Step, len(got.Points), got.Model, len(got.Explanation.Words))
	}
	for i, p := range got.Points {
		want := 100 + 40*math.Sin(2*math.Pi*float64(p.Time.Unix()%86400)/86400)
		if m := p.Quantiles["0.5"]; math.Abs(m-want) > 20 || p.Quantiles["0.05"] > m || p.Quantiles["0.95"] < m {
			t.Fatalf("step %d: %v, want about %.1f", i+1, p.Quantiles, want)
		}
	}
}

func TestForecastPageIsSelfContained(t *testing.T) {
	code, out, errs := tidetable("forecast", "--input", traceCSV(t), "--horizon", "1h", "--output", "html")
	if code != 0 || !strings.Contains(out, "<html") || !strings.Contains(out, "band up to 0.95") {
		t.Fatalf("exit %d, %d bytes: %s", code, len(out), errs)
	}
}

func TestBacktestWritesThePredictionsItScored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	args := []string{
		"backtest",
		"--input",
		traceCSV(t),
		"--horizon",
		"1h",
		"--every",
		"3h",
		"--quantiles",
		"0.95",
		"--predictions",
		path,
		"--output",
		"json",
	}
	code, out, errs := tidetable(args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(first)), "\n")
	if lines[0] != "column,origin,time,quantile,value" || len(lines) < 100 {
		t.Fatalf("%d lines, the first is %q", len(lines), lines[0])
	}
	for _, l := range lines[1:] {
		if f := strings.Split(l, ","); len(f) != 5 || f[0] != "value" || f[3] != "0.95" || f[1] >= f[2] {
			t.Fatalf("line %q", l)
		}
	}
	if _, again, _ := tidetable(args...); again != out {
		t.Error("the same input gave another report")
	}
	if second, _ := os.ReadFile(path); !bytes.Equal(first, second) {
		t.Error("the same input gave other predictions")
	}
}

func TestBadForecastInputIsOneClearLineAndExitTwo(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good := traceCSV(t)
	events := file("events.yaml", "events:\n- {name: a, schedule: '0 0 30 2 *', duration: 1x, colour: red}\n")
	never := file("never.yaml", "holidays: [XX]\nevents:\n- {name: a, schedule: '0 0 30 2 *', duration: 1x}\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"one row":          {[]string{"forecast", "--input", file("one.csv", "timestamp,value\n2026-01-01T00:00:00Z,1\n")}, "one.csv"},
		"too short":        {[]string{"forecast", "--input", file("short.csv", "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:05:00Z,2\n2026-01-01T00:10:00Z,2\n"), "--horizon", "1h"}, "too short"},
		"no such column":   {[]string{"forecast", "--input", good, "--column", "nope"}, "nope"},
		"bad quantile":     {[]string{"forecast", "--input", good, "--quantiles", "1.5"}, "quantiles"},
		"bad horizon":      {[]string{"forecast", "--input", good, "--horizon", "-1h"}, "horizon"},
		"no such file":     {[]string{"forecast", "--input", filepath.Join(dir, "none.csv")}, "none.csv"},
		"unknown key":      {[]string{"forecast", "--input", good, "--events", events}, "colour"},
		"never and no XX":  {[]string{"forecast", "--input", good, "--events", never}, "never fires"},
		"from above one":   {[]string{"backtest", "--input", good, "--from", "2"}, "--from"},
		"backtest too few": {[]string{"backtest", "--input", filepath.Join(dir, "short.csv"), "--horizon", "1h"}, "too short"},
	} {
		code, out, errs := tidetable(c.args...)
		if code != 2 || strings.Count(strings.TrimSpace(errs), "\n") != 0 || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%s: exit %d, stdout %d bytes, stderr %q", name, code, len(out), errs)
		}
	}
}

// Several columns are forecast in one run; one that is too short says so beside
// the others, in the order of the file.
func TestForecastOfSeveralColumnsGivesEachItsOwn(t *testing.T) {
	rows := []string{"timestamp,busy,new,quiet"}
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range 9 * 96 {
		x := math.Sin(2 * math.Pi * float64(i) / 96)
		late := ""
		if i > 9*96-10 {
			late = "5"
		}
		rows = append(rows, fmt.Sprintf("%d,%.2f,%s,%.2f", start.Unix()+int64(i)*900, 100+40*x, late, 10+4*x))
	}
	path := filepath.Join(t.TempDir(), "wide.csv")
	if err := os.WriteFile(path, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := tidetable("forecast", "--input", path, "--horizon", "24h", "--output", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var got struct {
		Series []struct {
			Column, Error string
			Points        []struct{ Quantiles map[string]float64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Series) != 3 || got.Series[0].Column != "busy" || got.Series[2].Column != "quiet" {
		t.Fatalf("%d series: %.200s", len(got.Series), out)
	}
	if s := got.Series[1]; !strings.Contains(s.Error, "too short") || len(s.Points) != 0 {
		t.Errorf("the new column: %q, %d points", s.Error, len(s.Points))
	}
	for i, level := range map[int]float64{0: 100, 2: 10} {
		if s := got.Series[i]; s.Error != "" || len(s.Points) != 96 || math.Abs(s.Points[24].Quantiles["0.5"]/level-1.4) > 0.2 {
			t.Errorf("%s: %q, %d points", s.Column, s.Error, len(s.Points))
		}
	}
	if code, out, errs = tidetable("forecast", "--input", path); code != 0 || !strings.Contains(out, "PEAK OF 0.95") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, _, errs = tidetable("forecast", "--input", path, "--explain"); code != 2 || !strings.Contains(errs, "name one with --column") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
