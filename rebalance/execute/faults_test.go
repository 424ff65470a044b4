package execute

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/placement"
)

func TestDestinationKilledIsWaitedForAndThenReplaced(t *testing.T) {
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprintf("comes back: %v", back), func(t *testing.T) {
			w := newWorld(t, placement.SixBrokers())
			w.tune = func(c *Config) { c.Grace = 30 * time.Second }
			w.kafka.c.AddBroker(6, "a", 100e9)
			moves := w.kafka.c.Spread()
			m := w.mover()
			w.start(m, moves, Options{})
			for range 5 {
				w.step(m)
			}
			w.kafka.c.Kill(3)
			for range 10 {
				w.step(m)
			}
			if !w.saw("hold", "broker 3 is down") {
				t.Errorf("it did not say that it waits: %v", w.events)
			}
			if back {
				w.kafka.c.Restart(3)
			}
			w.finish(m, 600)
			if back {
				w.arrived(moves)
			} else if !w.saw("replan", "broker 3 is gone") {
				t.Errorf("it did not say that it planned again: %v", w.events)
			}
			for i, s := range w.kafka.c.Topics["hot"].Partitions {
				if len(s.Replicas) != 3 {
					t.Errorf("hot-%d is on %v", i, s.Replicas)
				}
			}
		})
	}
}

func TestDeadSourceIsHealed(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	for range 5 {
		w.step(m)
	}
	w.kafka.c.Kill(0)
	w.finish(m, 600)
	w.arrived(moves)
}

func TestTopicDeletedRecreatedAndGrownInMidMove(t *testing.T) {
	c := placement.SixBrokers()
	c.AddTopic("gone", 2, 200e6, []int{0, 1, 2})
	c.AddTopic("again", 2, 200e6, []int{0, 1, 2})
	w := newWorld(t, c)
	moves := append(c.Spread(),
		cluster.Move{Topic: "gone", Partition: 0, To: []int{3, 4, 5}},
		cluster.Move{Topic: "again", Partition: 0, To: []int{3, 4, 5}})
	m := w.mover()
	w.start(m, moves, Options{})
	w.step(m)
	w.step(m)
	delete(c.Topics, "gone")
	delete(c.Topics, "again")
	c.AddTopic("again", 2, 1e6, []int{2, 1, 0})
	c.Grow("hot", 1e6, []int{0, 1, 2})
	w.finish(m, 600)
	w.arrived(moves[:len(moves)-2])
	w.clean()
	if s := w.state("again", 0); !slices.Equal(s.Replicas, []int{2, 1, 0}) {
		t.Errorf("the recreated topic was moved to %v", s.Replicas)
	}
	if !w.saw("drop", "deleted and created again") || !w.saw("drop", "topic was deleted") {
		t.Errorf("events %v", w.events)
	}
}

func TestForeignReassignmentHoldsNewBatches(t *testing.T) {
	c := placement.SixBrokers()
	c.AddTopic("other", 2, 300e6, []int{0, 1, 2})
	w := newWorld(t, c)
	moves := c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	w.step(m)
	c.Link = 10e6
	if err := c.Reassign(placement.Partition{Topic: "other", Number: 0}, []int{0, 1, 5}, false); err != nil {
		t.Fatal(err)
	}
	w.step(m)
	sent, elected := len(w.kafka.requests), w.kafka.elected
	for range 15 {
		w.step(m)
	}
	p, _ := m.Progress(context.Background())
	if len(w.kafka.requests) > sent || w.kafka.elected > elected {
		t.Errorf("%d requests and %d elections beside a foreign reassignment", len(w.kafka.requests)-sent, w.kafka.elected-elected)
	}
	if !slices.Contains([]rebalance.State{rebalance.Holding, rebalance.Moving}, p.State) || p.Why == "" {
		t.Errorf("progress %+v", p)
	}
	if !w.saw("hold", "another tool's reassignment is in flight: other-0: nothing new begins") {
		t.Errorf("it does not say that it holds: %v", w.events)
	}
	w.finish(m, 600)
	if !w.saw("hold", "going on: it is over that another tool's") {
		t.Errorf("it does not say that it goes on: %v", w.events)
	}
	w.arrived(moves)
	w.clean()
}

func TestForeignMoveOfOurPartitionIsLeftAlone(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	w.kafka.c.AddBroker(6, "a", 100e9)
	if err := w.kafka.c.Reassign(placement.Partition{Topic: "hot", Number: 1}, []int{6, 2, 0}, false); err != nil {
		t.Fatal(err)
	}
	w.finish(m, 600)
	if s := w.state("hot", 1); !slices.Equal(s.Replicas, []int{6, 2, 0}) {
		t.Errorf("the other tool's placement became %v", s.Replicas)
	}
	if !w.saw("drop", "somebody else moved it") {
		t.Errorf("events %v", w.events)
	}
	w.arrived(moves[1:])
	w.clean()
}

func TestThrottleRemovedByHandHoldsAndIsSetAgain(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	w.tune = func(c *Config) { c.RestoreAfter = 10 * time.Second }
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	for range 3 {
		w.step(m)
	}
	w.kafka.c.Brokers[3].Follower = 0
	w.kafka.c.Link = 11e6 // what is in flight runs on without a throttle
	sent := len(w.kafka.requests)
	for range 8 {
		w.step(m)
		if w.kafka.c.Brokers[3].Follower != 0 {
			t.Fatal("the throttle was set again at once")
		}
	}
	if got := len(w.kafka.requests); got > sent+2 {
		t.Errorf("%d requests while holding", got-sent)
	}
	if !w.saw("hold", "somebody removed or changed") {
		t.Errorf("events %v", w.events)
	}
	for range 6 {
		w.step(m)
	}
	if w.kafka.c.Brokers[3].Follower == 0 {
		t.Error("the throttle was not set again")
	}
	w.finish(m, 600)
	w.arrived(moves)
	w.clean()
}

func TestThrottlesOfOthersStay(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	w.step(m)
	foreign := placement.Replica{Partition: placement.Partition{Topic: "hot", Number: 0}, Broker: 9}
	w.kafka.c.Topics["hot"].LeaderThrottled[foreign] = true
	w.finish(m, 600)
	if !w.kafka.c.Topics["hot"].LeaderThrottled[foreign] {
		t.Error("an entry of somebody else was removed")
	}
	delete(w.kafka.c.Topics["hot"].LeaderThrottled, foreign)
	w.clean()
}

func TestNewTargetThatCouldNotBeWrittenDownIsWrittenBeforeItTakesEffect(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	w.tune = func(c *Config) { c.Grace = 5 * time.Second }
	w.kafka.c.AddBroker(6, "a", 100e9)
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	w.step(m)
	w.kafka.c.Kill(3)
	for range 20 {
		if w.saw(EventReplan, "") {
			break
		}
		w.log.fail = errors.New("the state topic has no leader")
		w.step(m)
	}
	w.log.fail = nil
	w.step(m)
	written, _, err := decodeState(w.log.kv)
	if err != nil {
		t.Fatal(err)
	}
	if !w.saw(EventReplan, "") || !reflect.DeepEqual(written.Moves, m.run.Moves) {
		t.Errorf("written down is %v, and carried out is %v", written.Moves, m.run.Moves)
	}
	w.finish(m, 600)
}
