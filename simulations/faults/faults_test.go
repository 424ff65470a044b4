package faults

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/policy"
)

var (
	runs    = flag.Int("runs", 8, "seeded runs under faults")
	first   = flag.Uint64("first", 1, "seed of the first run")
	results = flag.String("results", "", "file to write the table of the runs to")
)

const (
	faultyMinutes = 90  // with faults
	quietMinutes  = 400 // at most, until all is done without any
	minute        = time.Minute
	looks         = 6 // of the mover in a minute
)

// TestNothingThatMustNotHappenDoesUnderFaults goes through seeded runs and asks
// the world.
func TestNothingThatMustNotHappenDoesUnderFaults(t *testing.T) {
	var mu sync.Mutex
	total := map[string]int{}
	seeds := make(chan uint64)
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), *runs) {
		all.Go(func() {
			for seed := range seeds {
				w := newWorld(seed)
				w.run(t)
				mu.Lock()
				for what, n := range w.happens {
					total[what] += n
				}
				total["runs"]++
				total["broken"] += len(w.broken)
				mu.Unlock()
				for _, b := range w.broken {
					t.Errorf("seed %d: %s", seed, b)
				}
			}
		})
	}
	for i := range *runs {
		seeds <- *first + uint64(i)
	}
	close(seeds)
	all.Wait()
	for _, what := range kinds {
		if total[what] == 0 && *runs >= 100 {
			t.Errorf("no %s in %d runs", what, *runs)
		}
	}
	if total["operations"] == 0 || total["kills"] == 0 {
		t.Errorf("little happened: %v", total)
	}
	if *results != "" && !t.Failed() {
		if err := write(*results, total); err != nil {
			t.Fatal(err)
		}
	}
}

// kinds are what happens to the loop, in the order of the table.
var kinds = []string{
	"kills", "holds", "windows", "modes", "releases", "policy edits", "sizes set by a person", "Leases lost", "clocks set back", "stale answers",
	"load changes",
}

func (w *world) run(t *testing.T) {
	t.Helper()
	w.crash, w.stale = 0.0005, 0.03
	w.begin(t)
	for range faultyMinutes {
		w.fault(t)
		w.minute(t)
	}
	// Then all is well, and everything comes to its end.
	w.crash, w.stale, w.heldAt, w.holdNext, w.rate, w.idle = 0, 0, time.Time{}, false, 1e6, 0
	w.edit(t, func(s *policy.Spec) { *s = actPolicy().Spec })
	for range quietMinutes {
		w.minute(t)
		if w.idle >= 4 {
			break
		}
	}
	if w.idle < 4 {
		w.fail("an operation does not end: %+v; %s", w.stored.Operation, strings.Join(w.left(), ", "))
	}
	for _, x := range w.left() {
		w.fail("%s is left at the end", x)
	}
}

// minute is one round of the loop, and the mover's looks until the next.
func (w *world) minute(t *testing.T) {
	t.Helper()
	if w.leader == nil || w.leader.dead {
		w.pass(minute)
		w.begin(t)
	}
	for _, p := range append(slices.Clone(w.former), w.leader) {
		if p == nil || p.dead {
			continue
		}
		before := w.stored.Operation
		p.last, _ = p.loop.Tick(t.Context())
		if op := w.stored.Operation; op != nil && (before == nil || before.ID != op.ID) {
			w.happens["operations"]++
		}
	}
	for range looks {
		for _, p := range append(slices.Clone(w.former), w.leader) {
			if p != nil && !p.dead {
				p.mover.Step(t.Context())
			}
		}
		w.pass(minute / looks)
	}
	w.former = slices.DeleteFunc(w.former, func(p *process) bool { return p.dead || p.until.Before(w.now) })
	w.idle++
	if w.stored.Operation != nil || w.leader == nil || w.leader.dead {
		w.idle = 0
	}
}

// fault makes one thing happen, or none.
func (w *world) fault(t *testing.T) {
	t.Helper()
	happen := func(what string) { w.happens[what]++ }
	switch w.rng.IntN(24) {
	case 0:
		if w.heldAt.IsZero() {
			happen("holds")
			w.holdNext = true
		}
	case 1, 2:
		w.heldAt, w.holdNext = time.Time{}, false
	case 3:
		happen("windows")
		w.edit(t, func(s *policy.Spec) {
			if s.Gates.Windows == nil {
				s.Gates.Windows = evenHours()
			} else {
				s.Gates.Windows = nil
			}
		})
	case 4:
		happen("modes")
		w.edit(t, func(s *policy.Spec) { s.Mode = policy.Recommend })
	case 5, 6:
		w.edit(t, func(s *policy.Spec) { s.Mode = policy.Act })
	case 7:
		happen("policy edits")
		w.edit(t, func(s *policy.Spec) { s.Brokers.Max = 4 + w.rng.IntN(maxBrokers-3) })
	case 8:
		w.person()
	case 9:
		if w.leader != nil && !w.leader.dead {
			happen("Leases lost")
			w.leader.lost, w.leader.until = true, w.now.Add(time.Duration(1+w.rng.IntN(10))*minute)
			w.former, w.leader = append(w.former, w.leader), nil
		}
	case 10:
		if w.leader != nil {
			happen("clocks set back")
			w.leader.skew -= time.Duration(1+w.rng.IntN(600)) * time.Second
		}
	case 11, 12, 13:
		happen("load changes")
		w.rate = []float64{1e6, 4e6, 8e6}[w.rng.IntN(3)]
	case 14:
		if w.leader != nil {
			happen("kills")
			w.leader.dead = true
		}
	}
}

// person sets a size by hand: more, or what he had set back again while nothing is
// on it. What a person deletes is his own.
func (w *world) person() {
	want := w.want + 1
	if w.rng.IntN(2) == 0 {
		want = w.want - 1
	}
	if want < minBrokers || want > maxBrokers+1 || want < w.want && w.holds(want) > 0 {
		return
	}
	w.happens["sizes set by a person"]++
	w.set(want, true)
}

// edit changes the policy: the loop is started anew on what it says now.
func (w *world) edit(t *testing.T, change func(*policy.Spec)) {
	t.Helper()
	change(&w.policy.Spec)
	if w.leader == nil || w.leader.dead {
		return // whoever comes next reads it
	}
	skew := w.leader.skew
	w.leader.mover.Close()
	w.begin(t)
	if w.leader != nil {
		w.leader.skew = skew
	}
}

// write replaces the table between the marks of a document.
func write(path string, total map[string]int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs from seed %d on: %d operations, %d broken rules.\n\n| what happened | times |\n|---|---|\n",
		total["runs"], *first, total["operations"], total["broken"])
	for _, what := range kinds {
		fmt.Fprintf(&b, "| %s | %d |\n", what, total[what])
	}
	const begin, end = "<!-- faults:begin -->\n", "<!-- faults:end -->"
	from, to := strings.Index(string(text), begin), strings.Index(string(text), end)
	if cmp.Less(from, 0) || cmp.Less(to, from) {
		return fmt.Errorf("%s lacks the marks of the table", path)
	}
	out := string(text[:from+len(begin)]) + "\n" + b.String() + "\n" + string(text[to:])
	return os.WriteFile(path, []byte(out), 0o644)
}
