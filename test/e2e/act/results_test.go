package act

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// soakEnv runs everything, the long runs too, and writes the table of results
// into docs/.
const soakEnv = "TIDETABLE_SOAK"

func soak() bool { return os.Getenv(soakEnv) != "" }

// requireSoak skips a test that is too long for every run of the tests, and
// says how long it is and what is looked at without it.
func requireSoak(t *testing.T, why string) {
	t.Helper()
	if !soak() {
		t.Skipf("%s; set %s=1, or run make soak-act", why, soakEnv)
	}
}

// The rows of docs/cluster-results.md, in its order. A scenario that writes a
// row names it here.
const (
	rowDay       = "a day with a peak; two kills −9, and the leader paused past its lease"
	rowSurge     = "a surge that no history knows"
	rowPromIn    = "Prometheus gone in mid-scale-in"
	rowStuck     = "a drain that cannot finish: no space; cancelled by editing the policy"
	rowPromOut   = "Prometheus gone in mid-scale-out"
	rowKafkaOut  = "Kafka gone in mid-scale-out"
	rowKafkaIn   = "Kafka gone in mid-scale-in"
	rowAPIOut    = "the API server gone in mid-scale-out"
	rowAPIIn     = "the API server gone in mid-scale-in"
	rowKills     = "the controller killed −9, over and over, while brokers go 3 → 4 → 3"
	rowAhead     = "the day, scaled by tidetable"
	rowLagPolicy = "the same day, scaled by a lag-based policy (KEDA's formula)"
)

var rowOrder = []string{rowDay, rowSurge, rowPromIn, rowStuck, rowPromOut, rowKafkaOut, rowKafkaIn, rowAPIOut, rowAPIIn, rowKills, rowAhead, rowLagPolicy}

// result is one row: what happened, how often, how long it took, and what was
// seen. The zero Runs counts as one.
type result struct {
	Name    string
	Runs    int
	Seconds float64
	Facts   []string
	began   time.Time
	failed  bool
}

// done ends the time that the row tells; the test's end does otherwise.
func (r *result) done() { r.Seconds = time.Since(r.began).Seconds() }

// fact adds something seen.
func (r *result) fact(format string, args ...any) {
	r.Facts = append(r.Facts, fmt.Sprintf(format, args...))
}

// newResult begins a row, which is logged when the test ends and, in a soak,
// written into the table; a test that failed says so in its row.
func newResult(t *testing.T, name string) *result {
	t.Helper()
	r := &result{Name: name, Runs: 1, began: time.Now()}
	t.Cleanup(func() {
		if t.Skipped() {
			return
		}
		if r.Seconds == 0 {
			r.done()
		}
		r.failed = r.failed || t.Failed()
		t.Logf("%s: %s", r.Name, strings.Join(r.Facts, "; "))
		if !soak() {
			return
		}
		if err := r.write(filepath.Join("..", "..", "..", "docs", "cluster-results.md")); err != nil {
			t.Errorf("writing the table: %v", err)
		}
	})
	return r
}

const resultsHead = `# In the cluster: what was seen

Made by ` + "`make soak-act`" + `: brokers are pods of a StatefulSet and real Apache Kafka processes, consumers pods of a
Deployment, Prometheus and the Kubernetes API server and controllers are the real ones, and tidetable runs with the act
overlay's rights and no more; all on one machine. In every row, a broker's pod never went while it held a replica, there
was never more than one operation, and every change that was begun was completed or taken back.

| what happens | runs | seconds | what was seen | on |
|---|---|---|---|---|
`

// write puts the row in its place and keeps the others: a scenario may be run
// again by itself.
func (r *result) write(path string) error {
	rows := map[string]string{}
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for line := range strings.Lines(string(old)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) > 3 {
			rows[strings.TrimPrefix(cells[0], "| ")] = line
		}
	}
	rows[r.Name] = r.row(time.Now())
	var s strings.Builder
	s.WriteString(resultsHead)
	for _, name := range rowOrder {
		s.WriteString(rows[name])
	}
	if _, layouts, has := strings.Cut(string(old), matrixTitle); has {
		s.WriteString("\n" + matrixTitle + layouts)
	}
	return os.WriteFile(path, []byte(s.String()), 0o644)
}

func (r *result) row(now time.Time) string {
	facts := slices.Clone(r.Facts)
	if r.failed {
		facts = append(facts, "**not as it must be**")
	}
	return fmt.Sprintf("| %s | %d | %.0f | %s | %s |\n", r.Name, max(1, r.Runs), r.Seconds, strings.Join(facts, "; "), now.UTC().Format(time.DateOnly))
}

func TestARowIsReplacedAndTheOthersAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.md")
	first := &result{Name: rowKills, Runs: 20, Seconds: 900, Facts: []string{"all completed"}}
	second := &result{Name: rowDay, Seconds: 430, Facts: []string{"late"}, failed: true}
	for _, r := range []*result{first, second, {Name: rowDay, Seconds: 431, Facts: []string{"in time"}}} {
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	want := resultsHead + "| " + rowDay + " | 1 | 431 | in time | " + today + " |\n| " + rowKills + " | 20 | 900 | all completed | " + today + " |\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
