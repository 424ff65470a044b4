package rebalance

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// tuningClusters are of the four kinds that the search treats differently, two
// of each: one that is annealed, a middling one, a large one with zones that
// are shortlisted, and a balanced one that has drifted.
func tuningClusters(t *testing.T) []cluster.Snapshot {
	var out []cluster.Snapshot
	for seed := range uint64(2) {
		drifted := randomCluster(seed, shape{brokers: 24, zones: 3, rf: 3, topics: 300, crowded: true})
		out = append(out,
			randomCluster(seed, shape{brokers: 12, zones: 3, rf: 3, topics: 60, uneven: true, crowded: true, brokenZones: true}),
			randomCluster(seed, shape{brokers: 40, zones: 3, rf: 3, topics: 600, crowded: true}),
			randomCluster(seed, shape{brokers: 180, zones: 3, rf: 3, topics: 2100, crowded: true, draining: 5}),
			drift(carryOut(drifted, mustPlan(t, drifted, Options{})), seed))
	}
	return out
}

// tryTuning plans all clusters and sums what the plans cost, in points, and how
// many changes were priced.
func tryTuning(t *testing.T, clusters []cluster.Snapshot) (points float64, work int64) {
	t.Helper()
	for _, s := range clusters {
		sr := newSearch(newState(newProblem(s, Options{})), Options{}, nil)
		if err := sr.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		points += sr.objective() / float64(len(clusters))
		work += sr.w.evaluations()
	}
	return points, work
}

// make rebalance-tuning: what becomes of plans when a constant is halved or
// doubled. The table goes to the file that the variable names.
func TestNoConstantHalvedOrDoubledGivesMuchBetterPlansForNoMoreWork(t *testing.T) {
	file := os.Getenv("TIDETABLE_TUNING")
	if file == "" {
		t.Skip("takes minutes: make rebalance-tuning runs it")
	}
	chosen := tuned
	defer func() { tuned = chosen }()
	clusters := tuningClusters(t)
	base, work := tryTuning(t, clusters)
	var table strings.Builder
	fmt.Fprintf(&table, "As chosen: %.2f points a plan, %d changes priced in all.\n\n", base, work)
	table.WriteString("| constant | value | halved: points | work | doubled: points | work |\n|---|---|---|---|---|---|\n")
	for i := range reflect.TypeFor[tuning]().NumField() {
		f := reflect.TypeFor[tuning]().Field(i)
		value := reflect.ValueOf(chosen).Field(i).Float()
		fmt.Fprintf(&table, "| `%s` | %s |", f.Name, strconv.FormatFloat(value, 'f', -1, 64))
		for _, factor := range []float64{0.5, 2} {
			tuned = chosen
			with := value * factor
			if strings.HasPrefix(f.Name, "Sharpen") { // a factor itself; at 1 a search would never end
				with = 1 + (value-1)*factor
			}
			reflect.ValueOf(&tuned).Elem().Field(i).SetFloat(with)
			p, n := tryTuning(t, clusters)
			share := float64(n)/float64(work) - 1
			fmt.Fprintf(&table, " %+.2f | %+.0f %% |", p-base, 100*share)
			if p < base-0.25 && share <= 0 {
				t.Errorf("%s at %v: %.2f points better for %.0f %% of the work", f.Name, with, base-p, 100*(1+share))
			}
		}
		table.WriteString("\n")
		t.Log(f.Name)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- tuning:begin -->\n", "<!-- tuning:end -->"
	next := regexp.MustCompile(`(?s)`+begin+`.*`+end).ReplaceAllLiteralString(string(text), begin+table.String()+end)
	if err := os.WriteFile(file, []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
}
