package simulations

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

// randomScenario is a small cluster for some hours with up to four faults.
func randomScenario(rng *rand.Rand) string {
	between := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nname: random\nseed: %d\nduration: 4h\nhistory: 2d\n", rng.IntN(1e6))
	brokers := 3 + rng.IntN(5)
	fmt.Fprintf(&b, "cluster:\n  brokers: {count: %d, zones: [a, b, c], "+
		"shape: {cpuCores: %.1f, network: 100MB/s, disk: 500GB, diskBandwidth: 200MB/s}}\n  throttle: %.0fMB/s\n",
		brokers, between(0.7, 2.8), between(5, 100))
	fmt.Fprintf(&b, "loads:\n  - {name: web, generate: {base: %.1fMB/s, day: %.2f, phase: %dh, noise: %.3f}}\n", between(1, 25),
		between(0, 0.9), rng.IntN(24), between(0, 0.2))
	fmt.Fprintf(&b, "topics:\n  - {name: orders, partitions: %d, retention: %dm, minInsyncReplicas: %d}\n", 6+rng.IntN(30), 10+rng.IntN(120),
		1+rng.IntN(2))
	fmt.Fprintf(&b, "groups:\n  - {name: billing, topics: [orders], perReplica: %.0f, replicas: %d}\n", between(500, 5000), 1+rng.IntN(20))
	if n := rng.IntN(5); n > 0 {
		b.WriteString("faults:\n")
		for range n {
			kind := []string{"broker, broker: %d", "prometheus", "prometheus", "controller", "pod-start", "zone, zone: b",
				"slow-disk, factor: 0.2, broker: %d"}[rng.IntN(7)]
			if strings.Contains(kind, "%d") {
				kind = fmt.Sprintf(kind, rng.IntN(brokers))
			}
			fmt.Fprintf(&b, "  - {kind: %s, at: %dm, for: %dm}\n", kind, 5+rng.IntN(180), 5+rng.IntN(50))
		}
	}
	if rng.IntN(2) == 0 {
		fmt.Fprintf(&b, "changes:\n  - {kind: growth, at: %dm, factor: %.2f}\n", 5+rng.IntN(200), between(0.3, 2))
	}
	return b.String()
}

// hasty is the policy of a random scenario: it looks often and waits little, so
// that four hours see it grow and shrink.
func hasty(p *scenario.Experiment, rng *rand.Rand) policy.Policy {
	d := DefaultPolicy(p, true)
	minutes := func(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Minute) }
	d.Spec.Interval = minutes(2)
	d.Spec.Brokers.Min = 3 + rng.IntN(2)
	d.Spec.Brokers.Stabilisation = minutes(5 + rng.IntN(20))
	d.Spec.Gates.Cooldown = minutes(1)
	d.Spec.Consumers[0].Min = 1 + rng.IntN(3)
	d.Spec.Consumers[0].Stabilisation = minutes(2 + rng.IntN(20))
	return d
}

// TestLoopKeepsItsPromisesOverRandomScenarios runs the production loop through
// 1,000 random worlds with faults: it never scales in on stale data, never goes
// below the policy's minimum, loses no replica and no byte, and lag is never
// negative. The planner is the one of Monte Carlo.
func TestLoopKeepsItsPromisesOverRandomScenarios(t *testing.T) {
	scenarios := 1000
	if testing.Short() {
		scenarios = 50
	}
	var all promises
	for seed := 0; seed-all.refused < scenarios; seed++ {
		rng := rand.New(rand.NewPCG(uint64(seed), 9))
		p, err := scenario.Decode([]byte(randomScenario(rng)), "random", scenario.Sources{})
		if err != nil {
			all.refused++ // faults that contradict one another
			continue
		}
		doc := hasty(p, rng)
		o := allGates()
		o.quick = true
		pol, err := newTidetable(p, "tidetable", &doc, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		c, err := p.World(0)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w, err := world.New(c)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		all.watch(t, w, pol.Tick, p, doc.Spec)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d scenarios, %d refused: %d ticks on stale data, %d scale-ins, %d scale-outs", scenarios, all.refused, all.stale, all.in, all.out)
	if least := scenarios / 4; all.refused > least || all.stale < 5*least || all.in < least || all.out < least {
		t.Error("the scenarios are too tame to tell anything")
	}
}

// promises counts what was seen while they were watched.
type promises struct{ refused, stale, in, out int }

func (c *promises) watch(t *testing.T, w *world.World, tick func(context.Context, *world.World) error,
	p *scenario.Experiment, spec policy.Spec) {
	t.Helper()
	for w.Now().Before(p.EndTime()) && !t.Failed() {
		brokers, replicas := brokersOf(w), w.Group(0).Want
		stale := w.MetricsDown()
		if !w.LoopDown() {
			if err := tick(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		after, now := brokersOf(w), w.Group(0).Want
		switch {
		case stale:
			c.stale++
		case after < brokers || now < replicas:
			c.in++
		case after > brokers || now > replicas:
			c.out++
		}
		if stale && (after < brokers || now < replicas) {
			t.Errorf("%s: scaled in from %d brokers and %d replicas to %d and %d on stale data", w.Now(), brokers, replicas, after, now)
		}
		// What is below the minimum from the beginning is only never made smaller.
		if after < min(brokers, spec.Brokers.Min) || now < min(replicas, spec.Consumers[0].Min) {
			t.Errorf("%s: %d brokers and %d replicas, the policy's minimum is %d and %d", w.Now(), after, now, spec.Brokers.Min,
				spec.Consumers[0].Min)
		}
		w.Step()
		if lag := w.Group(0).Lag; !(lag >= 0) {
			t.Errorf("%s: the lag is %g", w.Now(), lag)
		}
	}
	nothingLost(t, w)
}

// nothingLost sees that what producers sent was taken, refused or waits, that
// what was written was read or is lag, and that every replica is there.
func nothingLost(t *testing.T, w *world.World) {
	t.Helper()
	v := w.Totals
	if waits := v.Offered - v.Accepted - v.Rejected; waits < -1e-6*v.Offered {
		t.Errorf("%g bytes were taken or refused that nobody sent", -waits)
	}
	g := w.Group(0)
	behind := g.Lag - g.Consumed*g.Spec.CommitInterval.Seconds()/2 // the rest of the lag is read and not committed yet
	if off := v.RecordsIn - v.RecordsConsumed - behind; off > 1e-6*v.RecordsIn || off < -1e-6*v.RecordsIn {
		t.Errorf("%g records are neither read nor lag", off)
	}
	s, err := w.Observer().Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range s.Topics {
		for _, q := range topic.Partitions {
			if len(q.Replicas) != 3 {
				t.Errorf("%s-%d has %d replicas, want 3", topic.Name, q.Partition, len(q.Replicas))
			}
		}
	}
}
