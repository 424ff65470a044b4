package act

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The matrix of docs/cluster-results.md, which stands below the table of
// results: layouts and what was seen on each.
const (
	matrixTitle = "## On other people's clusters\n"
	matrixHead  = `
Made by ` + "`make soak-layouts`" + `: the short day on clusters of other layouts. In every row, by the testbed's own
count, one pod went, and its broker held nothing then; in the end every partition had all its replicas in sync, and
every record that was acknowledged.

`
)

// The columns of the matrix.
const (
	columnOut       = "scale-out filled"
	columnIn        = "scale-in proven empty"
	columnRebalance = "rebalance"
	columnKill      = "kill −9 in the middle"
	columnHold      = "hold with its word"
)

var matrixColumns = []string{columnOut, columnIn, columnRebalance, columnKill, columnHold}

// matrixRow is one layout's.
type matrixRow struct {
	name   string
	cells  map[string]string
	failed bool
}

// newMatrixRow begins a row, which in a soak is written when the test ends. What
// was not run is a dash, and a test that failed says so.
func newMatrixRow(t *testing.T, name string) *matrixRow {
	t.Helper()
	m := &matrixRow{name: name, cells: map[string]string{}}
	t.Cleanup(func() {
		m.failed = t.Failed()
		t.Logf("%s", m.line(time.Now()))
		if !soak() {
			return
		}
		if err := m.write(filepath.Join("..", "..", "..", "docs", "cluster-results.md")); err != nil {
			t.Errorf("writing the matrix: %v", err)
		}
	})
	return m
}

func (m *matrixRow) line(now time.Time) string {
	cells := []string{m.name}
	for _, c := range matrixColumns {
		cell := m.cells[c]
		if cell == "" {
			cell = "–"
		}
		cells = append(cells, cell)
	}
	on := now.UTC().Format(time.DateOnly)
	if m.failed {
		on += ", **not as it must be**"
	}
	return "| " + strings.Join(append(cells, on), " | ") + " |\n"
}

// write puts the row in its place and keeps the others, and what stands above.
func (m *matrixRow) write(path string) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	above, matrix, _ := strings.Cut(string(old), "\n"+matrixTitle)
	rows := map[string]string{}
	for line := range strings.Lines(matrix) {
		if name, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " | "); found {
			rows[name] = line
		}
	}
	rows[m.name] = m.line(time.Now())
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n%s%s| layout | %s | on |\n|---|%s\n", above, matrixTitle, matrixHead, strings.Join(matrixColumns, " | "), strings.Repeat("---|", len(matrixColumns)+1))
	for _, l := range layouts {
		s.WriteString(rows[l.name])
	}
	return os.WriteFile(path, []byte(s.String()), 0o644)
}

func TestTheMatrixAndTheTableAboveItKeepEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.md")
	day := &result{Name: rowDay, Seconds: 431, Facts: []string{"in time"}}
	first := &matrixRow{name: layouts[1].name, cells: map[string]string{columnOut: "filled"}}
	second := &matrixRow{name: layouts[0].name, failed: true}
	for _, write := range []func(string) error{day.write, first.write, second.write, day.write, first.write} {
		if err := write(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	want := resultsHead + day.row(now) + "\n" + matrixTitle + matrixHead +
		"| layout | scale-out filled | scale-in proven empty | rebalance | kill −9 in the middle | hold with its word | on |\n|---|---|---|---|---|---|---|\n" +
		second.line(now) + first.line(now)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
