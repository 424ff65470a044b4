package rebalance

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

func TestNoReplicaGoesToADirectoryWithoutRoomForIt(t *testing.T) {
	// Broker 2 has 200 GB free in two directories, and the replicas take 150.
	s := layout(0, []string{"", "", ""}, repeat(6, []int{0}, []int{1})...)
	for i := range s.Topics[0].Partitions {
		s.Topics[0].Partitions[i].Load.SizeBytes = 1.5e11
	}
	halves := func(free cluster.Bytes) []cluster.Directory {
		return []cluster.Directory{{Path: "/a", Bytes: 5e11, Free: free, Replicas: 2}, {Path: "/b", Bytes: 5e11, Free: free, Replicas: 2}}
	}
	s.Brokers[2].Directories = halves(1e11)
	if p := mustPlan(t, s, Options{}); p.BytesToMove > 0 {
		t.Errorf("%v move to where nothing fits", p.BytesToMove)
	}
	s.Brokers[2].Directories = halves(4e11)
	if p := mustPlan(t, s, Options{}); p.BytesToMove == 0 {
		t.Error("nothing moves to where it fits")
	}
	// A drain says that it cannot, and does not overfill.
	s.Brokers[2].Directories = halves(1e11)
	s.Brokers[0].Capacity.DiskBytes = 4.6e11
	p := mustPlan(t, s, Options{Remove: []int{1}})
	for _, m := range p.Moves {
		if m.To[0] == 2 {
			t.Errorf("t-%d goes to %v", m.Partition, m.To)
		}
	}
}

func TestNothingGoesToABrokerWithADirectoryOffline(t *testing.T) {
	s := layout(0, []string{"", "", ""}, repeat(6, []int{0}, []int{1})...)
	s.Brokers[2].Directories = []cluster.Directory{{Path: "/a", Bytes: 5e11, Free: 5e11}, {Path: "/b", Offline: true}}
	p := mustPlan(t, s, Options{})
	if len(p.Moves) > 0 || len(p.Warnings) == 0 || !strings.Contains(strings.Join(p.Warnings, ";"), "/b of broker 2 is offline") {
		t.Errorf("%d moves, and %q", len(p.Moves), p.Warnings)
	}
}
