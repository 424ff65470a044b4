package capacity

import (
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

func TestAReplicaOnItsWayIsNoDemand(t *testing.T) {
	s := cluster.Snapshot{
		Topics: []cluster.Topic{{Name: "orders", Partitions: []cluster.Partition{
			{Partition: 0, Replicas: []int{0, 1, 2}, Load: cluster.Load{BytesInPerSecond: 100}},
			{Partition: 1, Replicas: []int{3, 0, 1, 2}, Load: cluster.Load{BytesInPerSecond: 100}},
		}}},
		Reassignments: []cluster.Reassignment{{Topic: "orders", Partition: 1, Replicas: []int{3, 0, 1, 2}, Adding: []int{3}, Removing: []int{2}}},
	}
	d := DemandOf(s)
	if d.MaxRF != 3 || d.Replicas != 6 || d.Replicated != 600 {
		t.Errorf("in mid-move: RF %d, %d replicas, %v replicated; want 3, 6 and 600", d.MaxRF, d.Replicas, d.Replicated)
	}
	// The list was read a moment too late: the move had ended.
	s.Reassignments = nil
	if d := DemandOf(s); d.MaxRF != 3 {
		t.Errorf("just after a move: RF %d, want 3", d.MaxRF)
	}
}
