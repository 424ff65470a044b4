package rebalance

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// held says why a partition stays as it is, whatever a plan would gain.
type held int8

const (
	notHeld  held = iota
	excluded      // its topic is
	inFlight      // it is being moved already: a new target would replace the old one
	lost          // no replica of it is live, so there is nothing to copy from
)

type partitionKey struct {
	topic string
	part  int
}

// flying is the partitions that are being moved in a snapshot.
func flying(s cluster.Snapshot) map[partitionKey]bool {
	out := make(map[partitionKey]bool, len(s.Reassignments))
	for _, m := range s.Reassignments {
		out[partitionKey{m.Topic, m.Partition}] = true
	}
	return out
}

// settle shows every partition that is being moved as it will be once that is
// done: during the move Kafka lists the replicas that come beside those that go,
// which is no replication factor. The argument's topics are left as they are.
func settle(s cluster.Snapshot) cluster.Snapshot {
	if len(s.Reassignments) == 0 {
		return s
	}
	known := make(map[int]bool, len(s.Brokers))
	for _, b := range s.Brokers {
		known[b.ID] = true
	}
	moves := make(map[partitionKey]cluster.Reassignment, len(s.Reassignments))
	for _, m := range s.Reassignments {
		moves[partitionKey{m.Topic, m.Partition}] = m
	}
	s.Topics = slices.Clone(s.Topics)
	for ti := range s.Topics {
		t := &s.Topics[ti]
		cloned := false
		for qi := range t.Partitions {
			m, ok := moves[partitionKey{t.Name, t.Partitions[qi].Partition}]
			if !ok {
				continue
			}
			if !cloned {
				t.Partitions, cloned = slices.Clone(t.Partitions), true
			}
			settlePartition(&t.Partitions[qi], m, known)
		}
	}
	return s
}

func settlePartition(q *cluster.Partition, m cluster.Reassignment, known map[int]bool) {
	var then []int
	for _, b := range append(slices.Clone(q.Replicas), m.Adding...) {
		if known[b] && !slices.Contains(m.Removing, b) && !slices.Contains(then, b) {
			then = append(then, b)
		}
	}
	if len(then) == 0 {
		return
	}
	q.Replicas = then
	if q.Leader != cluster.NoLeader && !slices.Contains(then, q.Leader) {
		q.Leader = then[0] // who is elected when the old leader goes
	}
}
