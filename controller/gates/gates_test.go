package gates

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const kafka = "StatefulSet/kafka"

// calm is a situation in which every gate allows every proposal below.
// sixPods are the pods of the brokers 0 to 5.
func sixPods() []actuators.Member {
	var out []actuators.Member
	for id := range 6 {
		out = append(out, actuators.Member{Pod: "kafka-" + strconv.Itoa(id), Ordinal: id, ID: &id, Started: true})
	}
	return out
}

func calm() Situation {
	p := policy.Policy{}
	p.Spec.Mode = policy.Act
	p.Spec.Brokers.Target = policy.Target{Kind: "StatefulSet", Name: "kafka"}
	p.Spec.Brokers.Max = 12
	p.Spec.Consumers = []policy.Consumer{{Group: "billing", Target: policy.Target{Kind: "Deployment", Name: "billing"}, Max: 24}}
	p.SetDefaults()
	s := cluster.Snapshot{TakenAt: now}
	for i := range 6 {
		s.Brokers = append(
			s.Brokers,
			cluster.Broker{ID: i, Zone: string(rune('a' + i%3)), State: cluster.BrokerAlive, Capacity: cluster.Capacity{DiskBytes: 1e12}},
		)
	}
	t := cluster.Topic{Name: "orders"}
	for i := range 6 {
		r := []int{i, (i + 1) % 6, (i + 2) % 6}
		t.Partitions = append(
			t.Partitions,
			cluster.Partition{Partition: i, Leader: i, Replicas: r, ISR: r, Load: cluster.Load{SizeBytes: 1e11}},
		)
	}
	s.Topics = []cluster.Topic{t}
	s.Groups = []cluster.Group{
		{Name: "billing", Partitions: []cluster.GroupPartition{{Topic: "orders", Lag: 1000, ConsumedPerSecond: 100}}},
	}
	long := now.Add(-100 * time.Hour)
	return Situation{
		Now: now, Policy: &p, Snapshot: &s, Requirement: &capacity.Requirement{Brokers: 4, Complete: true},
		Forecasts: []decision.ForecastSummary{{Subject: decision.ClusterSubject, Trusted: true}, {Subject: "billing", Trusted: true}},
		Scales:    map[string]actuators.Scale{kafka: {Replicas: 6, Ready: 6, Members: sixPods()}, "Deployment/billing": {Replicas: 4, Ready: 4}},
		Needs:     map[string]NeedWindow{kafka: {Highest: 4, Since: long}, "Deployment/billing": {Highest: 2, Since: long}},
	}
}

var (
	out     = decision.Proposal{Kind: decision.ScaleBrokers, Target: kafka, From: 6, To: 8}
	surge   = decision.Proposal{Kind: decision.ScaleBrokers, Target: kafka, From: 6, To: 8, Reactive: true}
	in      = decision.Proposal{Kind: decision.ScaleBrokers, Target: kafka, From: 6, To: 4}
	grow    = decision.Proposal{Kind: decision.ScaleConsumers, Target: "Deployment/billing", Group: "billing", From: 4, To: 6}
	shrink  = decision.Proposal{Kind: decision.ScaleConsumers, Target: "Deployment/billing", Group: "billing", From: 4, To: 2}
	balance = decision.Proposal{Kind: decision.Rebalance, Target: kafka, From: 6, To: 6}
	names   = map[string]decision.Proposal{"out": out, "surge": surge, "in": in, "grow": grow, "shrink": shrink, "balance": balance}
)

func TestNothingStandsInTheWayWhenAllIsWell(t *testing.T) {
	for name, p := range names {
		for _, g := range All() {
			if v := g.Check(t.Context(), p, calm()); v.Ruling != decision.Allow {
				t.Errorf("%s: %s says %q: %s", name, g.Name(), v.Ruling, v.Why)
			}
		}
	}
}

// Each row spoils one thing, and says which proposals one gate must then stop
// and how; all the others must go on.
func TestEachGateStopsWhatItShouldAndNothingElse(t *testing.T) {
	type rulings = map[string]decision.Ruling
	const hold, refuse = decision.Hold, decision.Refuse
	window := policy.CompileWindows([]policy.Window{{Schedule: "0 1 * * *", Duration: policy.Duration(time.Hour)}})
	tests := []struct {
		gate  Gate
		name  string
		spoil func(*Situation)
		want  rulings
	}{
		{Alerts{}, "freeze", func(s *Situation) {
			s.Observations = []decision.Observation{{Source: "maintenance", Effect: decision.EffectFreeze}}
		}, rulings{"out": hold, "surge": hold, "in": hold, "grow": hold, "shrink": hold, "balance": hold}},
		{Alerts{}, "hold", func(s *Situation) {
			s.Observations = []decision.Observation{{Source: "disk", Effect: decision.EffectHold}}
		}, rulings{"in": hold, "shrink": hold, "balance": hold}},
		{Alerts{}, "hold of one group", func(s *Situation) {
			s.Observations = []decision.Observation{{Source: "lag", Effect: decision.EffectHold, Subject: "billing"}}
		}, rulings{"shrink": hold}},
		{
			Bounds{},
			"minimum",
			func(s *Situation) { s.Policy.Spec.Brokers.Min, s.Policy.Spec.Consumers[0].Min = 6, 3 },
			rulings{"in": refuse, "shrink": refuse},
		},
		{
			Bounds{},
			"maximum",
			func(s *Situation) { s.Policy.Spec.Brokers.Max, s.Policy.Spec.Consumers[0].Max = 6, 5 },
			rulings{"out": refuse, "surge": refuse, "grow": refuse},
		},
		{
			BrokersReady{},
			"fenced",
			func(s *Situation) { s.Snapshot.Brokers[2].State = cluster.BrokerFenced },
			rulings{"out": hold, "in": hold, "balance": hold},
		},
		{
			BrokersReady{},
			"directory offline",
			func(s *Situation) {
				s.Snapshot.Brokers[2].Directories = []cluster.Directory{{Path: "/b", Offline: true}}
			},
			rulings{"out": hold, "in": hold, "balance": hold},
		},
		{
			BrokersReady{},
			"pod missing",
			func(s *Situation) { s.Scales[kafka] = actuators.Scale{Replicas: 6, Ready: 5} },
			rulings{"out": hold, "in": hold, "balance": hold},
		},
		{Budget{}, "spent", func(s *Situation) {
			s.Policy.Spec.Gates.Budget = policy.Budget{BrokerActions: 2, ConsumerActions: 1}
			s.Past = []decision.PastScale{
				{
					Kind:   decision.ScaleBrokers,
					Target: kafka,
					At:     now.Add(-2 * time.Hour),
				}, {Kind: decision.ScaleBrokers, Target: kafka, At: now.Add(-3 * time.Hour)},
				{Kind: decision.ScaleConsumers, Target: "Deployment/billing", At: now.Add(-time.Hour)},
			}
		}, rulings{"out": hold, "in": hold, "grow": hold, "shrink": hold}},
		{Budget{}, "of yesterday", func(s *Situation) {
			s.Policy.Spec.Gates.Budget = policy.Budget{BrokerActions: 1, ConsumerActions: 1}
			s.Past = []decision.PastScale{{Kind: decision.ScaleBrokers, Target: kafka, At: now.Add(-25 * time.Hour)}}
		}, rulings{}},
		{Cooldown{}, "just changed", func(s *Situation) {
			s.Past = []decision.PastScale{
				{Kind: decision.ScaleBrokers, Target: kafka, At: now.Add(-2 * time.Hour), Ended: now.Add(-10 * time.Minute)},
			}
		}, rulings{"out": hold, "in": hold, "balance": hold}},
		{DiskAfter{}, "full", func(s *Situation) {
			for i := range s.Snapshot.Topics[0].Partitions {
				s.Snapshot.Topics[0].Partitions[i].Load.SizeBytes = 2.5e11
			}
		}, rulings{"in": hold}},
		{DiskAfter{}, "unknown", func(s *Situation) { s.Snapshot.Brokers[0].Capacity.DiskBytes = 0 }, rulings{"in": hold}},
		{ForecastTrust{}, "untrusted", func(s *Situation) { s.Forecasts[0].Trusted = false }, rulings{"in": hold}},
		{ForecastTrust{}, "none", func(s *Situation) { s.Forecasts = nil }, rulings{"in": hold, "shrink": hold}},
		{
			HoldByHand{},
			"policy",
			func(s *Situation) { s.Policy.Spec.Gates.Hold = true },
			rulings{"out": hold, "surge": hold, "in": hold, "grow": hold, "shrink": hold, "balance": hold},
		},
		{HoldByHand{}, "annotation", func(s *Situation) {
			s.Policy.Metadata.Annotations = map[string]string{policy.HoldAnnotation: "upgrade"}
		}, rulings{"out": hold, "surge": hold, "in": hold, "grow": hold, "shrink": hold, "balance": hold}},
		{HoldByHand{}, "workload", func(s *Situation) {
			s.Scales["Deployment/billing"] = actuators.Scale{Replicas: 4, Held: "debugging"}
		}, rulings{"grow": hold, "shrink": hold}},
		{Ineffective{}, "consumers wait for something else", func(s *Situation) {
			s.Past = []decision.PastScale{
				{
					Kind:     decision.ScaleConsumers,
					Target:   "Deployment/billing",
					From:     2,
					To:       4,
					At:       now.Add(-40 * time.Minute),
					Consumed: 100,
					Lag:      900,
				},
			}
		}, rulings{"grow": hold}},
		{Ineffective{}, "it helped", func(s *Situation) {
			s.Past = []decision.PastScale{
				{
					Kind:     decision.ScaleConsumers,
					Target:   "Deployment/billing",
					From:     2,
					To:       4,
					At:       now.Add(-40 * time.Minute),
					Consumed: 60,
					Lag:      900,
				},
			}
		}, rulings{}},
		{Ineffective{}, "empty broker", func(s *Situation) {
			s.Snapshot.Brokers = append(s.Snapshot.Brokers, cluster.Broker{ID: 6, State: cluster.BrokerAlive})
		}, rulings{"out": hold, "surge": hold}},
		{
			MaxStep{},
			"too far",
			func(s *Situation) { s.Policy.Spec.Brokers.MaxStep = 1 },
			rulings{"out": refuse, "surge": refuse, "in": refuse},
		},
		{
			OneOperation{},
			"in flight",
			func(s *Situation) { s.Operation = &decision.Operation{ID: "x"} },
			rulings{"out": hold, "surge": hold, "in": hold, "balance": hold},
		},
		{Ownership{}, "an HPA", func(s *Situation) {
			s.Scales["Deployment/billing"] = actuators.Scale{Replicas: 4, Conflict: "HorizontalPodAutoscaler billing"}
		}, rulings{"grow": refuse, "shrink": refuse}},
		{Ownership{}, "unreadable", func(s *Situation) {
			delete(s.Scales, kafka)
			s.Unread = map[string]string{kafka: "timeout"}
		}, rulings{"out": hold, "surge": hold, "in": hold}},
		{PartitionHealth{}, "under-replicated", func(s *Situation) {
			s.Snapshot.Topics[0].Partitions[1].ISR = []int{1}
		}, rulings{"out": hold, "in": hold, "balance": hold}},
		{
			PartitionHealth{},
			"offline",
			func(s *Situation) { s.Snapshot.Topics[0].Partitions[1].Leader = -1 },
			rulings{"out": hold, "in": hold, "balance": hold},
		},
		{Reassignments{}, "somebody moves", func(s *Situation) {
			s.Snapshot.Reassignments = []cluster.Reassignment{{Topic: "orders"}}
		}, rulings{"in": hold, "balance": hold}},
		{Stabilisation{}, "needed lately", func(s *Situation) {
			s.Needs[kafka] = NeedWindow{Highest: 6, Since: now.Add(-100 * time.Hour)}
		}, rulings{"in": hold}},
		{Stabilisation{}, "just started", func(s *Situation) {
			for k := range s.Needs {
				s.Needs[k] = NeedWindow{Highest: 1, Since: now.Add(-time.Minute)}
			}
		}, rulings{"in": hold, "shrink": hold}},
		{Stabilisation{}, "no record", func(s *Situation) { s.Needs = nil }, rulings{"in": hold, "shrink": hold}},
		{StaleSignals{}, "cpu", func(s *Situation) {
			s.Snapshot.Stale = []cluster.StaleSignal{{Signal: "broker_cpu"}}
		}, rulings{"in": hold, "shrink": hold, "balance": hold}},
		{StaleSignals{}, "lag", func(s *Situation) {
			s.Snapshot.Stale = []cluster.StaleSignal{{Signal: "group_lag"}}
		}, rulings{"in": hold, "shrink": hold}},
		{SurviveAfter{}, "N-1", func(s *Situation) {
			s.Requirement.Constraints = []capacity.Constraint{{Name: "network-in", Brokers: 6}}
		}, rulings{"in": refuse}},
		{SurviveAfter{}, "N-1 with another pool's brokers", func(s *Situation) {
			s.Requirement.Constraints, s.Others = []capacity.Constraint{{Name: "network-in", Brokers: 6}}, 2
		}, rulings{}},
		{SurviveAfter{}, "unknown", func(s *Situation) { s.Requirement.Complete = false }, rulings{"in": hold}},
		{Windows{}, "closed", func(s *Situation) { s.Windows = window }, rulings{"in": hold, "shrink": hold, "balance": hold}},
		{Windows{}, "open", func(s *Situation) {
			s.Windows, s.MoveWindows, s.Now = window, window, time.Date(2026, 3, 2, 1, 30, 0, 0, time.UTC)
		}, rulings{}},
		{Windows{}, "moves", func(s *Situation) { s.MoveWindows = window }, rulings{"balance": hold}},
		{Windows{}, "unreadable", func(s *Situation) {
			s.Windows = policy.CompileWindows([]policy.Window{{Schedule: "TZ=UTC"}})
		}, rulings{"in": hold, "shrink": hold, "balance": hold}},
		{Workload{}, "a scale-in takes volumes along", func(s *Situation) {
			s.Scales[kafka] = actuators.Scale{Replicas: 6, Ready: 6, NoIn: "whenScaled is Delete", Members: sixPods()}
		}, rulings{"in": refuse}},
		{Workload{}, "the operator would fail", func(s *Situation) {
			s.Scales[kafka] = actuators.Scale{Replicas: 6, Ready: 6, NoOut: "no mode add-brokers", Members: sixPods()}
		}, rulings{"out": refuse, "surge": refuse}},
		{Workload{}, "the operator has refused", func(s *Situation) {
			s.Scales[kafka] = actuators.Scale{Replicas: 6, Ready: 6, Refused: "Reverting scale-down", Members: sixPods()}
		}, rulings{"in": hold}},
		{Workload{}, "pods that cannot be told apart", func(s *Situation) {
			s.Policy.Spec.Mode = policy.Act
			s.Scales[kafka] = actuators.Scale{Replicas: 6, Ready: 6, Unknown: "pods may not be listed"}
		}, rulings{"in": refuse}},
		{Zones{}, "too few", func(s *Situation) {
			s.Policy.Spec.Gates.MinZones = 3
			for i := range 5 {
				s.Snapshot.Brokers[i].Zone = []string{"a", "b"}[i%2]
			}
			s.Snapshot.Brokers[5].Zone = "c"
		}, rulings{"in": refuse}},
	}
	tested := map[string]bool{}
	for _, tc := range tests {
		t.Run(tc.gate.Name()+"/"+tc.name, func(t *testing.T) {
			tested[tc.gate.Name()] = true
			for name, p := range names {
				s := calm()
				tc.spoil(&s)
				v := tc.gate.Check(t.Context(), p, s)
				want, stopped := tc.want[name]
				if !stopped {
					want = decision.Allow
				}
				if v.Ruling != want {
					t.Errorf("%s: %q (%s), want %q", name, v.Ruling, v.Why, want)
				}
				if v.Ruling != decision.Allow && v.Why == "" {
					t.Errorf("%s: no reason is given", name)
				}
			}
		})
	}
	for _, g := range All() {
		if !tested[g.Name()] {
			t.Errorf("gate %s has no row", g.Name())
		}
	}
}

func TestGatesAreSortedAndNamedOnce(t *testing.T) {
	var all []string
	for _, g := range All() {
		all = append(all, g.Name())
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the gates are %s", strings.Join(all, ", "))
	}
}

func TestEveryGateHasItsRowInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/decision.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range All() {
		if !strings.Contains(string(page), "| `"+g.Name()+"` |") {
			t.Errorf("docs/formats/decision.md has no row for %s", g.Name())
		}
	}
}

// When the gates are asked again the brokers that leave are cordoned, and must
// not be taken away twice.
func TestBrokersThatLeaveAreTakenAwayOnce(t *testing.T) {
	s := calm()
	s.Policy.Spec.Gates.MinZones = 3
	s.Policy.Spec.Gates.DiskAfter = 0.8
	for i := range s.Snapshot.Brokers {
		s.Snapshot.Brokers[i].Zone = []string{"a", "b", "c"}[i%3]
		s.Snapshot.Brokers[i].Capacity.DiskBytes = 1000
	}
	for i := range s.Snapshot.Topics {
		for j := range s.Snapshot.Topics[i].Partitions {
			s.Snapshot.Topics[i].Partitions[j].Load.SizeBytes = 0
		}
	}
	part := &s.Snapshot.Topics[0].Partitions[0]
	part.Load.SizeBytes = cluster.Bytes(3000 * 0.75 / float64(len(part.Replicas))) // 75 % of three disks, 113 % of two
	p := decision.Proposal{Kind: decision.ScaleBrokers, Target: kafka, From: 6, To: 3}
	for _, state := range []cluster.BrokerState{cluster.BrokerAlive, cluster.BrokerDraining} {
		for i := 3; i < 6; i++ {
			s.Snapshot.Brokers[i].State = state
		}
		for _, g := range []Gate{Zones{}, DiskAfter{}} {
			if v := g.Check(t.Context(), p, s); v.Ruling != decision.Allow {
				t.Errorf("%s while those that leave are %s: %s %s", g.Name(), state, v.Ruling, v.Why)
			}
		}
	}
}
