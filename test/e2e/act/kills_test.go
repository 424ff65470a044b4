package act

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// TestKilledTwentyTimesEveryOperationCompletes drives the brokers 3 → 4 → 3 by
// editing the policy, over and over, and kills tidetable with SIGKILL at a
// seeded moment of every operation. Its successor waits for the lease and
// completes what it finds.
func TestKilledTwentyTimesEveryOperationCompletes(t *testing.T) {
	requireSoak(t, "twenty kills, each of which costs a lease's half minute, take half an hour; two are in every run of the followed day")
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Minute)
	defer cancel()
	cycles := 10
	if n, err := strconv.Atoi(os.Getenv("TIDETABLE_ACT_KILLS")); err == nil { // for a shorter look
		cycles = (n + 1) / 2
	}
	r := newResult(t, rowKills)
	seed := seed()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := newBedWith(ctx, t, setup{shape: (&lever{}).shape, journal: true})
	w := wish{stabilisation: "5s", cooldown: "1s", throttle: "1MB/s", brokerActions: 100}
	b.wants(ctx, t, w)
	b.run(t)
	watched := watch(ctx, t, b)
	b.steady(ctx, t)

	in := map[decision.Phase]int{}
	steps := []int{3}
	var longest time.Duration
	for cycle := range cycles {
		for _, size := range []int{4, 3} {
			w.min = size
			b.wants(ctx, t, w)
			phase := b.killWhile(ctx, t, random, 8*time.Second, func(op *decision.Operation) bool { return op.To == size })
			killed := time.Now()
			in[phase]++
			b.sized(ctx, t, size)
			longest = max(longest, time.Since(killed))
			steps = append(steps, size)
			if !slices.Equal(watched.sofar(), steps) {
				t.Fatalf("after kill %d the brokers wanted went through %v, want %v", 2*cycle+1+size%2, watched.sofar(), steps)
			}
		}
	}
	watched.end(t)
	watched.stepsWere(t, steps...)
	if n := len(watched.operations); n != 2*cycles {
		t.Errorf("%d operations were begun for %d edits of the policy: %v", n, 2*cycles, watched.operations)
	}
	b.nothingForbidden(t)
	b.journalHolds(ctx, t)
	r.Runs = 2 * cycles
	var where []string
	for phase, n := range in {
		where = append(where, fmt.Sprintf("%d in %s", n, phase))
	}
	slices.Sort(where)
	r.fact("killed %s; all %d operations completed, the slowest %s after its kill, the lease's 30 s included; highest lag %.1f s; the journal's chain verifies",
		strings.Join(where, ", "), len(watched.operations), longest.Round(time.Second), watched.highest)
}

// journalHolds has tidetable verify what twenty-one processes wrote.
func (b *bed) journalHolds(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, b.process.Stop(ctx))
	if out := b.Run(ctx, t, "journal", "verify", b.journal); out.Exit != 0 {
		t.Errorf("journal verify exited with %d:\n%s%s", out.Exit, out.Stdout, out.Stderr)
	}
}
