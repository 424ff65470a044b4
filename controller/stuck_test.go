package controller

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// consuming is a group of three that reads orders, 6,000 records a second.
func consuming(change func(*cluster.Snapshot)) cluster.Snapshot {
	s := loaded(6, 5e5) // 500 records a second and partition
	s.Groups[0].Members = 3
	change(&s)
	return s
}

func replicasFor(t *testing.T, s cluster.Snapshot) (int, string) {
	t.Helper()
	p := testPolicy(policy.Recommend)
	p.Spec.Consumers = []policy.Consumer{{
		Group: "billing", Target: policy.Target{Kind: "Deployment", Name: "billing"}, PerReplica: 2600, Max: 12, Lag: policy.Lag{MaxSeconds: 60},
	}}
	c := newLoop(t, Config{Policy: p, Clock: &testClock{start}, Observer: fixed(s), Scalers: map[string]actuators.Scaler{}})
	d, err := c.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range d.Proposals {
		if x.Kind == decision.ScaleConsumers {
			return x.To, strings.Join(d.Notes, "\n")
		}
	}
	return 3, strings.Join(d.Notes, "\n")
}

func TestALagThatNoReplicaDrainsAsksForNone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*cluster.Snapshot)
		want   int
		note   string
	}{
		"nothing is behind": {func(*cluster.Snapshot) {}, 3, ""},
		"a partition is stuck": {func(s *cluster.Snapshot) {
			p := &s.Groups[0].Partitions[7]
			p.Lag, p.ConsumedPerSecond = 3_000_000, 0
		}, 3, "reads nothing of orders/7, 3000000 records behind"},
		"three are": {func(s *cluster.Snapshot) {
			for _, i := range []int{2, 7, 9} {
				p := &s.Groups[0].Partitions[i]
				p.Lag, p.ConsumedPerSecond = 1_000_000, 0
			}
		}, 3, "reads nothing of orders/2 and 2 more partitions of orders"},
		"the group left a topic": {func(s *cluster.Snapshot) {
			old := s.Topics[0]
			old.Name = "orders-v1"
			s.Topics = append(s.Topics, old)
			for i := range 12 {
				s.Groups[0].Partitions = append(s.Groups[0].Partitions, cluster.GroupPartition{Topic: "orders-v1", Partition: i, Lag: 500_000})
			}
		}, 3, "reads nothing of all 12 partitions of orders-v1"},
		"a lag that is worked off": {func(s *cluster.Snapshot) {
			for i := range s.Groups[0].Partitions {
				s.Groups[0].Partitions[i].Lag = 60_000
			}
		}, 5, ""}, // (6000 + (720000 − 6000·60) ÷ 60) ÷ 2600 = 4.6
		"a transaction's marker": {func(s *cluster.Snapshot) {
			p := &s.Groups[0].Partitions[7]
			p.Lag, p.ConsumedPerSecond = 1, 0
			s.Topics[0].Partitions[7].Load.MessagesInPerSecond = 0
		}, 3, ""},
		"nobody reads at all": {func(s *cluster.Snapshot) {
			for i := range s.Groups[0].Partitions {
				p := &s.Groups[0].Partitions[i]
				p.Lag, p.ConsumedPerSecond = 60_000, 0
			}
		}, 5, ""},
		"one partition gets more than a replica can do": {func(s *cluster.Snapshot) {
			s.Topics[0].Partitions[4].Load.MessagesInPerSecond = 20_000
		}, 4, "partition orders/4 gets 78 % of its records"}, // its own, and 5500 ÷ (0.95 · 2600) for the rest
	} {
		got, notes := replicasFor(t, consuming(c.change))
		if got != c.want {
			t.Errorf("%s: %d replicas, want %d; notes:\n%s", name, got, c.want, notes)
		}
		if c.note == "" && strings.Contains(notes, "billing reads nothing") || !strings.Contains(notes, c.note) {
			t.Errorf("%s: want %q, the notes are\n%s", name, c.note, notes)
		}
	}
}
