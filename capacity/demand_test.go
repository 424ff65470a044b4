package capacity

import (
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// A reader within what the page cache holds costs the disks nothing; one beyond
// it reads as fast as it was seen to, or as what it follows is written.
func TestReadersBeyondThePageCacheReadFromDisk(t *testing.T) {
	position := func(lag int64, consumed cluster.MessagesPerSecond) cluster.GroupPartition {
		return cluster.GroupPartition{Topic: "orders", Lag: lag, ConsumedPerSecond: consumed}
	}
	s := cluster.Snapshot{
		Brokers: []cluster.Broker{
			{ID: 0, State: cluster.BrokerAlive, Capacity: cluster.Capacity{MemoryBytes: 20e3}},
			{ID: 1, State: cluster.BrokerAlive, Capacity: cluster.Capacity{MemoryBytes: 20e3}},
		},
		Topics: []cluster.Topic{{Name: "orders", Partitions: []cluster.Partition{
			{Replicas: []int{0, 1}, Load: cluster.Load{BytesInPerSecond: 1000, MessagesInPerSecond: 10}},
		}}},
	}
	// 0.5 · 40 kB ÷ 2 kB/s = 10 s, which are 100 records.
	for name, c := range map[string]struct {
		group cluster.Group
		want  cluster.BytesPerSecond
	}{
		"in the cache":           {cluster.Group{Members: 1, Partitions: []cluster.GroupPartition{position(100, 10)}}, 0},
		"beyond it":              {cluster.Group{Members: 1, Partitions: []cluster.GroupPartition{position(101, 30)}}, 3000},
		"beyond it, rate unseen": {cluster.Group{Members: 1, Partitions: []cluster.GroupPartition{position(101, 0)}}, 1000},
		"nobody reads":           {cluster.Group{Partitions: []cluster.GroupPartition{position(101, 0)}}, 0},
	} {
		s.Groups = []cluster.Group{c.group}
		if got := DemandOf(s).Catching; got != c.want {
			t.Errorf("%s: %v is read from disk, want %v", name, got, c.want)
		}
	}
	s.Groups = []cluster.Group{{Members: 1, Partitions: []cluster.GroupPartition{position(1e9, 10)}}}
	s.Brokers[1].Capacity.MemoryBytes = 0
	if got := DemandOf(s).Catching; got != 0 {
		t.Errorf("without knowing the memory %v is read from disk, want nothing", got)
	}
}

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
