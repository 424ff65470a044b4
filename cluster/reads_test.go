package cluster

import "testing"

// served is four brokers of which two lead everything; RF 2, 1 MB/s in and 6 MB/s
// read of each of eight partitions. Each broker sends what the function says of the
// partitions it leads and follows.
func served(sent func(leads, follows int) BytesPerSecond) Snapshot {
	s := Snapshot{Topics: []Topic{{Name: "t"}}}
	leads, follows := map[int]int{}, map[int]int{}
	for k := range 8 {
		lead, other := 11+k%2, 13+k%2
		leads[lead]++
		follows[other]++
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, Partition{Partition: k, Replicas: []int{lead, other}, Leader: lead,
			Load: Load{BytesInPerSecond: 1e6, BytesOutPerSecond: 6e6}})
	}
	for id := 11; id <= 14; id++ {
		s.Brokers = append(s.Brokers, Broker{ID: id, State: BrokerAlive, Capacity: Capacity{NetworkOutBytesPerSecond: 1e8},
			Usage: &Usage{NetworkOutBytesPerSecond: sent(leads[id], follows[id])}})
	}
	return s
}

func TestReadsAreSharedOverReplicasWhereBrokersWereMeasuredToSendSo(t *testing.T) {
	tests := map[string]struct {
		sent   func(leads, follows int) BytesPerSecond
		shared bool
		each   BytesPerSecond
	}{
		"leaders serve all":      {func(l, f int) BytesPerSecond { return BytesPerSecond(l) * 7e6 }, false, 0},
		"nothing was measured":   {func(l, f int) BytesPerSecond { return 0 }, false, 0},
		"half the reads each":    {func(l, f int) BytesPerSecond { return BytesPerSecond(l)*4e6 + BytesPerSecond(f)*3e6 }, true, 3e6},
		"all is even":            {func(l, f int) BytesPerSecond { return 14e6 }, true, 3.5e6},
		"even, and measured low": {func(l, f int) BytesPerSecond { return 12e6 }, true, 3.5e6},
	}
	for name, tc := range tests {
		s := served(tc.sent)
		before := s.Topics[0].Partitions[0].Load
		given := s.Topics[0].Partitions
		if got := s.ShareReads(); got != tc.shared || s.Topics[0].Partitions[0].Load.FollowerBytesOutPerSecond != tc.each {
			t.Errorf("%s: shared %v, each follower sends %v", name, got, s.Topics[0].Partitions[0].Load.FollowerBytesOutPerSecond)
		}
		if given[0].Load != before {
			t.Errorf("%s: the topics given were changed", name)
		}
		if tc.shared && s.ShareReads() {
			t.Errorf("%s: shared twice", name)
		}
		if hot := Hottest(s.BrokerLoads()); tc.shared && hot.Over > 0.2 {
			t.Errorf("%s: %+v", name, hot)
		}
	}
	s := served(tests["all is even"].sent)
	s.Brokers[2].Usage = nil
	if s.ShareReads() {
		t.Error("one broker was not measured")
	}
}

func TestWhatFollowersSendIsTakenOffTheLeader(t *testing.T) {
	l := Load{BytesInPerSecond: 2, BytesOutPerSecond: 9, FollowerBytesOutPerSecond: 3}
	if got := l.Leader(3).NetworkOut; got != 9+4-6 {
		t.Errorf("the leader sends %v", got)
	}
	if got := l.Leader(3).NetworkOut + 2*l.Follower().NetworkOut; got != l.Replicated(3).NetworkOut || got != 13 {
		t.Errorf("together they send %v", got)
	}
}
