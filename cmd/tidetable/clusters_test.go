package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/rebalance"
)

// The shared clusters are other people's: each file stands for its kind, which the
// rooms' own tests make small and anew.
func TestPlansOfOtherPeoplesClusters(t *testing.T) {
	still := func(t *testing.T, p rebalance.Plan) {
		if len(p.Moves) > 0 || p.LowerBounds.ForcedBytes > 0 {
			t.Errorf("%d moves of %v, %v forced", len(p.Moves), p.BytesToMove, p.LowerBounds.ForcedBytes)
		}
	}
	factors := func(want int) func(t *testing.T, p rebalance.Plan) {
		return func(t *testing.T, p rebalance.Plan) {
			for _, m := range p.Moves {
				if len(m.To) != want {
					t.Errorf("%s-%d gets %v", m.Topic, m.Partition, m.To)
				}
			}
		}
	}
	for name, judge := range map[string]func(t *testing.T, p rebalance.Plan){
		"reassignment-in-flight/snapshot.json":            factors(3),
		"rf-above-zones/snapshot.json":                    factors(4),
		"half-without-zone/snapshot.json":                 still,
		"half-without-zone/snapshot-none.json":            still,
		"half-without-zone/snapshot-halfway-rollout.json": still,
		"followers-serve-reads/snapshot.json":             still,
		"brokers-of-two-sizes/snapshot.json":              still,
		"brokers-of-two-sizes/snapshot-even.json":         still,
		"one-capacity-unknown/snapshot.json": func(t *testing.T, p rebalance.Plan) {
			if len(p.Moves) == 0 || !strings.Contains(strings.Join(p.Warnings, ";"), "broker 4") {
				t.Errorf("%d moves, and %q", len(p.Moves), p.Warnings)
			}
		},
		"one-capacity-unknown/snapshot-cpu-limit-on-one-pool.json": func(t *testing.T, p rebalance.Plan) {
			if len(p.Moves) == 0 || !strings.Contains(strings.Join(p.Warnings, ";"), "brokers 3, 4, 5") {
				t.Errorf("%d moves, and %q", len(p.Moves), p.Warnings)
			}
		},
		"zone-without-room/snapshot.json": func(t *testing.T, p rebalance.Plan) {
			if len(p.Violations) == 0 || !strings.Contains(p.Violations[0].Remedy, "zone c needs a broker") {
				t.Errorf("%+v", p.Violations)
			}
		},
		"rf1-on-dead-broker/snapshot.json": func(t *testing.T, p rebalance.Plan) {
			if !slices.ContainsFunc(p.Violations, func(v rebalance.Violation) bool { return v.Constraint == rebalance.RuleLive }) {
				t.Errorf("%+v", p.Violations)
			}
		},
		"topic-on-few-brokers.json": func(t *testing.T, p rebalance.Plan) {
			if len(p.Moves) == 0 || p.BytesToMove > 0 {
				t.Errorf("%d moves of %v", len(p.Moves), p.BytesToMove)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sharedCluster(t, name)
			p, err := rebalance.Planner{}.Plan(t.Context(), s, rebalance.Options{})
			if err != nil {
				t.Fatal(err)
			}
			judge(t, p)
		})
	}
}

func sharedCluster(t *testing.T, name string) cluster.Snapshot {
	t.Helper()
	s, err := archive.ReadSnapshotFile(shareddata.Path(t, "cases", "clusters", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOtherPeoplesClustersAreSizedByWhatTheyHave(t *testing.T) {
	m := capacity.Model{Limits: capacity.Limits{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7},
		Survive: capacity.Loss{Zones: 1}}
	for name, want := range map[string]int{
		"brokers-of-two-sizes/snapshot.json":      6,
		"brokers-of-two-sizes/snapshot-even.json": 6,
		"uneven-zones/snapshot.json":              8, // a whole copy in each zone: two brokers there, and four are in the first
	} {
		s := sharedCluster(t, name)
		if r := m.Size(capacity.DemandOf(s), capacity.FactsOf(s, nil)); r.Brokers != want {
			t.Errorf("%s: %s; want %d", name, r.Explain(), want)
		}
		if hot := cluster.Hottest(s.BrokerLoads()); hot.Over > 0.1 && strings.HasPrefix(name, "brokers-of-two") {
			t.Errorf("%s: %+v", name, hot)
		}
	}
}
