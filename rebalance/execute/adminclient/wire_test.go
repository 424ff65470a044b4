package adminclient

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// process makes a mover with clients of its own, as a new process would.
func (w *wire) process(t *testing.T) *execute.Mover {
	t.Helper()
	seeds := kgo.SeedBrokers(w.fake.ListenAddrs()...)
	cl, err := kgo.NewClient(seeds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	store, err := NewStateTopic("state", seeds, kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	m, err := execute.New(t.Context(), execute.Config{Kafka: New(cl), Store: store, Manual: true, Poll: time.Second,
		Throttle: execute.ThrottlePolicy{Start: 20e6, Min: 20e6, Max: 20e6}})
	if err != nil {
		t.Fatalf("making a mover: %v", err)
	}
	return m
}

func TestPlanIsCarriedOutOverTheWireByTwoProcesses(t *testing.T) {
	w := newWire(t, placement.SixBrokers())
	moves := w.model.Spread()
	ctx := t.Context()
	first := w.process(t)
	if err := first.StartWith(ctx, moves, execute.Options{Drain: []int{3}}); !errors.Is(err, execute.ErrRefused) {
		t.Fatalf("a plan that brings replicas to a broker to be drained: %v", err)
	}
	if err := first.StartWith(ctx, moves, execute.Options{}); err != nil {
		t.Fatalf("starting: %v", err)
	}
	for range 6 {
		first.Step(ctx)
		w.pass(time.Second)
	}
	second := w.process(t) // the first was killed
	if !first.Step(ctx) {
		t.Error("the first process goes on beside the second")
	}
	over := false
	for i := 0; i < 200 && !over; i++ {
		over = second.Step(ctx)
		w.pass(time.Second)
	}
	p, _ := second.Progress(ctx)
	if !over || p.State != rebalance.Done {
		t.Fatalf("not done: %+v", p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mv := range moves {
		if s := w.model.Topics[mv.Topic].Partitions[mv.Partition]; !slices.Equal(s.Replicas, mv.To) || s.Leader != mv.To[0] {
			t.Errorf("%s-%d is on %v led by %d, want %v", mv.Topic, mv.Partition, s.Replicas, s.Leader, mv.To)
		}
	}
	for id, b := range w.model.Brokers {
		if b.Leader != 0 || b.Follower != 0 {
			t.Errorf("broker %d still has a throttle", id)
		}
	}
	if hot := w.model.Topics["hot"]; len(hot.LeaderThrottled)+len(hot.FollowerThrottled) > 0 {
		t.Errorf("throttle lists are left: %v %v", hot.LeaderThrottled, hot.FollowerThrottled)
	}
	if !w.nullList {
		t.Error("reassignments were not listed with Topics null, which is what asks for all")
	}
	if slices.MaxFunc(w.lists, cmp.Compare[int]) > execute.MaxPartitionsPerRequest {
		t.Errorf("requests of %v partitions", w.lists)
	}
}

// A process that adopts a run in its last phase has never looked at the
// cluster: it must find out by itself who is there to be unthrottled.
func TestThrottlesOfARunKilledWhileCleaningAreRemoved(t *testing.T) {
	w := newWire(t, placement.SixBrokers())
	ctx := t.Context()
	first := w.process(t)
	if err := first.StartWith(ctx, w.model.Spread(), execute.Options{}); err != nil {
		t.Fatalf("starting: %v", err)
	}
	for i := 0; i < 200 && first.Run().State != rebalance.Cleaning; i++ {
		first.Step(ctx)
		w.pass(time.Second)
	}
	second := w.process(t) // the first was killed
	over := false
	for i := 0; i < 20 && !over; i++ {
		over = second.Step(ctx)
	}
	if p, _ := second.Progress(ctx); !over || p.State != rebalance.Done {
		t.Errorf("not done: %+v", p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, b := range w.model.Brokers {
		if b.Leader != 0 || b.Follower != 0 {
			t.Errorf("broker %d still has a throttle", id)
		}
	}
}

func TestStateTopicTellsTheNewestOwner(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := func() *StateTopic {
		s, err := NewStateTopic("", kgo.SeedBrokers(fake.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	a, b := store(), store()
	if kv, err := a.Load(ctx); err != nil || len(kv) != 0 {
		t.Fatalf("without a topic: %v, %v", kv, err)
	}
	if err := a.Put(ctx, []execute.Record{{Key: "k", Value: nil}}); err == nil {
		t.Error("wrote without a claim")
	}
	if err := a.Claim(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := a.Put(ctx, []execute.Record{{Key: "k", Value: []byte("1")}, {Key: "k", Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	if kv, err := b.Load(ctx); err != nil || string(kv["k"]) != "2" || len(kv) != 1 {
		t.Errorf("read %v, %v", kv, err)
	}
	if err := b.Claim(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{a.Check(ctx), a.Put(ctx, []execute.Record{{Key: "k", Value: []byte("3")}})} {
		if !errors.Is(err, execute.ErrTakenOver) || !strings.Contains(err.Error(), "b") {
			t.Errorf("the older owner gets %v", err)
		}
	}
	if kv, _ := b.Load(ctx); string(kv["k"]) != "2" {
		t.Errorf("the older owner wrote %s", kv["k"])
	}
	if err := b.Check(ctx); err != nil {
		t.Errorf("the newest owner gets %v", err)
	}
}
