package rebalance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// layout makes a cluster of equal brokers, one for each zone named, with ids from
// first, and one topic with these replicas; 10 GB and 1 MB/s a partition.
func layout(first int, zones []string, replicas ...[]int) cluster.Snapshot {
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, ClusterID: "layout"}
	for k, z := range zones {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: first + k, Zone: z, State: cluster.BrokerAlive, Capacity: cluster.Capacity{
			CPUCores: 4, NetworkInBytesPerSecond: 5e8, NetworkOutBytesPerSecond: 5e8, DiskBytes: 1e12}})
	}
	t := cluster.Topic{Name: "t", Config: map[string]string{"min.insync.replicas": "2"}}
	for i, r := range replicas {
		t.Partitions = append(t.Partitions, cluster.Partition{Partition: i, Replicas: r, ISR: slices.Clone(r), Leader: r[0],
			Load: cluster.Load{BytesInPerSecond: 1e6, BytesOutPerSecond: 2e6, LeaderCPUCores: 0.05, FollowerCPUCores: 0.02, SizeBytes: 1e10}})
	}
	s.Topics = []cluster.Topic{t}
	return s
}

func movesOf(p Plan, partition int) []int {
	for _, m := range p.Moves {
		if m.Partition == partition {
			return m.To
		}
	}
	return nil
}

func says(lines []string, words ...string) bool {
	return slices.ContainsFunc(lines, func(l string) bool {
		for _, w := range words {
			if !strings.Contains(l, w) {
				return false
			}
		}
		return true
	})
}

func repeat(n int, replicas ...[]int) [][]int {
	var out [][]int
	for k := range n {
		out = append(out, slices.Clone(replicas[k%len(replicas)]))
	}
	return out
}

func TestAPartitionBeingMovedIsLeftAloneAndKeepsItsReplicationFactor(t *testing.T) {
	reps := repeat(9, []int{7, 8, 9}, []int{8, 9, 7}, []int{9, 7, 8})
	reps[4] = []int{10, 7, 8, 9}
	s := layout(7, []string{"a", "b", "c", "a", "b", "c"}, reps...)
	s.Topics[0].Partitions[4].ISR, s.Topics[0].Partitions[4].Leader = []int{7, 8, 9}, 7
	s.Reassignments = []cluster.Reassignment{{Topic: "t", Partition: 4, Replicas: reps[4], Adding: []int{10}, Removing: []int{7}}}
	p := mustPlan(t, s, Options{})
	if to := movesOf(p, 4); to != nil {
		t.Errorf("the partition that is being moved goes to %v", to)
	}
	if len(p.Moves) == 0 {
		t.Error("nothing else moves")
	}
	for _, m := range p.Moves {
		if len(m.To) != 3 {
			t.Errorf("t-%d gets %d replicas", m.Partition, len(m.To))
		}
	}
	if !says(p.Warnings, "being moved already", "t-4") || says(p.Warnings, "different replication factors") {
		t.Errorf("the plan says %q", p.Warnings)
	}
	// Who leaves waits for the move that is on its way to it.
	p = mustPlan(t, s, Options{Remove: []int{10}})
	if len(p.Violations) != 1 || p.Violations[0].Constraint != RuleInFlight || movesOf(p, 4) != nil {
		t.Errorf("removing its destination: %+v", p.Violations)
	}
	p = mustPlan(t, s, Options{ReplicationFactors: []ReplicationFactor{{regexp.MustCompile("^t$"), 2}}})
	if movesOf(p, 4) != nil || len(movesOf(p, 0)) != 2 {
		t.Errorf("another replication factor: %v and %v", movesOf(p, 4), movesOf(p, 0))
	}
}

func TestNoZoneHoldsMoreOfAPartitionThanItMust(t *testing.T) {
	// Four brokers here and two there: room alone would draw three replicas of four
	// to the larger zone.
	s := layout(30, []string{"a", "a", "a", "a", "b", "b"},
		repeat(16, []int{30, 31, 34, 35}, []int{34, 32, 35, 33}, []int{31, 34, 35, 33})...)
	for _, q := range carryOut(s, mustPlan(t, s, Options{})).Topics[0].Partitions {
		if left := leftAfterLoss(s, q.Replicas); left < 2 {
			t.Errorf("t-%d on %v: the loss of a zone leaves %d", q.Partition, q.Replicas, left)
		}
	}
	// Three and one is mended, and a zone of one broker holds one.
	q := &s.Topics[0].Partitions[3]
	q.Replicas, q.ISR = []int{30, 31, 32, 34}, []int{30, 31, 32, 34}
	p := mustPlan(t, s, Options{})
	if to := movesOf(p, 3); to == nil || leftAfterLoss(s, to) != 2 || p.LowerBounds.ZoneRepairBytes != 1e10 {
		t.Errorf("three in a zone go to %v; %v must move", to, p.LowerBounds.ZoneRepairBytes)
	}
	small := layout(30, []string{"a", "a", "a", "b"}, repeat(4, []int{30, 31, 32, 33})...)
	if p := mustPlan(t, small, Options{}); len(p.Violations) > 0 || p.LowerBounds.ForcedBytes > 0 {
		t.Errorf("a zone with one broker: %+v", p.Violations)
	}
}

// leftAfterLoss is how many replicas are left when the zone is lost that hurts
// most. Brokers without a zone are lost with none.
func leftAfterLoss(s cluster.Snapshot, replicas []int) int {
	in, alive := map[string]int{}, 0
	for _, b := range s.Brokers {
		if b.State == cluster.BrokerAlive && slices.Contains(replicas, b.ID) {
			alive++
			if b.Zone != "" {
				in[b.Zone]++
			}
		}
	}
	worst := 0
	for _, n := range in {
		worst = max(worst, n)
	}
	return alive - worst
}

func TestAnUnknownZoneForcesNothing(t *testing.T) {
	s := layout(0, []string{"a", "b", "c", "", "", ""},
		repeat(12, []int{0, 1, 2}, []int{1, 2, 3}, []int{2, 3, 4}, []int{3, 4, 5}, []int{4, 5, 0}, []int{5, 0, 1})...)
	p := mustPlan(t, s, Options{})
	if p.LowerBounds.ForcedBytes > 0 || p.BytesToMove > 0 {
		t.Errorf("%v are forced, %v move", p.LowerBounds.ForcedBytes, p.BytesToMove)
	}
	if !says(p.Warnings, "brokers 3, 4, 5", "broker.rack") {
		t.Errorf("the plan says %q", p.Warnings)
	}
	// Crowded brokers give replicas away, but never a zone that is known.
	s = layout(0, []string{"a", "b", "", ""}, repeat(12, []int{0, 1}, []int{1, 0}, []int{2, 3})...)
	p = mustPlan(t, s, Options{})
	for _, m := range p.Moves {
		if leftAfterLoss(s, m.To) < leftAfterLoss(s, m.From) {
			t.Errorf("t-%d: %v to %v", m.Partition, m.From, m.To)
		}
	}
	// Nobody's zone is known: that is one place, and nothing to say.
	s = layout(0, []string{"", "", "", ""}, repeat(12, []int{0, 1})...)
	if p = mustPlan(t, s, Options{}); len(p.Moves) == 0 || len(p.Warnings) > 0 {
		t.Errorf("%d moves, and %q", len(p.Moves), p.Warnings)
	}
}

func TestAZoneWithoutRoomIsNamed(t *testing.T) {
	s := layout(0, []string{"x", "x", "y", "y", "z"}, repeat(20, []int{0, 2, 4}, []int{1, 3, 4})...)
	s.Brokers[4].Capacity.DiskBytes = 1.5e11
	p := mustPlan(t, s, Options{})
	if len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Remedy, "zone z needs a broker") {
		t.Errorf("got %+v", p.Violations)
	}
}

func TestAPartitionWithoutALiveReplicaIsNotMended(t *testing.T) {
	s := layout(0, []string{"", "", ""}, []int{0, 1}, []int{1, 2}, []int{2, 0}, []int{2})
	s.Brokers[2].State = cluster.BrokerDead
	leaveDead(s)
	p := mustPlan(t, s, Options{})
	if movesOf(p, 3) != nil || movesOf(p, 1) == nil || movesOf(p, 2) == nil {
		t.Errorf("got %+v", p.Moves)
	}
	if len(p.Violations) != 1 || p.Violations[0].Constraint != RuleLive || p.Violations[0].Partitions[0] != "t-3" {
		t.Errorf("got %+v", p.Violations)
	}
	if p.LowerBounds.ForcedBytes != 2e10 {
		t.Errorf("%v must move; the lost one cannot", p.LowerBounds.ForcedBytes)
	}
	if !strings.Contains(p.Warnings[0], "min.insync.replicas") || !says(p.Warnings, "different replication factors", "[t]") {
		t.Errorf("the plan says %q", p.Warnings)
	}
}

func TestAnUnknownCapacityOfOneBrokerStopsNoPlan(t *testing.T) {
	forget := map[string]func(*cluster.Capacity){
		"disk":       func(c *cluster.Capacity) { c.DiskBytes = 0 },
		"cpu":        func(c *cluster.Capacity) { c.CPUCores = 0 },
		"networkOut": func(c *cluster.Capacity) { c.NetworkOutBytesPerSecond = 0 },
	}
	zones := []string{"a", "b", "c", "a", "b", "c"}
	even := repeat(12, []int{0, 1, 2}, []int{3, 4, 5}, []int{1, 2, 0}, []int{4, 5, 3}, []int{2, 0, 1}, []int{5, 3, 4})
	for what, f := range forget {
		t.Run(what, func(t *testing.T) {
			s := layout(0, zones, repeat(12, []int{0, 1, 2}, []int{1, 2, 0}, []int{2, 0, 1})...)
			f(&s.Brokers[4].Capacity)
			p := mustPlan(t, s, Options{})
			if !says(p.Warnings, "broker 4", what) {
				t.Errorf("the plan says %q", p.Warnings)
			}
			for _, b := range p.Brokers {
				if b.UsedAfter["replicas"] < 5 || b.UsedAfter["replicas"] > 7 {
					t.Errorf("broker %d ends with %v replicas", b.ID, b.UsedAfter["replicas"])
				}
			}
			if _, there := p.Brokers[4].UsedAfter[what]; there {
				t.Error("the unknown utilisation is told")
			}
			// What is even stays, whatever size the unknown one is.
			s = layout(0, zones, even...)
			f(&s.Brokers[1].Capacity)
			if p := mustPlan(t, s, Options{}); len(p.Moves) > 0 {
				t.Errorf("an even cluster moves %v for an unknown figure", p.BytesToMove)
			}
		})
	}
}

func TestAnUnknownDiskIsNotFilledBeyondTheSmallestKnown(t *testing.T) {
	s := layout(0, []string{"", "", ""}, repeat(30, []int{0}, []int{1})...)
	s.Brokers[0].Capacity.DiskBytes, s.Brokers[1].Capacity.DiskBytes, s.Brokers[2].Capacity.DiskBytes = 1e12, 5e10, 0
	for i := range s.Brokers {
		s.Brokers[i].Capacity.NetworkInBytesPerSecond = 0
	}
	p := mustPlan(t, s, Options{})
	if got := p.Brokers[2].UsedAfter["replicas"]; got > 5 {
		t.Errorf("a disk of unknown size gets %v replicas of 10 GB; the smallest known one holds five", got)
	}
}

func TestANewBrokerJoinsAZoneThatHasAName(t *testing.T) {
	s := layout(0, []string{"a", "a", "b", ""}, []int{0, 2})
	got := likeMost(s.Brokers, NewBroker{ID: 9})
	if got.Zone != "b" {
		t.Errorf("it joins %q", got.Zone)
	}
	for i := range s.Brokers {
		s.Brokers[i].Capacity.CPUCores = 0
	}
	if got := likeMost(s.Brokers, NewBroker{ID: 9}).Zone; got != "b" {
		t.Errorf("without a figure for CPU it joins %q", got)
	}
	if got := fmt.Sprint(likeMost(layout(0, []string{"", ""}).Brokers, NewBroker{ID: 9}).Zone); got != "" {
		t.Errorf("without zones it joins %q", got)
	}
}

func TestBrokersOfTwoSizesThatAreEvenlyFullStayAsTheyAre(t *testing.T) {
	// The large ones have four times the disk and as many cores: they hold four times
	// as much, and the little traffic there is goes where the data is.
	var reps [][]int
	for range 4 {
		reps = append(reps, []int{0, 1, 2}, []int{3, 4, 5}, []int{4, 5, 3}, []int{5, 3, 4}, []int{3, 4, 5})
	}
	s := layout(0, []string{"a", "b", "c", "a", "b", "c"}, reps...)
	for i := range s.Brokers {
		s.Brokers[i].Capacity.DiskBytes = 8e10
		if i >= 3 {
			s.Brokers[i].Capacity.DiskBytes = 3.2e11
		}
	}
	p := mustPlan(t, s, Options{})
	for _, b := range p.Brokers {
		if b.UsedAfter["disk"] != 0.5 {
			t.Errorf("broker %d has its disk filled to %v", b.ID, b.UsedAfter["disk"])
		}
	}
	if p.ReplicaMoves > 2 {
		t.Errorf("%v move: disks go from %+v to %+v", p.BytesToMove, p.Before.Resources["disk"], p.After.Resources["disk"])
	}
}

func TestLeadersStayWhereFollowersServeWhatIsRead(t *testing.T) {
	s := layout(0, []string{"a", "b", "c", "a", "b", "c"}, repeat(12, []int{0, 1, 2}, []int{3, 4, 5})...)
	for i := range s.Topics[0].Partitions {
		s.Topics[0].Partitions[i].Load.LeaderCPUCores = 0.02
	}
	if p := mustPlan(t, s, Options{}); p.LeaderMoves == 0 {
		t.Fatal("no leader moves where nothing was measured")
	}
	for i := range s.Brokers {
		s.Brokers[i].Usage = &cluster.Usage{NetworkOutBytesPerSecond: 7.5e6}
	}
	p := mustPlan(t, s, Options{})
	if p.LeaderMoves > 0 || len(p.Moves) > 0 || !says(p.Warnings, "fetch from followers") {
		t.Errorf("%d leaders move; the plan says %q", p.LeaderMoves, p.Warnings)
	}
}

func TestAnIdleTopicOnFewBrokersIsSpread(t *testing.T) {
	zones := []string{"a", "b", "c", "a", "b", "c", "a", "b", "c", "a", "b", "c"}
	// 16 busy partitions even over all; 8 idle ones on the first three brokers, and
	// 24 of another idle topic on the others, so that every count is even.
	var busy [][]int
	for k := range 16 {
		first := 3 * (k % 4)
		busy = append(busy, []int{first + k/4%3, first + (k/4+1)%3, first + (k/4+2)%3})
	}
	s := layout(0, zones, busy...)
	idle := func(name string, reps [][]int) cluster.Topic {
		topic := cluster.Topic{Name: name}
		for i, r := range reps {
			topic.Partitions = append(topic.Partitions, cluster.Partition{Partition: i, Replicas: r, ISR: r, Leader: r[0]})
		}
		return topic
	}
	few := repeat(8, []int{0, 1, 2}, []int{1, 2, 0}, []int{2, 0, 1})
	others := repeat(24, []int{3, 4, 5}, []int{6, 7, 8}, []int{9, 10, 11}, []int{4, 5, 3}, []int{7, 8, 6}, []int{10, 11, 9})
	s.Topics = append(s.Topics, idle("few", few), idle("others", others))
	p := mustPlan(t, s, Options{})
	on := map[string]map[int]int{"few": {}, "others": {}}
	after := carryOut(s, p)
	for _, topic := range after.Topics[1:] {
		for _, q := range topic.Partitions {
			for _, b := range q.Replicas {
				on[topic.Name][b]++
			}
		}
	}
	for b := range zones {
		if on["few"][b] != 2 || on["others"][b] != 6 {
			t.Errorf("broker %d holds %d and %d of the idle topics, want 2 and 6", b, on["few"][b], on["others"][b])
		}
	}
	if p.BytesToMove > 0 || p.After.ImbalancePoints > p.Before.ImbalancePoints+1e-9 {
		t.Errorf("%v move, and the imbalance goes from %v to %v", p.BytesToMove, p.Before.ImbalancePoints, p.After.ImbalancePoints)
	}
	if again := mustPlan(t, after, Options{}); len(again.Moves) > 0 {
		t.Errorf("%d partitions move again", len(again.Moves))
	}
	for _, m := range mistakesOf(s, p) {
		t.Error(m)
	}
}

func TestWithoutAnyTrafficNoTopicIsTakenToBeIdle(t *testing.T) {
	s := layout(0, []string{"", "", "", ""}, repeat(8, []int{0, 1}, []int{1, 0})...)
	s.Topics = append(s.Topics, cluster.Topic{Name: "other", Partitions: slices.Clone(s.Topics[0].Partitions)})
	for ti := range s.Topics {
		for i := range s.Topics[ti].Partitions {
			q := &s.Topics[ti].Partitions[i]
			q.Load = cluster.Load{}
			if ti == 1 {
				q.Replicas, q.ISR, q.Leader = []int{2 + i%2, 3 - i%2}, []int{2, 3}, 2+i%2
			}
		}
	}
	if p := mustPlan(t, s, Options{}); len(p.Moves) > 0 {
		t.Errorf("%d partitions move", len(p.Moves))
	}
}
