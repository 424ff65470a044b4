package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
	kills, repeats := 4, 1
	if soak {
		kills, repeats = 50, 5 // an odd number of moves ends at the even placement
	}
	return []scenario{
		{"a hot spot is balanced under load", balanceHotSpot(repeats), true},
		{"cancel at half of the bytes", cancelHalfway, true},
		{"topics are deleted, recreated and grown in mid-move", topicsChange, true},
		{"another tool is at work", foreignHolds, true},
		{"a destination broker is killed −9", killBroker("destination"), true},
		{"a source broker is killed −9", killBroker("source"), false},
		{"the controller is killed −9", killBroker("controller"), false},
		{"a throttle is removed by hand", handsOn, false},
		{"the forecast of the end, and the schedule", forecastEnd, false},
		{fmt.Sprintf("the mover is killed −9, %d times", kills), killMover(kills, 1), true},
		{"a broker is filled, another drained", fillAndDrain, true},
	}
}

func TestMoverOnRealBrokers(t *testing.T) {
	soak := os.Getenv(soakEnv) != ""
	only := regexp.MustCompile(os.Getenv("TIDETABLE_MOVER_ONLY")) // scenarios by name, for work on one
	b := newMoverBed(t, 6)
	b.topic = moverTopic
	b.fill(moverTopic, hotPlacement(), 8<<20)
	var results []*result
	for _, s := range moverScenarios(soak) {
		if !s.inAll && !soak || !only.MatchString(s.name) {
			continue
		}
		r := &result{Name: s.name, Runs: 1}
		began := time.Now()
		ok := t.Run(s.name, func(t *testing.T) {
			inner := *b
			inner.t, inner.ctx = t, t.Context()
			s.run(&inner, r)
			b.runs = inner.runs
		})
		r.Seconds = time.Since(began).Seconds()
		t.Logf("%s: %s", r.Name, strings.Join(r.Facts, "; "))
		r.failed = !ok
		results = append(results, r)
		if soak && only.String() == "" {
			writeMoverTable(t, results)
		}
		if !ok && !r.sound {
			break // the cluster is not what the next one expects
		}
	}
}

// writeMoverTable writes docs/mover-results.md.
func writeMoverTable(t *testing.T, results []*result) {
	t.Helper()
	var s strings.Builder
	s.WriteString("# The mover on real brokers\n\n")
	s.WriteString("Made by `make soak-mover`: Apache Kafka in KRaft mode, one controller and six brokers in three zones,\n")
	s.WriteString("24 partitions with three replicas, min.insync.replicas 2, producers with acks=all and a consumer group at work.\n")
	s.WriteString("In every row with traffic, every acknowledged record was read once, and no partition was ever under min.insync.replicas.\n\n")
	s.WriteString("| what happens | runs | seconds | what was seen |\n|---|---|---|---|\n")
	for _, r := range results {
		if r.failed {
			r.Facts = append(r.Facts, "**not as it must be**")
		}
		fmt.Fprintf(&s, "| %s | %d | %.0f | %s |\n", r.Name, r.Runs, r.Seconds, strings.Join(r.Facts, "; "))
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "mover-results.md"), []byte(s.String()), 0o644); err != nil {
		t.Fatalf("writing the table: %v", err)
	}
}
