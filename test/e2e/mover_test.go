package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soakEnv runs everything, the long ones too, and writes the table of results
// into docs/.
const soakEnv = "TIDETABLE_SOAK"

const moverTopic = "orders"

// moverScenarios is what the mover must show on real brokers, in the order in
// which one cluster goes through it.
func moverScenarios(soak bool) []scenario {
	kills := 4
	if soak {
		kills = 50
		if n, err := strconv.Atoi(os.Getenv("TIDETABLE_MOVER_KILLS")); err == nil {
			kills = n
		}
	}
	return []scenario{
		{"a hot spot is balanced under load", balanceHotSpot, ""},
		{"a hot spot of 64 MB partitions is balanced at the default throttle", balanceBigHotSpot,
			"three runs of a minute and 5 GB of data, whose latencies need a machine of their own"},
		{"the forecast of the end, and the schedule", forecastEnd, "its seconds need a machine of their own"},
		{"cancel at half of the bytes", cancelHalfway, ""},
		{"a hold and a closed window", holdAndWindow, ""},
		{"topics are deleted, recreated and grown in mid-move", topicsChange, ""},
		{"another tool is at work", foreignHolds, ""},
		{"another tool begins beside a run", foreignBeside, ""},
		{"a throttle is removed by hand", handsOn, "it holds for a minute"},
		{"a destination broker is killed −9", killBroker("destination"), ""},
		{"a source broker is killed −9", killBroker("source"), "the broker must be back before the others have carried the run through"},
		{"the controller is killed −9", killBroker("controller"), ""},
		{"the mover is killed −9", killMover(kills, 1), ""},
		{"a broker is filled, another drained", fillAndDrain, ""},
	}
}

func TestMoverOnRealBrokers(t *testing.T) {
	soak := os.Getenv(soakEnv) != ""
	only := regexp.MustCompile(os.Getenv("TIDETABLE_MOVER_ONLY")) // scenarios by name, for work on one
	b := newMoverBed(t, 6)
	b.topic = moverTopic
	b.fill(moverTopic, hotPlacement(), 8<<20)
	for _, s := range moverScenarios(soak) {
		if !only.MatchString(s.name) {
			continue
		}
		if s.soak != "" && !soak {
			t.Run(s.name, func(t *testing.T) { t.Skipf("only with %s=1: %s", soakEnv, s.soak) })
			continue
		}
		if !runScenario(t, b, s, soak) {
			break // the cluster is not what the next one expects
		}
	}
}

// runScenario tells whether the cluster is fit for the next one.
func runScenario(t *testing.T, b *moverBed, s scenario, soak bool) bool {
	t.Helper()
	r := &result{Name: s.name, Runs: 1, save: func() {}}
	began := time.Now()
	if soak {
		r.save = func() {
			r.Seconds = time.Since(began).Seconds()
			writeMoverTable(t, r)
		}
	}
	ok := t.Run(s.name, func(t *testing.T) {
		inner := *b
		inner.t, inner.ctx = t, t.Context()
		s.run(&inner, r)
		b.runs = inner.runs
	})
	r.Seconds = time.Since(began).Seconds()
	t.Logf("%s: %s", r.Name, strings.Join(r.Facts, "; "))
	r.failed = !ok
	r.save()
	return ok || r.sound
}

// writeMoverTable writes a row of docs/mover-results.md, and keeps the others:
// a scenario may be run again by itself.
func writeMoverTable(t *testing.T, r *result) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "mover-results.md")
	rows := map[string]string{}
	if old, err := os.ReadFile(path); err == nil {
		for line := range strings.Lines(string(old)) {
			if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) > 3 {
				rows[strings.TrimPrefix(cells[0], "| ")] = line
			}
		}
	}
	facts := r.Facts
	if r.failed {
		facts = append(slices.Clone(facts), "**not as it must be**")
	}
	rows[r.Name] = fmt.Sprintf("| %s | %d | %.0f | %s | %s |\n", r.Name, r.Runs, r.Seconds, strings.Join(facts, "; "), time.Now().UTC().Format(time.DateOnly))
	var s strings.Builder
	s.WriteString("# The mover on real brokers\n\n")
	s.WriteString("Made by `make soak-mover`: Apache Kafka in KRaft mode, one controller and six brokers in three zones, all on one\n")
	s.WriteString("machine; 24 partitions with three replicas, min.insync.replicas 2, producers with acks=all and a consumer group at\n")
	s.WriteString("work. In every row with traffic, every acknowledged record was read once, and no partition was ever under\n")
	s.WriteString("min.insync.replicas.\n\n")
	s.WriteString("| what happens | runs | seconds | what was seen | on |\n|---|---|---|---|---|\n")
	for _, sc := range moverScenarios(true) {
		s.WriteString(rows[sc.name])
	}
	if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
		t.Fatalf("writing the table: %v", err)
	}
}
