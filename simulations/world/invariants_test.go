package world

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
)

// randomConfig draws a small world with faults and changes.
func randomConfig(rng *rand.Rand, span time.Duration) Config {
	zones := []string{"a", "b", "c"}[:1+rng.IntN(3)]
	n := 3 + rng.IntN(5)
	c := Config{ClusterID: "fuzz", Start: start, Tick: time.Minute, Zones: zones, NewShape: shape,
		Throttle: cluster.BytesPerSecond(1e6 + rng.Float64()*2e8),
		Times: Times{PodStart: time.Duration(rng.IntN(180)) * time.Second, BrokerJoin: time.Minute,
			ConsumerStart: time.Duration(rng.IntN(300)) * time.Second, RebalancePause: time.Duration(rng.IntN(90)) * time.Second}}
	for i := range n {
		c.Brokers = append(c.Brokers, BrokerSpec{zones[i%len(zones)], shape})
	}
	for i := range 1 + rng.IntN(3) {
		s := workload.Shape{Base: math.Pow(10, 5+3*rng.Float64()), Day: rng.Float64(), Noise: 0.1, Memory: 0.5}
		c.Profiles = append(c.Profiles, s.Generate("p", start.Add(-time.Hour), 5*time.Minute, int((span+time.Hour)/(5*time.Minute))+2, uint64(i)))
	}
	for i := range 1 + rng.IntN(4) {
		t := TopicSpec{Name: string(rune('a' + i)), Partitions: 1 + rng.IntN(12), ReplicationFactor: 1 + rng.IntN(3),
			Profile: rng.IntN(len(c.Profiles)), Scale: rng.Float64(),
			Retention: time.Duration(1+rng.IntN(12)) * time.Hour, MessageBytes: 1000}
		t.MinISR = 1 + rng.IntN(t.ReplicationFactor)
		if rng.IntN(3) == 0 {
			t.RetentionBytes = cluster.Bytes(1e6 + rng.Float64()*1e9)
		}
		c.Topics = append(c.Topics, t)
	}
	for range rng.IntN(3) {
		g := GroupSpec{Name: "g", PerReplica: math.Pow(10, 2+3*rng.Float64()), Replicas: 1 + rng.IntN(6), Min: 1, MaxLag: time.Minute,
			Topics: []int{rng.IntN(len(c.Topics))}}
		if rng.IntN(4) == 0 {
			g.From = start.Add(time.Duration(rng.IntN(8)) * time.Hour)
		}
		c.Groups = append(c.Groups, g)
	}
	kinds := []EventKind{BrokerDown, ZoneDown, SlowDisk, NetworkCut, MetricsOutage, LoopOutage, PodStartFails, RetentionScale}
	for range rng.IntN(5) {
		e := Event{Kind: kinds[rng.IntN(len(kinds))], At: time.Duration(rng.IntN(int(span/time.Minute))) * time.Minute,
			For:    time.Duration(1+rng.IntN(240)) * time.Minute,
			Broker: rng.IntN(n), Zone: zones[rng.IntN(len(zones))], Topic: -1, Factor: rng.Float64()}
		if e.Kind == RetentionScale {
			e.Factor, e.For = 0.3+2*rng.Float64(), 0
		}
		c.Events = append(c.Events, e)
	}
	return c
}

// meddle does what a policy might do, sensible or not.
func meddle(w *World, rng *rand.Rand) {
	switch rng.IntN(12) {
	case 0:
		have, _ := w.Brokers()
		_ = w.SetBrokers(max(1, have+rng.IntN(4)-2), "fuzz") // refusals are part of the test
	case 1, 2:
		if w.Groups() > 0 {
			_ = w.SetConsumers(rng.IntN(w.Groups()), rng.IntN(10), "fuzz")
		}
	case 3:
		if busy, _ := w.Moving(); !busy {
			have, _ := w.Brokers()
			_ = w.Move(w.PlanSpread(max(w.Sizing().MinBrokers(), have-rng.IntN(2))))
		}
	case 4:
		if rng.IntN(5) == 0 {
			w.moves.cancel()
		}
	}
}

func TestInvariantsHoldOverRandomScenarios(t *testing.T) {
	scenarios, ticks := 1000, 600
	if testing.Short() {
		scenarios = 100
	}
	for seed := range scenarios {
		checkScenario(t, uint64(seed), ticks)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkScenario(t *testing.T, seed uint64, ticks int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w, err := New(randomConfig(rng, time.Duration(ticks)*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for i := range ticks {
		meddle(w, rng)
		w.Step()
		if i%7 == 0 || i == ticks-1 {
			checkInvariants(t, w)
		}
		if t.Failed() {
			t.Logf("at tick %d", i)
			return
		}
	}
}

func checkInvariants(t *testing.T, w *World) {
	t.Helper()
	near := func(what string, got, want, scale float64) {
		if math.Abs(got-want) > 1e-6*math.Max(math.Abs(scale), 1) {
			t.Errorf("%s: %.6g, want %.6g", what, got, want)
		}
	}
	waiting := 0.0
	for k := range w.load.classes {
		waiting += w.traffic.stranded[k]
		for i := range w.place.brokers {
			waiting += w.place.brokers[i].queue[k]
		}
		c := &w.place.logs[k]
		near("stored + deleted of a class", c.stored+c.deleted, c.written, c.written)
		if c.stored < -1 {
			t.Errorf("a class stores %g bytes", c.stored)
		}
	}
	near("bytes accepted + rejected + waiting", w.Totals.Accepted+w.Totals.Rejected+waiting, w.Totals.Offered, w.Totals.Offered)
	lag := 0.0
	for i := range w.consumers.groups {
		v := w.Group(i)
		if v.Lag < 0 || v.LagSeconds < 0 || math.IsNaN(v.Lag) {
			t.Errorf("group lag is %g records, %g s", v.Lag, v.LagSeconds)
		}
		lag += v.Lag
	}
	near("records consumed + lag", w.Totals.RecordsConsumed+lag, w.Totals.RecordsIn, w.Totals.RecordsIn)
	checkPlacement(t, w, near)
}

func checkPlacement(t *testing.T, w *World, near func(string, float64, float64, float64)) {
	t.Helper()
	lead := make([][]float64, len(w.place.brokers))
	holds := make([]int, len(w.place.brokers))
	for i := range lead {
		lead[i] = make([]float64, len(w.load.classes))
	}
	for i := range w.place.parts {
		p := &w.place.parts[i]
		if len(p.replicas) != w.place.topics[p.topic].spec.ReplicationFactor {
			t.Errorf("partition %d has %d replicas: one was lost", i, len(p.replicas))
		}
		for j, r := range p.replicas {
			if int(r) >= len(w.place.brokers) {
				t.Errorf("partition %d has a replica on broker %d, which is gone", i, r)
				return
			}
			holds[r]++
			if slices.Contains(p.replicas[:j], r) {
				t.Errorf("partition %d is on broker %d twice", i, r)
			}
		}
		if p.leader < 0 {
			continue
		}
		if !p.inSync(p.leader) || w.place.brokers[p.leader].state != cluster.BrokerAlive {
			t.Errorf("partition %d is led by broker %d, which is out of sync or dead", i, p.leader)
		}
		if p.writable {
			lead[p.leader][w.place.topics[p.topic].class] += p.share
		}
	}
	for _, m := range append(slices.Clone(w.moves.active), w.moves.waiting...) {
		for _, a := range m.adding {
			holds[a]++
		}
	}
	for i := range w.place.brokers {
		b := &w.place.brokers[i]
		if b.holds != holds[i] {
			t.Errorf("broker %d is said to hold %d replicas, it holds %d", i, b.holds, holds[i])
		}
		for k := range lead[i] {
			near("load led by a broker", b.lead[k], lead[i][k], w.place.total[k])
		}
		if b.copied < -1 || math.IsNaN(b.copied) {
			t.Errorf("broker %d has %g bytes of copies", i, b.copied)
		}
	}
}

func TestSameConfigurationGivesTheSameWorld(t *testing.T) {
	run := func() Totals {
		rng := rand.New(rand.NewPCG(5, 1))
		w, err := New(randomConfig(rng, 10*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for range 600 {
			meddle(w, rng)
			w.Step()
		}
		return w.Totals
	}
	if a, b := run(), run(); a != b {
		t.Errorf("two runs differ:\n%+v\n%+v", a, b)
	}
}
