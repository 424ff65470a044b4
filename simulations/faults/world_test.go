package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance/placement"
)

const (
	minBrokers  = 3
	maxBrokers  = 7
	replicaSize = 2e9
	// heldLate is how long after a hold or the end of a window something may still
	// be submitted.
	heldLate = time.Second
	// callTakes is how long a call to another process takes in the world.
	callTakes = 20 * time.Millisecond
)

// world is what is true: a Kafka whose moves take time, a StatefulSet whose pods
// do, and what people and the API server have said.
type world struct {
	rng   *rand.Rand
	now   time.Time
	model *placement.Cluster
	rate  float64 // bytes a second that each partition is given

	want     int               // replicas of the StatefulSet
	upAt     map[int]time.Time // of pods that start
	cordoned map[int]bool
	before   []actuators.Scale // what the API has answered, for when it answers with the past

	policy   policy.Policy // as it stands in the API
	heldAt   time.Time     // when a person held; zero: nobody does
	holdNext bool          // a person holds within the next calls

	stored  operation.State
	version int // of what is stored
	log     map[string][]byte
	owner   string

	leader  *process
	former  []*process // who lost the Lease and does not know it yet
	crash   float64    // chance that a call is a process's last
	stale   float64    // chance that the API answers with the past, or not at all
	calls   int
	broken  []string
	happens map[string]int
	idle    int // rounds in a row without anything in flight
}

func newWorld(seed uint64) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 14)), now: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), model: placement.New("truth"), rate: 1e6,
		want: minBrokers, upAt: map[int]time.Time{}, cordoned: map[int]bool{}, log: map[string][]byte{}, happens: map[string]int{},
	}
	for id := range w.want {
		w.model.AddBroker(id, zone(id), 1e12)
	}
	var lists [][]int
	for i := range 9 {
		lists = append(lists, []int{i % 3, (i + 1) % 3, (i + 2) % 3})
	}
	w.model.AddTopic("t", 2, replicaSize, lists...)
	w.policy = actPolicy()
	return w
}

func zone(id int) string { return string(rune('a' + id%3)) }

func actPolicy() policy.Policy {
	p := policy.Policy{Metadata: policy.Metadata{Name: "faults"}}
	s := &p.Spec
	s.Mode = policy.Act
	s.Brokers = policy.Brokers{
		Target: policy.Target{Kind: "StatefulSet", Name: "kafka"}, Min: minBrokers, Max: maxBrokers,
		Stabilisation: policy.Duration(5 * time.Minute),
	}
	s.Gates.Cooldown = policy.Duration(2 * time.Minute)
	s.Gates.Budget.BrokerActions = 1000
	s.Forecast.Horizon = policy.Duration(10 * time.Minute)
	s.Forecast.History = policy.Duration(time.Hour)
	s.Rebalance.Throttle = "100MB/s"
	return p
}

func (w *world) fail(format string, args ...any) {
	w.broken = append(w.broken, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// holds counts what is on a broker, replicas and what is on its way.
func (w *world) holds(id int) int {
	n := 0
	for _, p := range w.model.Partitions() {
		s := w.model.Topics[p.Topic].Partitions[p.Number]
		if _, held := s.Held[id]; held || slices.Contains(s.Replicas, id) {
			n++
		}
	}
	return n
}

// set is the StatefulSet's new size; person tells who asked.
func (w *world) set(replicas int, person bool) {
	for id := w.want; id < replicas; id++ {
		w.upAt[id] = w.now.Add(time.Duration(20+w.rng.IntN(180)) * time.Second)
	}
	for id := replicas; id < w.want; id++ {
		delete(w.upAt, id)
		if n := w.holds(id); n > 0 {
			w.fail("the pod of broker %d is deleted with %d replicas on it (by a person: %v)", id, n, person)
		}
		if b := w.model.Brokers[id]; b != nil && b.Alive {
			w.model.Kill(id)
		}
	}
	w.want = replicas
	if replicas < minBrokers {
		w.fail("%d brokers are fewer than the minimum", replicas)
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.model.Advance(d)
	for _, id := range slices.Sorted(maps.Keys(w.upAt)) {
		if w.upAt[id].After(w.now) {
			continue
		}
		delete(w.upAt, id)
		if w.model.Brokers[id] != nil {
			w.model.Restart(id) // it was never forgotten
		} else {
			w.model.AddBroker(id, zone(id), 1e12)
		}
	}
}

// left says what is left of moves and drains that are over.
func (w *world) left() (out []string) {
	for id, b := range w.model.Brokers {
		if b.Alive && b.Leader+b.Follower > 0 {
			out = append(out, fmt.Sprintf("a throttle on broker %d", id))
		}
		if b.Alive && w.cordoned[id] {
			out = append(out, fmt.Sprintf("a cordon on broker %d", id))
		}
	}
	for name, t := range w.model.Topics {
		if n := len(t.LeaderThrottled) + len(t.FollowerThrottled); n > 0 {
			out = append(out, fmt.Sprintf("%d throttled replicas of topic %s", n, name))
		}
		for i, s := range t.Partitions {
			if len(s.Adding)+len(s.Removing) > 0 {
				out = append(out, fmt.Sprintf("a reassignment of %s-%d", name, i))
			}
			if len(s.ISR) < 3 || s.Leader < 0 {
				out = append(out, fmt.Sprintf("%s-%d with %d replicas in sync", name, i, len(s.ISR)))
			}
		}
	}
	slices.Sort(out)
	return out
}
