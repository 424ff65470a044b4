package backtest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var constants = flag.String("constants", "", "write what other constants would give into this Markdown file, between its markers")

const (
	beginConstants = "<!-- constants: make docs-forecast-constants -->"
	endConstants   = "<!-- end of constants -->"
)

// varied are the constants of forecast/constants.go that bear on what is
// forecast, each with a value below and one above its own.
var varied = []struct{ name, less, more string }{
	{"errorMemoryDays", "2", "8"}, {"bandMemoryDays", "2", "6"}, {"weekPrior", "1", "3"}, {"meanPeriods", "2", "8"},
	{"outlier", "4", "16"}, {"scaleRate", "0.01", "0.04"},
	{"dayPairs", "2", "6"}, {"refDays", "2", "8"}, {"refWeekShare", "0.25", "0.75"},
	{"forgetHalfLifeDays", "7", "28"}, {"directRidge", "0.001", "0.004"},
	{"residualLimit", "2", "10"}, {"leverageLimit", "15", "60"},
	{"knotGrowth", "1.5", "2.5"}, {"logOffset", "0.025", "0.1"}, {"offsetShare", "0.01", "0.04"}, {"spikeFactor", "2", "8"},
	{"phases", "12", "48"}, {"phaseShare", "0.4", "1"}, {"lossDecay", "0.9986", "0.99965"},
	{"levelRate", "0.05", "0.2"}, {"errorRate", "0.0015", "0.006"}, {"phaseRate", "0.03", "0.12"}, {"bins", "36", "144"},
}

// TestConstantsTable writes docs/formulas.md's table of what other constants
// would give on the shared traces.
func TestConstantsTable(t *testing.T) {
	if *constants == "" {
		t.Skip("left out: it writes documentation; make docs-forecast-constants runs it")
	}
	var b strings.Builder
	own := resultsWith(t, "", "")
	fmt.Fprintf(&b, "| constant | value | 15 min | 1 h | 6 h | 24 h |\n|---|---|---|---|---|---|\n| all as they are | |%s\n", own)
	for _, v := range varied {
		for _, value := range []string{v.less, v.more} {
			fmt.Fprintf(&b, "| `%s` | %s |%s\n", v.name, value, resultsWith(t, v.name, value))
			t.Logf("%s = %s done", v.name, value)
		}
	}
	replaceBetween(t, *constants, beginConstants, endConstants, b.String())
}

// resultsWith is the last row of the table of results with one constant
// changed: the tests are built with another constants.go over the real one.
func resultsWith(t *testing.T, name, value string) string {
	t.Helper()
	file, err := filepath.Abs("../constants.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		text = withConstant(t, text, name, value)
	}
	dir := t.TempDir()
	changed, table, overlay := filepath.Join(dir, "constants.go"), filepath.Join(dir, "results.md"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{changed: text, table: []byte(beginResults + endResults), overlay: list} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-overlay", overlay, "-run", "TestResultsTable", ".",
		"-args", "-results", table, "-every", "1h")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s = %s: %v\n%s", name, value, err, out)
	}
	written, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	_, row, ok := strings.Cut(string(written), "| **geometric mean, mean distance from 95** |")
	if !ok {
		t.Fatalf("no row of means in\n%s", written)
	}
	row, _, _ = strings.Cut(row, "\n")
	return strings.ReplaceAll(row, "**", "")
}

// withConstant is the text with another value for the constant, which it must
// have once.
func withConstant(t *testing.T, text []byte, name, value string) []byte {
	t.Helper()
	if _, err := strconv.ParseFloat(value, 64); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(\t` + name + `(?: +prior)? += ).*$`)
	if n := len(line.FindAll(text, -1)); n != 1 {
		t.Fatalf("the constant %s has %d definitions in constants.go, want one", name, n)
	}
	return line.ReplaceAll(text, []byte("${1}"+value))
}

// Every constant that is varied is one of the forecaster's.
func TestVariedConstantsExist(t *testing.T) {
	text, err := os.ReadFile("../constants.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range varied {
		for _, value := range []string{v.less, v.more} {
			if string(withConstant(t, text, v.name, value)) == string(text) {
				t.Errorf("%s is %s as it is", v.name, value)
			}
		}
	}
}
