package execute

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/placement"
)

func (w *world) start(m *Mover, moves []cluster.Move, o Options) {
	w.t.Helper()
	if err := m.StartWith(context.Background(), moves, o); err != nil {
		w.t.Fatalf("starting: %v", err)
	}
}

func (w *world) state(topic string, n int) *placement.State {
	return w.kafka.c.Topics[topic].Partitions[n]
}

func (w *world) arrived(moves []cluster.Move) {
	w.t.Helper()
	for _, mv := range moves {
		s := w.state(mv.Topic, mv.Partition)
		if !slices.Equal(s.Replicas, mv.To) || s.Leader != mv.To[0] {
			w.t.Errorf("%s-%d is on %v led by %d, want %v", mv.Topic, mv.Partition, s.Replicas, s.Leader, mv.To)
		}
	}
}

func TestPlanIsCarriedOutAndNothingIsLeft(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	w.finish(m, 400)
	w.arrived(moves)
	w.clean()
	p, _ := m.Progress(context.Background())
	if p.State != rebalance.Done || p.BytesMoved != p.BytesTotal || p.BytesTotal != 6*3*100e6 {
		t.Errorf("progress %+v", p)
	}
	for _, targets := range w.kafka.requests {
		for _, target := range targets {
			if len(target.Replicas) != 3 || target.Shrinks {
				t.Errorf("request %+v changes the replication factor", target)
			}
		}
	}
}

func TestScheduleIsCloseToTheBusiestBrokersBound(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	w.tune = func(c *Config) { c.Throttle = ThrottlePolicy{Start: 10e6, Min: 10e6, Max: 10e6} }
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	begin := w.now
	w.finish(m, 400)
	// Every broker of 3 to 5 receives six replicas of 100 MB at 10 MB/s.
	bound := 60 * time.Second
	if took := w.now.Sub(begin); took > bound*12/10 {
		t.Errorf("took %v, over 1.2 times the bound of %v", took, bound)
	}
}

func TestForecastOfTheEndIsRightAfterATenth(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	w.tune = func(c *Config) { c.Throttle = ThrottlePolicy{Start: 10e6, Min: 10e6, Max: 10e6} }
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	var said, at time.Duration
	begin := w.now
	for range 400 {
		over := w.step(m)
		p, _ := m.Progress(context.Background())
		if said == 0 && p.BytesMoved >= p.BytesTotal/10 {
			said, at = p.ETA(), w.now.Sub(begin)
		}
		if over {
			break
		}
	}
	truth := w.now.Sub(begin) - at
	if ratio := said.Seconds() / truth.Seconds(); ratio < 0.85 || ratio > 1.15 {
		t.Errorf("said %v, took %v", said, truth)
	}
}

func TestKilledAnywhereANewProcessFinishes(t *testing.T) {
	for seed := range uint64(60) {
		w := newWorld(t, placement.SixBrokers())
		moves := w.kafka.c.Spread()
		rng := rand.New(rand.NewPCG(seed, 1))
		m := w.mover()
		w.start(m, moves, Options{})
		over := false
		for life := 0; life < 6 && !over; life++ {
			for range 1 + rng.IntN(30) {
				if rng.IntN(4) == 0 {
					w.log.fail = errors.New("killed while writing")
				}
				if over = w.step(m); over {
					break
				}
			}
			m = w.mover() // the old one is never closed: it was killed
		}
		w.finish(m, 400)
		w.arrived(moves)
		w.clean()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestTwoMoversTheOlderStopsTouchingTheCluster(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	old := w.mover()
	w.start(old, w.kafka.c.Spread(), Options{})
	w.step(old)
	young := w.mover()
	if !old.Step(context.Background()) {
		t.Error("the older mover goes on")
	}
	if err := old.Wait(context.Background()); !errors.Is(err, ErrTakenOver) {
		t.Errorf("error %v", err)
	}
	w.finish(young, 400)
	w.clean()
}

func TestCancelRestoresEveryOriginalPlacement(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	before := map[int][]int{}
	for i, s := range w.kafka.c.Topics["hot"].Partitions {
		before[i] = slices.Clone(s.Replicas)
	}
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	for range 400 {
		w.step(m)
		if p, _ := m.Progress(context.Background()); p.BytesMoved > p.BytesTotal/2 {
			break
		}
	}
	if err := m.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.step(m)
	w.step(m)
	m = w.mover() // killed in the middle of it
	w.finish(m, 400)
	for i, s := range w.kafka.c.Topics["hot"].Partitions {
		if !slices.Equal(s.Replicas, before[i]) || s.Leader != before[i][0] {
			t.Errorf("hot-%d is on %v led by %d, was on %v", i, s.Replicas, s.Leader, before[i])
		}
	}
	w.clean()
	if p, _ := m.Progress(context.Background()); p.State != rebalance.Cancelled {
		t.Errorf("state %s", p.State)
	}
}

func TestDrainedBrokerIsProvenEmptyAndUnregistered(t *testing.T) {
	c := placement.SixBrokers()
	c.AddTopic("__consumer_offsets", 2, 1e6, []int{2, 3, 4}, []int{3, 4, 5})
	c.Topics["__consumer_offsets"].Internal = true
	w := newWorld(t, c)
	m := w.mover()
	w.start(m, nil, Options{Drain: []int{2}, Unregister: true})
	w.step(m)
	c.AddTopic("late", 2, 1e6, []int{2, 0, 1}) // KIP-1073: it still gets new partitions
	w.state("hot", 0).Held[2] = 5
	for range 200 {
		w.step(m)
	}
	p, _ := m.Progress(context.Background())
	if p.State != rebalance.Proving || !w.saw("proof", "broker 2 is empty, proven by its log dirs") {
		t.Fatalf("progress %+v, events %v", p, w.events)
	}
	w.clean()
	m = w.mover()
	c.Kill(2)
	w.finish(m, 20)
	if c.Brokers[2] != nil {
		t.Error("broker 2 is still registered")
	}
	for _, p := range c.Partitions() {
		if s := c.Topics[p.Topic].Partitions[p.Number]; slices.Contains(s.Replicas, 2) || len(s.Replicas) != 3 {
			t.Errorf("%v is on %v", p, s.Replicas)
		}
	}
}

func TestStrayDirectoryHoldsTheProof(t *testing.T) {
	c := placement.SixBrokers()
	w := newWorld(t, c)
	c.Topics["hot"].Partitions[0].Held[5] = 1e6 // left by a cancelled move
	m := w.mover()
	w.start(m, nil, Options{Drain: []int{5}})
	for range 20 {
		if w.step(m) {
			t.Fatal("the drain ended with a stray on the broker")
		}
	}
	delete(c.Topics["hot"].Partitions[0].Held, 5)
	w.finish(m, 5)
}

func TestDrainThatCannotEndHolds(t *testing.T) {
	c := placement.New("small")
	for b := range 3 {
		c.AddBroker(b, "a", 1e12)
	}
	c.AddTopic("t", 2, 1e6, []int{0, 1, 2})
	w := newWorld(t, c)
	m := w.mover()
	w.start(m, nil, Options{Drain: []int{2}, Unregister: true})
	c.Kill(2)
	w.now = w.now.Add(time.Hour)
	for range 50 {
		if w.step(m) {
			t.Fatal("the drain ended with data on the broker")
		}
	}
	if c.Brokers[2] == nil {
		t.Error("a broker with data was unregistered")
	}
}

func TestInternalTopicsMoveLast(t *testing.T) {
	c := placement.SixBrokers()
	c.AddTopic("__consumer_offsets", 2, 1e6, []int{0, 1, 2})
	c.Topics["__consumer_offsets"].Internal = true
	w := newWorld(t, c)
	moves := append(c.Spread(), cluster.Move{Topic: "__consumer_offsets", Partition: 0, To: []int{3, 4, 5}})
	m := w.mover()
	w.start(m, moves, Options{})
	w.finish(m, 600)
	last := map[string]int{}
	first := map[string]int{}
	for i, r := range w.kafka.requests {
		for _, target := range r {
			if len(without(target.Replicas, []int{0, 1, 2})) == 0 {
				continue
			}
			last[target.Topic] = i
			if _, ok := first[target.Topic]; !ok {
				first[target.Topic] = i
			}
		}
	}
	if first["__consumer_offsets"] < last["hot"]-3 { // reorders of the last ones may follow
		t.Errorf("internal at request %d, hot until %d", first["__consumer_offsets"], last["hot"])
	}
	w.arrived(moves)
}

func TestCancelThatCouldNotBeWrittenDownIsTriedAgain(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	w.step(m)
	if err := m.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.log.fail = errors.New("the state topic has no leader")
	w.step(m)
	w.step(m)
	m = w.mover() // the other was killed
	if p, _ := m.Progress(t.Context()); p.State != rebalance.Cancelling {
		t.Errorf("the cancel was lost: %+v", p)
	}
	w.finish(m, 400)
	if p, _ := m.Progress(t.Context()); p.State != rebalance.Cancelled {
		t.Errorf("progress %+v", p)
	}
	w.clean()
}
