package controller

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// A rebalance makes brokers work harder, and that is no load: it made "the load
// needs 21" of one that needed 12, and a scale-out. While rates still have the moves
// in them the cores are what the traffic cost before.
func TestMovesOfItsOwnAreNoLoad(t *testing.T) {
	now := time.Date(2026, 3, 2, 16, 50, 0, 0, time.UTC)
	snap := func(cores, in float64, moving bool) cluster.Snapshot {
		s := cluster.Snapshot{Topics: []cluster.Topic{{Name: "orders"}}}
		for id := range 3 {
			s.Brokers = append(s.Brokers, cluster.Broker{ID: id, State: cluster.BrokerAlive,
				Usage: &cluster.Usage{CPUCores: cluster.Cores(cores)}})
			s.Topics[0].Partitions = append(s.Topics[0].Partitions, cluster.Partition{
				Partition: id, Replicas: []int{id, (id + 1) % 3}, ISR: []int{id, (id + 1) % 3}, Leader: id,
				Load: cluster.Load{BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(in)},
			})
		}
		if moving {
			s.Reassignments = []cluster.Reassignment{{Topic: "orders", Partition: 0, Replicas: []int{0, 1, 2}, Adding: []int{2}}}
		}
		return s
	}
	var s still
	before := s.demand(now, snap(2, 1e7, false)).CPU
	for _, x := range []struct {
		after        time.Duration
		cores, in    float64
		moving       bool
		least, atMax float64
	}{
		{time.Minute, 4, 1e7, true, 1, 1},             // the move, not the load
		{2 * time.Minute, 4, 1.5e7, true, 1.45, 1.55}, // the load rises meanwhile
		{5 * time.Minute, 4, 1e7, false, 1, 1},        // over, and the rates do not know it yet
		{2 * time.Minute, 1.5, 1e7, true, 0.75, 0.75}, // never more than was measured
		{20 * time.Minute, 4, 1e7, false, 2, 2},       // this is the load
	} {
		got := float64(s.demand(now.Add(x.after), snap(x.cores, x.in, x.moving)).CPU / before)
		if got < x.least*0.999 || got > x.atMax*1.001 {
			t.Errorf("after %s with %g cores a broker: %.3f times the cores of before, want %g to %g", x.after, x.cores, got, x.least, x.atMax)
		}
	}
}
