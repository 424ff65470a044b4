package simulations

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

const small = `
version: 1
name: small
seed: 3
duration: 12h
history: 3d
cluster:
  brokers: {count: 3, zones: [a, b, c], shape: {cpuCores: 4, network: 100MB/s, disk: 500GB, diskBandwidth: 200MB/s}}
  throttle: 40MB/s
loads:
  - name: web
    generate: {base: 12MB/s, day: 0.6, noise: 0.03}
topics:
  - {name: orders, partitions: 24, retention: 1h}
groups:
  - {name: billing, topics: [orders], perReplica: 2000, replicas: 4, max: 24}
faults:
  - {kind: broker, broker: 1, at: 3h, for: 30m}
  - {kind: prometheus, at: 6h, for: 1h}
  - {kind: controller, at: 8h, for: 30m}
  - {kind: pod-start, at: 9h, for: 10m}
changes:
  - {kind: growth, at: 4h, factor: 1.4}
monteCarlo:
  growth: {mean: 0.2, sd: 0.2}
  noise: {mean: 0.05, sd: 0.02}
  events: {perWeek: 7, duration: 1h, uplift: {mean: 1.5, sd: 0.2}}
  brokerFailures: {perWeek: 3, duration: 20m}
`

func read(t testing.TB, doc string) *scenario.Experiment {
	t.Helper()
	p, err := scenario.Decode([]byte(doc), "test", scenario.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func allGates() Options {
	o := options()
	o.Gates = gates.All
	return o
}

func TestSameScenarioGivesTheSameBytesOnOneAndTwoCores(t *testing.T) {
	render := func(cores int) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		o := allGates()
		o.Points, o.Workers = 50, cores
		r, err := Compare(context.Background(), read(t, small), o)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(r); err != nil {
			t.Fatal(err)
		}
		if err := r.Page().Write(&b); err != nil {
			t.Fatal(err)
		}
		many, err := RunMany(context.Background(), read(t, small), 2, Shard{}, "d", o)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&b).Encode(many); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	one, two := render(1), render(2)
	if !bytes.Equal(one, two) {
		t.Errorf("%d bytes on one core and %d on two differ", len(one), len(two))
	}
}

func TestShardsMergeToTheWhole(t *testing.T) {
	p := read(t, small)
	p.Policies = []string{"reactive", "oracle"}
	whole, err := RunMany(context.Background(), p, 7, Shard{}, "d", options())
	if err != nil {
		t.Fatal(err)
	}
	var parts []MonteCarlo
	for i := range 3 {
		s, err := RunMany(context.Background(), p, 7, Shard{i, 3}, "d", options())
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, s)
	}
	merged, err := Merge([]MonteCarlo{parts[2], parts[0], parts[1]})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(whole)
	b, _ := json.Marshal(merged)
	if !bytes.Equal(a, b) {
		t.Errorf("merged shards differ from the whole:\n%s\n%s", a, b)
	}
	for name, bad := range map[string][]MonteCarlo{
		"is in none of them":  parts[:2],
		"is in two of them":   {parts[0], parts[0]},
		"is of another":       {parts[0], {Digest: "other", Seed: 3, Runs: 7}},
		"none given":          nil,
		"run 1 of 7 is in no": {parts[1], parts[2]},
	} {
		if _, err := Merge(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want it to say %q", err, name)
		}
	}
}

func TestRunsOfAMonteCarloDiffer(t *testing.T) {
	p := read(t, small)
	p.Policies = []string{"static"}
	m, err := RunMany(context.Background(), p, 5, Shard{}, "d", options())
	if err != nil {
		t.Fatal(err)
	}
	s := m.Summary[0].Metrics["cost"]
	if s.P05 >= s.P95 {
		t.Errorf("five runs cost %v to %v: they are all the same", s.P05, s.P95)
	}
}

// TestLoopKeepsItsPromises watches the production loop, planner and all, in a
// few small worlds with faults (promises_test.go watches it in many, with the
// greedy planner): it never goes below the policy's minimum, never scales in on stale
// data, and loses no replica.
func TestLoopKeepsItsPromises(t *testing.T) {
	runs := 4
	if testing.Short() {
		runs = 1
	}
	p := read(t, small)
	p.Policies = []string{"tidetable"}
	for run := range runs {
		c, err := p.World(run)
		if err != nil {
			t.Fatal(err)
		}
		pol, err := newTidetable(p, "tidetable", nil, allGates())
		if err != nil {
			t.Fatal(err)
		}
		w, err := world.New(c)
		if err != nil {
			t.Fatal(err)
		}
		watch(t, run, w, pol, p)
	}
}

func watch(t *testing.T, run int, w *world.World, pol interface {
	Tick(context.Context, *world.World) error
}, p *scenario.Experiment) {
	t.Helper()
	for w.Now().Before(p.EndTime()) {
		before, replicas := brokersOf(w), w.Group(0).Want
		stale := w.MetricsDown()
		if !w.LoopDown() {
			if err := pol.Tick(context.Background(), w); err != nil {
				t.Fatal(err)
			}
		}
		after, now := brokersOf(w), w.Group(0).Want
		if stale && (after < before || now < replicas) {
			t.Errorf("run %d, %s: scaled in from %d brokers and %d replicas to %d and %d on stale data", run, w.Now(), before, replicas, after, now)
		}
		if after < 3 || now < 1 {
			t.Errorf("run %d, %s: %d brokers and %d replicas are below the minimum", run, w.Now(), after, now)
		}
		w.Step()
	}
	s, err := w.Observer().Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range s.Topics {
		for _, q := range topic.Partitions {
			if len(q.Replicas) != 3 {
				t.Errorf("run %d: %s-%d has %d replicas, want 3", run, topic.Name, q.Partition, len(q.Replicas))
			}
		}
	}
}

func brokersOf(w *world.World) int {
	have, _ := w.Brokers()
	return have
}

func TestEveryPolicyIsShownBesideTheOracle(t *testing.T) {
	r, err := Compare(context.Background(), read(t, strings.Split(small, "faults:")[0]), allGates())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Policies {
		if p.Oracle == nil || p.OverOracle["brokerHours"] == 0 {
			t.Errorf("%s is not shown beside the oracle", p.Policy)
		}
		if p.SLOViolationMinutes == 0 && p.Cost < p.Oracle.Cost {
			t.Errorf("%s costs %.4g, the oracle %.4g", p.Policy, p.Cost, p.Oracle.Cost)
		}
	}
}

func TestCancelledSimulationStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := read(t, strings.Replace(small, "duration: 12h", "duration: 1000d", 1))
	if _, err := Compare(ctx, p, Options{}); err == nil {
		t.Error("a cancelled simulation went on to its end")
	}
}

func TestQuickRunsAgreeWithFullOnes(t *testing.T) {
	p := plan(t, "four-weeks.yaml", "tidetable")
	run := func(quick bool) Measures {
		o := options()
		o.quick = quick
		r, err := compareRun(context.Background(), p, 1, o)
		if err != nil {
			t.Fatal(err)
		}
		return r[0].Measures
	}
	if testing.Short() {
		t.Skip("left out: -short; two runs of four weeks")
	}
	p.Duration /= 4
	a, b := run(true), run(false)
	if a.BrokerHours < 0.8*b.BrokerHours || a.BrokerHours > 1.2*b.BrokerHours {
		t.Errorf("the quick run uses %.0f broker hours, the full one %.0f", a.BrokerHours, b.BrokerHours)
	}
}
