package cluster

import (
	"math"
	"testing"
)

// twoSizes is a cluster of a large and two small brokers whose leaders carry
// the given bytes a second.
func twoSizes(large, small, otherSmall BytesPerSecond) Snapshot {
	s := Snapshot{Topics: []Topic{{Name: "t"}}}
	for id, in := range []BytesPerSecond{large, small, otherSmall} {
		capacity := BytesPerSecond(100)
		if id == 0 {
			capacity = 200
		}
		s.Brokers = append(s.Brokers, Broker{ID: id, State: BrokerAlive, Capacity: Capacity{NetworkInBytesPerSecond: capacity}})
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, Partition{Partition: id, Replicas: []int{id}, Leader: id,
			Load: Load{BytesInPerSecond: in}})
	}
	return s
}

func TestAHotSpotIsMeasuredAgainstTheBrokersOwnCapacity(t *testing.T) {
	even := twoSizes(100, 50, 50)
	if hot := Hottest(even.BrokerLoads()); hot.Over > 1e-9 {
		t.Errorf("every broker is half full, and %+v is told", hot)
	}
	uneven := twoSizes(80, 80, 40) // together 200 of 400
	hot := Hottest(uneven.BrokerLoads())
	if hot.ID != 1 || hot.Resource != NetworkIn || math.Abs(hot.Over-0.6) > 1e-9 {
		t.Errorf("%+v; want broker 1, 80 %% full where all are half full", hot)
	}
	if u, ok := Utilisation(uneven.BrokerLoads(), NetworkIn); !ok || u != 0.5 {
		t.Errorf("the cluster is %v full (%v), want half", u, ok)
	}
}

func TestBrokersOfUnknownCapacityAreTakenToBeAlike(t *testing.T) {
	s := twoSizes(90, 30, 30)
	for i := range s.Brokers {
		s.Brokers[i].Capacity = Capacity{}
	}
	if hot := Hottest(s.BrokerLoads()); hot.ID != 0 || math.Abs(hot.Over-0.8) > 1e-9 {
		t.Errorf("%+v; want broker 0, 80 %% above the mean", hot)
	}
	s.Brokers[1].Capacity.NetworkInBytesPerSecond = 100
	if hot := Hottest(s.BrokerLoads()); hot.Over > 1e-9 {
		t.Errorf("%+v is told of the one broker whose capacity is known", hot)
	}
}

func TestABrokerThatIsDownIsNoHotSpot(t *testing.T) {
	s := twoSizes(100, 90, 10)
	s.Brokers[1].State = BrokerFenced
	if hot := Hottest(s.BrokerLoads()); hot.ID == 1 {
		t.Errorf("%+v is fenced", hot)
	}
}

func TestWhatIsHardlyUsedOrCannotBeEvenerIsNoHotSpot(t *testing.T) {
	// Disks are half full everywhere; of the network, one broker uses three times its
	// share, and that is a thousandth of what it has.
	s := Snapshot{Topics: []Topic{{Name: "t"}}}
	for id := range 4 {
		s.Brokers = append(s.Brokers, Broker{ID: id, State: BrokerAlive, Capacity: Capacity{NetworkInBytesPerSecond: 1e9, DiskBytes: 100}})
		for k := range 5 {
			l := Load{SizeBytes: 10}
			if id == 0 {
				l.BytesInPerSecond = 2e5
			}
			s.Topics[0].Partitions = append(s.Topics[0].Partitions, Partition{Partition: 5*id + k, Replicas: []int{id}, Leader: id, Load: l})
		}
	}
	if hot := Hottest(s.BrokerLoads()); hot.Over > 0.05 {
		t.Errorf("%+v", hot)
	}
	// The same on a network of the size of the load is hot.
	for i := range s.Brokers {
		s.Brokers[i].Capacity.NetworkInBytesPerSecond = 1e6
	}
	if hot := Hottest(s.BrokerLoads()); hot.ID != 0 || hot.Over < 2 {
		t.Errorf("%+v", hot)
	}
	// Three parts where the fair share is two and a half.
	s = Snapshot{Topics: []Topic{{Name: "t"}}}
	for id := range 2 {
		s.Brokers = append(s.Brokers, Broker{ID: id, State: BrokerAlive, Capacity: Capacity{DiskBytes: 100}})
		for k := range 3 - id {
			s.Topics[0].Partitions = append(s.Topics[0].Partitions, Partition{Partition: 3*id + k, Replicas: []int{id}, Leader: id,
				Load: Load{SizeBytes: 10}})
		}
	}
	if hot := Hottest(s.BrokerLoads()); hot.Over > 0 {
		t.Errorf("%+v cannot be evener", hot)
	}
}
