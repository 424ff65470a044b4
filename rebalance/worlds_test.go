package rebalance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// world is a small cluster as it might be anywhere: ids from anywhere, zones of any
// size or none, brokers of several sizes, some figures unknown, brokers that are
// fenced, draining or dead, replication factors that differ within a topic, and
// partitions in the middle of a move.
func world(seed uint64) cluster.Snapshot {
	rng := rand.New(rand.NewPCG(seed, 13))
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, ClusterID: fmt.Sprint("world-", seed)}
	zones, halfKnown := rng.IntN(5), rng.IntN(4) == 0
	for _, id := range rng.Perm(200)[:3+rng.IntN(8)] {
		b := cluster.Broker{ID: id + 100*rng.IntN(2)*1000, State: cluster.BrokerAlive}
		if zones > 0 && !(halfKnown && rng.IntN(2) == 0) {
			b.Zone = string(rune('a' + min(rng.IntN(zones), rng.IntN(zones)))) // zones of unequal size
		}
		size := []float64{1, 1, 1, 2, 4}[rng.IntN(5)]
		b.Capacity = cluster.Capacity{CPUCores: cluster.Cores(4 * size), NetworkInBytesPerSecond: cluster.BytesPerSecond(1e8 * size),
			NetworkOutBytesPerSecond: cluster.BytesPerSecond(2e8 * size), DiskBytes: cluster.Bytes(1e12 * size)}
		s.Brokers = append(s.Brokers, b)
	}
	for t := range 1 + rng.IntN(4) {
		s.Topics = append(s.Topics, worldTopic(rng, &s, t))
	}
	for k := range s.Brokers[1:] {
		b := &s.Brokers[k+1]
		switch rng.IntN(12) {
		case 0:
			b.State = cluster.BrokerDraining
		case 1:
			b.State = cluster.BrokerDead
		case 2:
			b.State = cluster.BrokerFenced
		}
		forget(rng, b)
	}
	leaveDead(s)
	return s
}

// forget makes a figure of a broker unknown, now and then.
func forget(rng *rand.Rand, b *cluster.Broker) {
	switch rng.IntN(12) {
	case 0:
		b.Capacity.DiskBytes = 0
	case 1:
		b.Capacity.CPUCores = 0
	case 2:
		b.Capacity.NetworkInBytesPerSecond, b.Capacity.NetworkOutBytesPerSecond = 0, 0
	}
}

func worldTopic(rng *rand.Rand, s *cluster.Snapshot, t int) cluster.Topic {
	out := cluster.Topic{Name: fmt.Sprint("t", t), Config: map[string]string{"min.insync.replicas": "2"}}
	rf := 1 + rng.IntN(min(5, len(s.Brokers)))
	some := 2 + rng.IntN(len(s.Brokers)-1) // the topic lies on so many brokers
	for i := range 1 + rng.IntN(12) {
		n := min(rf, some)
		if rng.IntN(10) == 0 {
			n = 1 + rng.IntN(some)
		}
		var reps []int
		for _, b := range rng.Perm(some)[:n] {
			reps = append(reps, s.Brokers[b].ID)
		}
		p := cluster.Partition{Partition: i, Replicas: reps, ISR: slices.Clone(reps), Leader: reps[rng.IntN(n)], Load: cluster.Load{
			BytesInPerSecond: cluster.BytesPerSecond(rng.IntN(3e6)), BytesOutPerSecond: cluster.BytesPerSecond(rng.IntN(6e6)),
			LeaderCPUCores: cluster.Cores(0.1 * rng.Float64()), FollowerCPUCores: cluster.Cores(0.03 * rng.Float64()),
			SizeBytes: cluster.Bytes(rng.IntN(4e10))}}
		if rng.IntN(8) == 0 {
			p.Load = cluster.Load{}
		}
		if n < len(s.Brokers) && rng.IntN(8) == 0 { // one comes, and one goes or none
			from := reps[rng.IntN(n)]
			for _, b := range s.Brokers {
				if !slices.Contains(reps, b.ID) {
					m := cluster.Reassignment{Topic: out.Name, Partition: i, Adding: []int{b.ID}}
					if rng.IntN(3) > 0 {
						m.Removing = []int{from}
					}
					p.Replicas = append([]int{b.ID}, reps...)
					m.Replicas = p.Replicas
					s.Reassignments = append(s.Reassignments, m)
					break
				}
			}
		}
		out.Partitions = append(out.Partitions, p)
	}
	return out
}

// leftOf is how many replicas are left when the zone is lost that hurts most, as far
// as zones are known; brokers that are fenced come back.
func leftOf(s cluster.Snapshot, replicas []int) int {
	in, up, none := map[string]int{}, 0, true
	for _, b := range s.Brokers {
		none = none && b.Zone == ""
	}
	for _, b := range s.Brokers {
		if (b.State == cluster.BrokerAlive || b.State == cluster.BrokerFenced) && slices.Contains(replicas, b.ID) {
			up++
			if b.Zone != "" {
				in[b.Zone]++
			}
		}
	}
	worst := 0
	for _, n := range in {
		worst = max(worst, n)
	}
	return up - worst
}

func TestInAThousandWorldsNoPlanTakesWhatALostZoneLeaves(t *testing.T) {
	worlds := underRaceOnly(t, 50, 1000, "worlds")
	moved, told := 0, 0
	for seed := range uint64(worlds) {
		s := world(seed)
		o := Options{Evaluations: 4000, MinGain: -1}
		alive := 0
		for _, b := range s.Brokers {
			if b.State == cluster.BrokerAlive {
				alive++
			}
		}
		if seed%5 == 0 && alive > 1 {
			o.Remove = []int{s.Brokers[0].ID}
		}
		p := mustPlan(t, s, o)
		moved += len(p.Moves)
		told += len(p.Warnings)
		for _, m := range wrongMoves(s, p, o) {
			t.Errorf("world %d: %s", seed, m)
		}
		if t.Failed() {
			break
		}
	}
	if moved < worlds || told < worlds/2 {
		t.Errorf("%d moves and %d warnings in %d worlds: they show nothing", moved, told, worlds)
	}
}

// wrongMoves judges a plan from the snapshot alone.
func wrongMoves(s cluster.Snapshot, p Plan, o Options) (out []string) {
	s.Brokers = slices.Clone(s.Brokers)
	for i := range s.Brokers {
		if slices.Contains(o.Remove, s.Brokers[i].ID) && s.Brokers[i].State != cluster.BrokerDead {
			s.Brokers[i].State = cluster.BrokerDraining
		}
	}
	state := map[int]cluster.BrokerState{}
	for _, b := range s.Brokers {
		state[b.ID] = b.State
	}
	moving := flying(s)
	now := map[partitionKey]cluster.Partition{}
	for _, topic := range s.Topics {
		for _, q := range topic.Partitions {
			now[partitionKey{topic.Name, q.Partition}] = q
		}
	}
	for _, m := range p.Moves {
		q := now[partitionKey{m.Topic, m.Partition}]
		say := func(format string, a ...any) {
			out = append(out, fmt.Sprintf("%s-%d %v → %v: ", m.Topic, m.Partition, q.Replicas, m.To)+fmt.Sprintf(format, a...))
		}
		if moving[partitionKey{m.Topic, m.Partition}] {
			say("is being moved already")
		}
		if len(m.To) != len(q.Replicas) {
			say("its replication factor changes")
		}
		if q.Leader == cluster.NoLeader {
			say("there is nothing to copy from")
		}
		if before, after := leftOf(s, q.Replicas), leftOf(s, m.To); after < before {
			say("a lost zone left %d, and leaves %d", before, after)
		}
		for k, b := range m.To {
			if slices.Contains(m.To[:k], b) {
				say("is on broker %d twice", b)
			}
			if !slices.Contains(q.Replicas, b) && state[b] != cluster.BrokerAlive {
				say("goes to broker %d, which is %s", b, state[b])
			}
		}
	}
	return out
}

// evenWorld has the same brokers in each zone, of sizes that differ, and on each as
// much of everything as its size says.
func evenWorld(seed uint64) cluster.Snapshot {
	rng := rand.New(rand.NewPCG(seed, 17))
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, ClusterID: fmt.Sprint("even-", seed)}
	zones, ids := 1+rng.IntN(3), rng.Perm(500)
	topic := cluster.Topic{Name: "t"}
	for range 2 + rng.IntN(3) {
		size := 1 + rng.IntN(3)
		var column []int
		for z := range zones {
			id := ids[len(s.Brokers)]
			column = append(column, id)
			b := cluster.Broker{ID: id, Zone: string(rune('a' + z)), State: cluster.BrokerAlive}
			f := float64(size)
			b.Capacity = cluster.Capacity{CPUCores: cluster.Cores(f), NetworkInBytesPerSecond: cluster.BytesPerSecond(1e8 * f),
				NetworkOutBytesPerSecond: cluster.BytesPerSecond(1e8 * f), DiskBytes: cluster.Bytes(1e12 * f)}
			if zones == 1 {
				b.Zone = ""
			}
			s.Brokers = append(s.Brokers, b)
		}
		for k := range 2 * zones * size {
			reps := append(slices.Clone(column[k%zones:]), column[:k%zones]...)
			topic.Partitions = append(topic.Partitions, cluster.Partition{Partition: len(topic.Partitions), Replicas: reps,
				ISR: slices.Clone(reps), Leader: reps[0], Load: cluster.Load{BytesInPerSecond: 1e6, BytesOutPerSecond: 3e6,
					LeaderCPUCores: 0.05, FollowerCPUCores: 0.02, SizeBytes: 2e10}})
		}
	}
	s.Topics = []cluster.Topic{topic}
	return s
}

func TestInAThousandWorldsNothingMovesForAnUnknown(t *testing.T) {
	for seed := range uint64(underRaceOnly(t, 20, 1000, "worlds")) {
		s := evenWorld(seed)
		rng := rand.New(rand.NewPCG(seed, 19))
		for range 1 + rng.IntN(3) {
			b := &s.Brokers[rng.IntN(len(s.Brokers))]
			if rng.IntN(4) == 0 {
				b.Zone = ""
			}
			for range 6 {
				forget(rng, b)
			}
		}
		if p := mustPlan(t, s, Options{Evaluations: 4000}); len(p.Moves) > 0 {
			t.Errorf("world %d: %v move: %+v of %+v", seed, p.BytesToMove, p.Moves, s.Brokers)
			break
		}
	}
}
