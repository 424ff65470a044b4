package rebalance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// shapes are clusters of every kind a plan must cope with.
var shapes = []shape{
	{brokers: 6, zones: 3, rf: 3, topics: 40, crowded: true},
	{brokers: 12, zones: 3, rf: 3, topics: 60, uneven: true, brokenZones: true},
	{brokers: 9, zones: 3, rf: 3, topics: 50, draining: 1},
	{brokers: 9, zones: 3, rf: 2, topics: 50, dead: 1, drifted: true},
	{brokers: 8, zones: 1, rf: 3, topics: 40, uneven: true, crowded: true},
	{brokers: 10, zones: 5, rf: 3, topics: 40, empty: 3},
	{brokers: 10, zones: 2, rf: 3, topics: 40, draining: 1, crowded: true},
	{brokers: 7, zones: 3, rf: 4, topics: 30, crowded: true},
	{brokers: 8, zones: 4, rf: 1, topics: 60, draining: 2, crowded: true},
	{brokers: 30, zones: 3, rf: 3, topics: 200, empty: 3, drifted: true, crowded: true},
}

func TestPlansKeepEveryRule(t *testing.T) {
	seeds := underRaceOnly(t, 1, 2, "clusters of each shape")
	for n, sh := range shapes {
		o := Options{}
		if underRace {
			sh.topics /= 4
			o.Evaluations = 40_000
		}
		t.Run(fmt.Sprintf("%+v", sh), func(t *testing.T) {
			for seed := range uint64(seeds) {
				s := randomCluster(uint64(n)*10+seed, sh)
				p := mustPlan(t, s, o)
				for _, m := range mistakesOf(s, p) {
					t.Errorf("seed %d: %s", seed, m)
				}
				if len(p.Violations) > 0 {
					t.Errorf("seed %d: calls a feasible cluster infeasible: %+v", seed, p.Violations)
				}
				if after, before := p.After.ImbalancePoints, p.Before.ImbalancePoints; after > before && p.LowerBounds.ForcedBytes == 0 {
					t.Errorf("seed %d: makes the balance worse: %v to %v points", seed, before, after)
				}
			}
		})
	}
}

func TestPlanningOnItsOwnResultMovesNothing(t *testing.T) {
	for n, sh := range shapes[:underRaceOnly(t, 2, len(shapes), "shapes")] {
		s := randomCluster(uint64(100+n), sh)
		p := mustPlan(t, s, Options{})
		again := mustPlan(t, carryOut(s, p), Options{})
		if len(again.Moves) > 0 {
			t.Errorf("%+v: moves %d partitions again, %v, for %.3f points", sh, len(again.Moves), again.BytesToMove, again.GainPoints)
		}
	}
}

func TestOneAndTwoThreadsPlanTheSame(t *testing.T) {
	s := randomCluster(3, shapes[9])
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	one := mustPlan(t, s, Options{})
	runtime.GOMAXPROCS(2)
	two := mustPlan(t, s, Options{})
	if !reflect.DeepEqual(one, two) {
		t.Errorf("one thread moves %d partitions, two %d", len(one.Moves), len(two.Moves))
	}
	if len(one.Moves) == 0 {
		t.Error("the cluster is not crowded enough to show anything")
	}
}

func TestTheArgumentIsLeftAsItIs(t *testing.T) {
	s, same := randomCluster(4, shapes[2]), randomCluster(4, shapes[2])
	mustPlan(t, s, Options{Remove: []int{1}, Add: []NewBroker{{ID: 99}}})
	if !reflect.DeepEqual(s, same) {
		t.Error("planning changed its snapshot")
	}
}

func TestDrainWithinForcedBytesAndMoreNeverBalancesWorse(t *testing.T) {
	drained := []shape{
		{brokers: 12, zones: 4, rf: 2, topics: 80, draining: 2, uneven: true},
		{brokers: 20, zones: 3, rf: 3, topics: 120, draining: 2, crowded: true},
	}
	for _, sh := range drained[:underRaceOnly(t, 1, len(drained), "clusters")] {
		s := randomCluster(5, sh)
		last := math.Inf(1)
		for _, over := range []float64{0, 5, 25, 100, 300} {
			p := mustPlan(t, s, Options{Budget: &Budget{Relative: true, PercentOver: over}})
			forced := p.LowerBounds.ForcedBytes
			for _, m := range mistakesOf(s, p) {
				t.Errorf("+%v %%: %s", over, m)
			}
			if limit := forced * cluster.Bytes(1+over/100); p.BytesToMove > limit*(1+1e-12) || p.BytesToMove < forced {
				t.Errorf("+%v %%: moves %v, forced are %v", over, p.BytesToMove, forced)
			}
			if over == 0 && p.BytesToMove != forced {
				t.Errorf("+0 %%: moves %v, must move %v", p.BytesToMove, forced)
			}
			if p.After.ImbalancePoints > last+1e-9 {
				t.Errorf("+%v %%: %v points, fewer bytes gave %v", over, p.After.ImbalancePoints, last)
			}
			last = p.After.ImbalancePoints
		}
	}
}

func TestLeadersOnlyMovesNoDataAndReachesTheOptimum(t *testing.T) {
	for seed := range uint64(15) {
		s := randomCluster(seed, shape{brokers: 4, zones: 2, rf: 2, topics: 1, uneven: seed%2 == 0})
		s.Topics[0].Partitions = s.Topics[0].Partitions[:min(8, len(s.Topics[0].Partitions))]
		p := mustPlan(t, s, Options{LeadersOnly: true})
		if p.BytesToMove != 0 || p.ReplicaMoves != 0 {
			t.Errorf("seed %d: moves data", seed)
		}
		want := fewestLeaders(s)
		got := fullestLeaders(carryOut(s, p))
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("seed %d: %.4f leaders a core on the fullest broker, the optimum is %.4f", seed, got, want)
		}
	}
}

func fullestLeaders(s cluster.Snapshot) float64 {
	leads, worst := map[int]float64{}, 0.0
	for _, q := range s.Topics[0].Partitions {
		leads[q.Leader]++
	}
	for _, b := range s.Brokers {
		worst = max(worst, leads[b.ID]/float64(b.Capacity.CPUCores))
	}
	return worst
}

// fewestLeaders tries every choice of leaders.
func fewestLeaders(s cluster.Snapshot) float64 {
	parts := s.Topics[0].Partitions
	best := math.Inf(1)
	for choice := range 1 << len(parts) {
		for i := range parts {
			parts[i].Leader = parts[i].Replicas[choice>>i&1]
		}
		best = min(best, fullestLeaders(s))
	}
	return best
}

func TestSmallDriftIsPlannedInATenthOfTheWork(t *testing.T) {
	s := randomCluster(6, shape{brokers: 24, zones: 3, rf: 3, topics: 300, crowded: true})
	first := mustPlan(t, s, Options{})
	s = carryOut(s, first)
	rng := rand.New(rand.NewPCG(1, 1))
	for ti := range s.Topics {
		for i := range s.Topics[ti].Partitions {
			l := &s.Topics[ti].Partitions[i].Load
			f := 1 + 0.01*rng.NormFloat64()
			l.BytesInPerSecond *= cluster.BytesPerSecond(f)
			l.BytesOutPerSecond *= cluster.BytesPerSecond(f)
			l.LeaderCPUCores *= cluster.Cores(f)
			l.FollowerCPUCores *= cluster.Cores(f)
			l.SizeBytes *= cluster.Bytes(1 + 0.01*rng.NormFloat64())
		}
	}
	again := mustPlan(t, s, Options{})
	if again.Evaluations > first.Evaluations/10 {
		t.Errorf("%d evaluations, the first plan took %d", again.Evaluations, first.Evaluations)
	}
	if float64(again.BytesToMove) > 1.05*float64(again.LowerBounds.Bytes) {
		t.Errorf("moves %v, the lower bound is %v", again.BytesToMove, again.LowerBounds.Bytes)
	}
}

func TestRemoveAndAddByOption(t *testing.T) {
	s := randomCluster(7, shape{brokers: 9, zones: 3, rf: 3, topics: 60})
	p := mustPlan(t, s, Options{Remove: []int{3}, Add: []NewBroker{{ID: 20}}})
	on3, on20 := 0, 0
	for _, topic := range carryOut(s, p).Topics {
		for _, q := range topic.Partitions {
			if slices.Contains(q.Replicas, 3) {
				on3++
			}
			if slices.Contains(q.Replicas, 20) {
				on20++
			}
		}
	}
	if on3 != 0 || on20 == 0 {
		t.Errorf("%d partitions on the removed broker, %d on the added one", on3, on20)
	}
}

func TestExcludedTopicsAndBrokersStay(t *testing.T) {
	s := randomCluster(8, shape{brokers: 9, zones: 3, rf: 3, topics: 60, crowded: true})
	p := mustPlan(t, s, Options{ExcludeTopics: []*regexp.Regexp{regexp.MustCompile("^topic-00")}, ExcludeBrokers: []int{2}})
	if len(p.Moves) == 0 {
		t.Fatal("nothing moves at all")
	}
	for _, m := range p.Moves {
		if strings.HasPrefix(m.Topic, "topic-00") {
			t.Errorf("%s-%d is excluded and moves", m.Topic, m.Partition)
		}
		if slices.Contains(m.From, 2) != slices.Contains(m.To, 2) || (m.From[0] == 2) != (m.To[0] == 2) {
			t.Errorf("%s-%d moves on or off an excluded broker: %v to %v", m.Topic, m.Partition, m.From, m.To)
		}
	}
}

func TestAFencedBrokerIsLeftAloneUnlessAskedFor(t *testing.T) {
	s := randomCluster(9, shape{brokers: 9, zones: 3, rf: 3, topics: 60, crowded: true})
	s.Brokers[4].State = cluster.BrokerFenced
	id := s.Brokers[4].ID
	for _, m := range mustPlan(t, s, Options{}).Moves {
		if slices.Contains(m.From, id) != slices.Contains(m.To, id) {
			t.Errorf("%s-%d moves on or off a fenced broker", m.Topic, m.Partition)
		}
	}
	after := carryOut(s, mustPlan(t, s, Options{EvacuateFenced: true}))
	for _, topic := range after.Topics {
		for _, q := range topic.Partitions {
			if slices.Contains(q.Replicas, id) {
				t.Fatalf("%s-%d stays on the fenced broker", topic.Name, q.Partition)
			}
		}
	}
}

func TestNothingOrOneMistakeEach(t *testing.T) {
	good := func() cluster.Snapshot { return randomCluster(10, shape{brokers: 6, zones: 3, rf: 3, topics: 5}) }
	first := func(s cluster.Snapshot) *cluster.Partition { return &s.Topics[0].Partitions[0] }
	for _, c := range []struct {
		name, want string
		spoil      func(*cluster.Snapshot)
	}{
		{"a replica on an unknown broker", "topics[0].partitions[0].replicas[0]: topic-000-0 is on broker 77, which is not in brokers",
			func(s *cluster.Snapshot) { first(*s).Replicas = []int{77, 2, 3} }},
		{"a duplicate replica", "topics[0].partitions[0].replicas[1]: topic-000-0 has two replicas on broker 2",
			func(s *cluster.Snapshot) { first(*s).Replicas = []int{2, 2, 3} }},
		{"no replicas", "topic-000-0 has no replica", func(s *cluster.Snapshot) { first(*s).Replicas = nil }},
		{"a NaN load", "load.bytesInPerSecond: is NaN",
			func(s *cluster.Snapshot) { first(*s).Load.BytesInPerSecond = cluster.BytesPerSecond(math.NaN()) }},
		{"a negative load", "load.sizeBytes: is -1", func(s *cluster.Snapshot) { first(*s).Load.SizeBytes = -1 }},
		{"no brokers", "brokers: has no broker", func(s *cluster.Snapshot) { *s = cluster.Snapshot{} }},
		{"no broker alive", "none is alive", func(s *cluster.Snapshot) {
			for i := range s.Brokers {
				s.Brokers[i].State = cluster.BrokerDead
			}
		}},
		{"a broker twice", "brokers[1].id: broker 1 is listed twice", func(s *cluster.Snapshot) { s.Brokers[1].ID = 1 }},
		{"a state nobody knows", `brokers[0].state: is "resting"`, func(s *cluster.Snapshot) { s.Brokers[0].State = "resting" }},
		{"a state nobody gave", `brokers[0].state: is ""`, func(s *cluster.Snapshot) { s.Brokers[0].State = "" }},
		{"a topic twice", `topics[1].name: topic "topic-000" is listed twice`, func(s *cluster.Snapshot) { s.Topics[1].Name = s.Topics[0].Name }},
		{"a partition twice", "partition 0 of topic \"topic-000\" is listed twice", func(s *cluster.Snapshot) {
			s.Topics[0].Partitions = append(s.Topics[0].Partitions, *first(*s))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.spoil(&s)
			_, err := Planner{}.Plan(context.Background(), s, Options{})
			if !errors.Is(err, ErrBadSnapshot) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v; want one line with %q", err, c.want)
			}
		})
	}
	if _, err := (Planner{}).Plan(context.Background(), good(), Options{Remove: []int{55}}); err == nil ||
		!strings.Contains(err.Error(), "broker 55") {
		t.Errorf("removing an unknown broker: %v", err)
	}
	if _, err := (Planner{}).Plan(context.Background(), good(), Options{}); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestWhatCannotBeMetIsExplained(t *testing.T) {
	t.Run("replication factor above the brokers left", func(t *testing.T) {
		s := randomCluster(11, shape{brokers: 3, zones: 3, rf: 3, topics: 5, dead: 1})
		p := mustPlan(t, s, Options{})
		if len(p.Violations) != 1 || p.Violations[0].Constraint != RuleEvacuation || !strings.Contains(p.Violations[0].Remedy, "add 1 broker") {
			t.Errorf("got %+v", p.Violations)
		}
	})
	t.Run("a partition larger than any disk", func(t *testing.T) {
		s := randomCluster(12, shape{brokers: 6, zones: 3, rf: 3, topics: 5})
		s.Topics[0].Partitions[0].Load.SizeBytes = 5e12
		p := mustPlan(t, s, Options{})
		if len(p.Violations) == 0 || p.Violations[0].Constraint != RulePartitionFits ||
			!strings.Contains(p.Violations[0].Remedy, "split the topic") {
			t.Errorf("got %+v", p.Violations)
		}
	})
	t.Run("more data than disks", func(t *testing.T) {
		s := randomCluster(13, shape{brokers: 6, zones: 3, rf: 3, topics: 40})
		for i := range s.Brokers {
			s.Brokers[i].Capacity.DiskBytes = 1.2e12
		}
		p := mustPlan(t, s, Options{})
		if len(p.Violations) == 0 || p.Violations[0].Constraint != RuleCapacity || !strings.Contains(p.Violations[0].Remedy, "add ") {
			t.Errorf("got %+v", p.Violations)
		}
	})
	t.Run("an excluded topic on a dead broker", func(t *testing.T) {
		s := randomCluster(14, shape{brokers: 6, zones: 3, rf: 2, topics: 20, dead: 1})
		p := mustPlan(t, s, Options{ExcludeTopics: []*regexp.Regexp{regexp.MustCompile(".")}})
		if len(p.Violations) == 0 || !strings.Contains(p.Violations[0].Remedy, "exclusion") {
			t.Errorf("got %+v", p.Violations)
		}
	})
	t.Run("one zone and zones of unequal size are no mistake", func(t *testing.T) {
		s := randomCluster(15, shape{brokers: 7, zones: 1, rf: 3, topics: 20, crowded: true})
		if p := mustPlan(t, s, Options{}); len(p.Violations) > 0 {
			t.Errorf("one zone: %+v", p.Violations)
		}
		for i := range s.Brokers[:5] {
			s.Brokers[i+2].Zone = "large"
		}
		p := mustPlan(t, s, Options{})
		for _, m := range mistakesOf(s, p) {
			t.Error(m)
		}
	})
	t.Run("a partition without a leader is pointed out", func(t *testing.T) {
		s := randomCluster(16, shape{brokers: 6, zones: 3, rf: 2, topics: 20, crowded: true})
		s.Topics[0].Partitions[0].Leader = -1
		p := mustPlan(t, s, Options{})
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "topic-000-0") {
			t.Errorf("got %q", p.Warnings)
		}
	})
	t.Run("no topics give an empty plan", func(t *testing.T) {
		s := randomCluster(17, shape{brokers: 3, zones: 3, rf: 2, topics: 0})
		if p := mustPlan(t, s, Options{}); len(p.Moves) != 0 || len(p.Violations) != 0 {
			t.Errorf("got %+v", p)
		}
	})
}

func TestAnEndedContextEndsTheSearch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Planner{}).Plan(ctx, randomCluster(18, shapes[0]), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMoreEvaluationsPlanBetter(t *testing.T) {
	s := randomCluster(19, shape{brokers: 18, zones: 3, rf: 3, topics: 200, crowded: true})
	objective := func(evaluations int64) float64 {
		p := mustPlan(t, s, Options{Evaluations: evaluations})
		for _, m := range mistakesOf(s, p) {
			t.Errorf("%d evaluations: %s", evaluations, m)
		}
		if slack := int64(5000); p.Evaluations > evaluations+slack {
			t.Errorf("%d evaluations were allowed and %d made", evaluations, p.Evaluations)
		}
		return -p.GainPoints
	}
	first, better, best := objective(2000), objective(50_000), objective(1_000_000)
	if !(best < better && better < first) {
		t.Errorf("2,000 evaluations gain %v points, 50,000 %v, a million %v", -first, -better, -best)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(uint64(1), uint8(6), uint8(3), uint8(3), uint8(20), uint8(0))
	f.Add(uint64(2), uint8(9), uint8(2), uint8(3), uint8(30), uint8(0xff))
	f.Add(uint64(3), uint8(4), uint8(1), uint8(1), uint8(9), uint8(0x2a))
	f.Fuzz(func(t *testing.T, seed uint64, brokers, zones, rf, topics, flags uint8) {
		sh := shape{brokers: 2 + int(brokers)%14, topics: int(topics) % 40,
			uneven: flags&1 > 0, crowded: flags&2 > 0, brokenZones: flags&4 > 0, drifted: flags&8 > 0}
		sh.zones = 1 + int(zones)%sh.brokers
		sh.rf = 1 + int(rf)%min(5, sh.brokers)
		if flags&16 > 0 && sh.brokers > sh.rf+1 {
			sh.draining = 1
		}
		if flags&32 > 0 && sh.brokers > sh.rf+2 {
			sh.dead = 1
		}
		s := randomCluster(seed, sh)
		p := mustPlan(t, s, Options{LeadersOnly: flags&64 > 0, Evaluations: 20_000})
		if flags&64 == 0 && len(p.Violations) == 0 {
			for _, m := range mistakesOf(s, p) {
				t.Errorf("%+v seed %d: %s", sh, seed, m)
			}
		}
	})
}
