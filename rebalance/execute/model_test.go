package execute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// modelKafka is the Kafka port over the placement model.
type modelKafka struct {
	mu       sync.Mutex
	c        *placement.Cluster
	requests [][]Target // every Reassign, for tests of what was sent
	elected  int        // partitions asked for by every Elect
	// silent brokers are alive by the controller's word, and do not answer.
	silent map[int]bool
	fail   error // of every View
}

func (k *modelKafka) View(_ context.Context, topics []string) (View, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return View{}, k.fail
	}
	v := View{ClusterID: k.c.ID, Brokers: map[int]BrokerView{}, Topics: map[string]TopicView{}, Reassigning: map[TP]Reassigning{}}
	for id, b := range k.c.Brokers {
		v.Brokers[id] = BrokerView{b.Zone, b.Alive}
	}
	for name, t := range k.c.Topics {
		tv := TopicView{ID: t.ID, Internal: t.Internal, MinISR: t.MinISR}
		for i, s := range t.Partitions {
			tv.Partitions = append(tv.Partitions, PartitionView{slices.Clone(s.Replicas), slices.Clone(s.ISR), s.Leader})
			if len(s.Adding)+len(s.Removing) > 0 {
				v.Reassigning[TP{name, i}] = Reassigning{slices.Clone(s.Replicas), slices.Clone(s.Adding), slices.Clone(s.Removing)}
			}
		}
		if topics == nil || slices.Contains(topics, name) {
			v.Topics[name] = tv
		}
	}
	return v, nil
}

func (k *modelKafka) Sizes(_ context.Context, brokers []int, tps []TP) (Sizes, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := Sizes{Brokers: map[int]BrokerSizes{}}
	for _, b := range brokers {
		if k.c.Brokers[b] == nil || !k.c.Brokers[b].Alive {
			continue
		}
		bs := BrokerSizes{Replicas: map[TP]cluster.Bytes{}, Usable: k.c.Free(b), Total: k.c.Brokers[b].Disk}
		for _, p := range k.c.Partitions() {
			tp := TP{p.Topic, p.Number}
			if n, ok := k.c.Topics[p.Topic].Partitions[p.Number].Held[b]; ok && (tps == nil || slices.Contains(tps, tp)) {
				bs.Replicas[tp] = n
			}
		}
		out.Brokers[b] = bs
	}
	return out, nil
}

func (k *modelKafka) Throttles(_ context.Context, brokers []int, topics []string) (Throttles, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := Throttles{Rates: map[RateOn]cluster.BytesPerSecond{}, Entries: map[Entry]bool{}, Unread: map[int]bool{}}
	for _, id := range brokers {
		b := k.c.Brokers[id]
		if b == nil || !b.Alive || k.silent[id] {
			out.Unread[id] = true
			continue
		}
		if b.Leader > 0 {
			out.Rates[RateOn{id, LeaderSide}] = b.Leader
		}
		if b.Follower > 0 {
			out.Rates[RateOn{id, FollowerSide}] = b.Follower
		}
	}
	for _, name := range topics {
		if t := k.c.Topics[name]; t != nil {
			for r := range t.LeaderThrottled {
				out.Entries[Entry{name, LeaderSide, r.Number, r.Broker}] = true
			}
			for r := range t.FollowerThrottled {
				out.Entries[Entry{name, FollowerSide, r.Number, r.Broker}] = true
			}
		}
	}
	return out, nil
}

func (k *modelKafka) SetThrottles(_ context.Context, c ThrottleChange) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := func(r RateOn, v cluster.BytesPerSecond) {
		b := k.c.Brokers[r.Broker]
		switch {
		case b == nil:
		case r.Side == LeaderSide:
			b.Leader = v
		default:
			b.Follower = v
		}
	}
	var silent SilentError
	for r, v := range c.Rates {
		if k.silent[r.Broker] {
			silent.Brokers, silent.Err = append(silent.Brokers, r.Broker), errors.New("no route")
			continue
		}
		set(r, v)
	}
	if silent.Err != nil {
		return &silent
	}
	for _, r := range c.Unset {
		set(r, 0)
	}
	list := func(e Entry) (map[placement.Replica]bool, placement.Replica) {
		t := k.c.Topics[e.Topic]
		r := placement.Replica{Partition: placement.Partition{Topic: e.Topic, Number: e.Partition}, Broker: e.Broker}
		switch {
		case t == nil:
			return map[placement.Replica]bool{}, r
		case e.Side == LeaderSide:
			return t.LeaderThrottled, r
		}
		return t.FollowerThrottled, r
	}
	for _, e := range c.Append {
		l, r := list(e)
		l[r] = true
	}
	for _, e := range c.Subtract {
		l, r := list(e)
		delete(l, r)
	}
	return nil
}

func (k *modelKafka) Reassign(_ context.Context, targets []Target) (map[TP]error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests = append(k.requests, targets)
	refused := map[TP]error{}
	for _, t := range targets {
		err := k.c.Reassign(placement.Partition{Topic: t.Topic, Number: t.Partition}, t.Replicas, t.Shrinks)
		if err != nil && err != placement.ErrNoReassignment {
			refused[t.TP] = err
		}
	}
	return refused, nil
}

func (k *modelKafka) Elect(_ context.Context, tps []TP) (map[TP]error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	refused := map[TP]error{}
	k.elected += len(tps)
	for _, tp := range tps {
		if err := k.c.Elect(placement.Partition{Topic: tp.Topic, Number: tp.Partition}); err != nil && err != placement.ErrElectionNotNeeded {
			refused[tp] = err
		}
	}
	return refused, nil
}

func (k *modelKafka) Unregister(_ context.Context, b int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.c.Unregister(b)
}

// memoryStore is a Store that lives as long as the test; several movers share
// its log, as processes share the topic.
type memoryLog struct {
	mu    sync.Mutex
	kv    map[string][]byte
	owner string
	fail  error // returned by the next Put
}

type memoryStore struct {
	log   *memoryLog
	owner string
}

func newMemoryLog() *memoryLog { return &memoryLog{kv: map[string][]byte{}} }

func (s *memoryStore) Load(context.Context) (map[string][]byte, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return maps.Clone(s.log.kv), nil
}

func (s *memoryStore) Claim(_ context.Context, owner string) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.owner, s.log.owner = owner, owner
	return nil
}

func (s *memoryStore) Put(ctx context.Context, rs []Record) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if err := s.log.fail; err != nil {
		s.log.fail = nil
		return err
	}
	for _, r := range rs {
		s.log.kv[r.Key] = r.Value
	}
	return nil
}

func (s *memoryStore) Check(context.Context) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.owner == "" || s.owner != s.log.owner {
		return fmt.Errorf("%w: it is with %s", ErrTakenOver, s.log.owner)
	}
	return nil
}

func (s *memoryStore) Close() {}

// world is a model, a clock that only Step moves, and the movers on it.
type world struct {
	t      *testing.T
	kafka  *modelKafka
	log    *memoryLog
	now    time.Time
	events []Event
	owners int
	tune   func(*Config)
}

// begin is when a test's world begins.
var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, c *placement.Cluster) *world {
	return &world{t: t, kafka: &modelKafka{c: c}, log: newMemoryLog(), now: begin}
}

// mover starts a process: whatever the last one left is adopted.
func (w *world) mover() *Mover {
	w.t.Helper()
	w.owners++
	cfg := Config{
		Kafka: w.kafka, Store: &memoryStore{log: w.log}, Owner: fmt.Sprintf("process %d", w.owners),
		Poll: time.Second, Manual: true, Now: func() time.Time { return w.now },
		Throttle: ThrottlePolicy{Start: 10e6, Min: 1e6, Max: 100e6},
		OnEvent:  func(e Event) { w.events = append(w.events, e) },
	}
	if w.tune != nil {
		w.tune(&cfg)
	}
	m, err := New(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatalf("making a mover: %v", err)
	}
	return m
}

// step polls once and lets a second pass; every invariant holds after it.
func (w *world) step(m *Mover) bool {
	w.t.Helper()
	over := m.Step(context.Background())
	w.invariants()
	w.kafka.c.Advance(time.Second)
	w.now = w.now.Add(time.Second)
	return over
}

// invariants hold at every moment of every run.
func (w *world) invariants() {
	w.t.Helper()
	for _, p := range w.kafka.c.Partitions() {
		s := w.kafka.c.Topics[p.Topic].Partitions[p.Number]
		if len(s.Adding) > 1 {
			w.t.Fatalf("%v has %d replicas in transit: %v", p, len(s.Adding), s.Adding)
		}
	}
}

// finish steps until the run is over.
func (w *world) finish(m *Mover, atMost int) {
	w.t.Helper()
	for range atMost {
		if w.step(m) {
			return
		}
	}
	p, _ := m.Progress(context.Background())
	w.t.Fatalf("not over after %d polls: %+v", atMost, p)
}

// clean checks that nothing is left of a run.
func (w *world) clean() {
	w.t.Helper()
	for id, b := range w.kafka.c.Brokers {
		if b.Leader != 0 || b.Follower != 0 {
			w.t.Errorf("broker %d still has a throttle", id)
		}
	}
	for name, t := range w.kafka.c.Topics {
		if len(t.LeaderThrottled)+len(t.FollowerThrottled) > 0 {
			w.t.Errorf("topic %s still has throttled replicas: %v %v", name, t.LeaderThrottled, t.FollowerThrottled)
		}
		for i, s := range t.Partitions {
			for b := range s.Held {
				if !slices.Contains(s.Replicas, b) {
					w.t.Errorf("%s-%d has a stray replica on broker %d", name, i, b)
				}
			}
			if len(s.Adding)+len(s.Removing) > 0 {
				w.t.Errorf("%s-%d is still reassigning", name, i)
			}
		}
	}
}

func (w *world) saw(kind EventKind, part string) bool {
	for _, e := range w.events {
		if e.Kind == kind && strings.Contains(e.Text, part) {
			return true
		}
	}
	return false
}
