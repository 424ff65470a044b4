package rebalance

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

func TestEachGoalCountsWhatItSays(t *testing.T) {
	l := cluster.Load{BytesInPerSecond: 10, BytesOutPerSecond: 30, LeaderCPUCores: 0.5, FollowerCPUCores: 0.2, SizeBytes: 1000}
	c := cluster.Capacity{CPUCores: 4, NetworkInBytesPerSecond: 100, NetworkOutBytesPerSecond: 200, DiskBytes: 5000}
	for _, want := range []struct {
		g                          goal
		capacity, follower, leader float64
	}{
		{cpuGoal, 4, 0.2, 0.3},
		{networkInGoal, 100, 10, 0},
		{networkOutGoal, 200, 0, 50}, // consumers and two followers
		{diskGoal, 5000, 1000, 0},
		{replicasGoal, 4, 1, 0},
		{leadersGoal, 4, 0, 1},
	} {
		if got := want.g.capacity(c); got != want.capacity {
			t.Errorf("%s: capacity %v, want %v", want.g.name, got, want.capacity)
		}
		if got := want.g.follower(l); math.Abs(got-want.follower) > 1e-12 {
			t.Errorf("%s: follower %v, want %v", want.g.name, got, want.follower)
		}
		if got := want.g.leader(l, 3); math.Abs(got-want.leader) > 1e-12 {
			t.Errorf("%s: leader %v, want %v", want.g.name, got, want.leader)
		}
	}
	sum := 0.0
	for _, g := range goals {
		sum += g.weight
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the weights add up to %v", sum)
	}
	for name, at := range map[string]int{"cpu": cpuIndex, "networkIn": networkInIndex, "networkOut": networkOutIndex,
		"disk": diskIndex, "replicas": replicasIndex, "leaders": leadersIndex} {
		if goals[at].name != name {
			t.Errorf("goal %d is %s, not %s", at, goals[at].name, name)
		}
	}
}

func TestTheSurrogateTouchesTheObjectiveFromAbove(t *testing.T) {
	xs := []float64{0.4, 1.7, 1.2, 1.69, 0.9}
	for _, k := range []float64{1, 10, 100, 1e4} {
		m := softTop(slices.Clone(xs), k)
		sum, excess := 0.0, 0.0
		for _, x := range xs {
			if x > m {
				sum += k * (x - m)
				excess += (x - m) * (x - m)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("sharpness %v: the slopes add up to %v, not 1", k, sum)
		}
		if soft := m + k/2*excess; soft > 1.7+1e-9 || soft < 1.7-1 && k > 1 {
			t.Errorf("sharpness %v: %v is not near the maximum 1.7", k, soft)
		}
	}
}

func TestZonesThatHoldOneReplicaOfEachHaveTheirOwnIdeal(t *testing.T) {
	s := randomCluster(1, shape{brokers: 4, zones: 2, rf: 2, topics: 10})
	for i := range s.Brokers {
		s.Brokers[i].Zone = "large"
	}
	s.Brokers[0].Zone = "small" // one broker must hold as much as the other three
	p := newProblem(s, Options{})
	small, large := p.ideal[0*p.nd+diskIndex], p.ideal[1*p.nd+diskIndex]
	if math.Abs(small-3*large) > 1e-9*small {
		t.Errorf("ideals %v and %v, want three to one", small, large)
	}
}

func TestReplicationFactorChangesOnlyWhereAsked(t *testing.T) {
	s := randomCluster(20, shape{brokers: 9, zones: 3, rf: 2, topics: 20})
	for _, factor := range []int{1, 3, 4} {
		p := mustPlan(t, s, Options{ReplicationFactors: []ReplicationFactor{{regexp.MustCompile("^topic-00"), factor}}})
		zone := map[int]string{}
		for _, b := range s.Brokers {
			zone[b.ID] = b.Zone
		}
		for _, topic := range carryOut(s, p).Topics {
			want := 2
			if strings.HasPrefix(topic.Name, "topic-00") {
				want = factor
			}
			for _, q := range topic.Partitions {
				zones := map[string]bool{}
				for _, b := range q.Replicas {
					zones[zone[b]] = true
				}
				if len(q.Replicas) != want || len(zones) != min(want, 3) {
					t.Errorf("factor %d: %s-%d ends on %v", factor, topic.Name, q.Partition, q.Replicas)
				}
			}
		}
		for _, b := range p.Brokers {
			if b.ID < 0 {
				t.Errorf("factor %d: the plan shows broker %d", factor, b.ID)
			}
		}
	}
	if _, err := (Planner{}).Plan(t.Context(), s, Options{ReplicationFactors: []ReplicationFactor{{regexp.MustCompile("."),
		10}}}); err == nil {
		t.Error("ten replicas on nine brokers are accepted")
	}
}

func TestTheWorstHourIsEvenNotOnlyTheMean(t *testing.T) {
	// Half the topics peak by day, half by night; by day-topics alone the first
	// brokers are twice as busy, though every broker's mean is the same.
	s := randomCluster(21, shape{brokers: 6, zones: 1, rf: 1, topics: 0})
	csv := "topic,hour,multiplier\n"
	for n := range 24 {
		name := fmt.Sprintf("t%02d", n)
		b := n%6 + 1
		topic := cluster.Topic{Name: name}
		for i := range 4 {
			topic.Partitions = append(topic.Partitions, cluster.Partition{Partition: i, Replicas: []int{b}, ISR: []int{b}, Leader: b,
				Load: cluster.Load{BytesInPerSecond: 2e7, BytesOutPerSecond: 4e7, LeaderCPUCores: 0.2, FollowerCPUCores: 0.1, SizeBytes: 1e10}})
		}
		s.Topics = append(s.Topics, topic)
		for h := range 24 {
			m := 0.2
			if (b <= 3) == (h >= 6 && h < 18) {
				m = 1.8
			}
			csv += fmt.Sprintf("%s,%d,%v\n", name, h, m)
		}
	}
	if p := mustPlan(t, s, Options{}); len(p.Moves) != 0 {
		t.Fatalf("the mean is even and still %d partitions move", len(p.Moves))
	}
	o, err := ReadForecast(strings.NewReader(csv), s, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	p := mustPlan(t, s, Options{Forecast: &o})
	name := "networkOut@06:00–12:00"
	before, after := p.Before.Resources[name].MaxOverAvg, p.After.Resources[name].MaxOverAvg
	if before < 1.7 || after > 1.15 {
		t.Errorf("by day the busiest broker is %.2f of the average before and %.2f after", before, after)
	}
}

func TestForecastMistakesAreOneLine(t *testing.T) {
	s := randomCluster(22, shapes[0])
	for text, want := range map[string]string{
		"":                              "the file is empty",
		"a,b\n":                         "line 1: the header",
		"topic,hour,multiplier\nx,24,1": "line 2: hour",
		"topic,hour,multiplier\nx,2,-1": "line 2: multiplier",
		"topic,hour,multiplier\nx,2":    "wrong number of fields",
		"column,origin,time,quantile,value\nx,now,2026-01-01T00:00:00Z,0.5,1":                  "line 2: origin",
		"column,origin,time,quantile,value\nx,2026-01-01T00:00:00Z,2026-01-01T00:00:00Z,1.5,1": "line 2: quantile",
		"column,origin,time,quantile,value\n":                                                  "there is no row",
	} {
		_, err := ReadForecast(strings.NewReader(text), s, 0.95)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v; want %q", text, err, want)
		}
	}
}

func TestPredictionsAreRelatedToTheSnapshot(t *testing.T) {
	s := randomCluster(23, shape{brokers: 3, zones: 3, rf: 1, topics: 2})
	now := 0.0
	for _, q := range s.Topics[0].Partitions {
		now += float64(q.Load.BytesInPerSecond)
	}
	text := "column,origin,time,quantile,value\n"
	for h := range 24 {
		text += fmt.Sprintf("topic-000,%d,%d,0.5,%v\n", 0, h*3600, now) // an older origin
		text += fmt.Sprintf("topic-000,%d,%d,0.5,%v\n", 3600, h*3600, now)
		text += fmt.Sprintf("topic-000,%d,%d,0.9,%v\n", 3600, h*3600, now*float64(1+h))
	}
	o, err := ReadForecast(strings.NewReader(text), s, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, b := range o.Blocks {
		got = append(got, math.Round(b.of("topic-000")))
	}
	if want := []float64{6, 12, 18, 24}; !slices.Equal(got, want) {
		t.Errorf("multipliers %v, want %v", got, want)
	}
	if m := o.Blocks[0].of("topic-001"); m != 1 {
		t.Errorf("a topic without a forecast gets %v", m)
	}
}

func FuzzReadForecast(f *testing.F) {
	f.Add("topic,hour,multiplier\nx,2,1\n")
	f.Add("column,origin,time,quantile,value\ntopic-000,0,3600,0.5,1e6\n*,0,9223372036854775807,0.9,1\n")
	s := randomCluster(24, shape{brokers: 3, zones: 3, rf: 1, topics: 2})
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ReadForecast(strings.NewReader(text), s, 0.95)
		if err == nil && len(o.Blocks) != forecastBlocks {
			t.Errorf("%d blocks", len(o.Blocks))
		}
	})
}

func TestLeadersGoWhereConsumersAre(t *testing.T) {
	s := randomCluster(25, shape{brokers: 9, zones: 3, rf: 3, topics: 60, crowded: true})
	for ti := 0; ti < len(s.Topics); ti += 2 {
		g := cluster.Group{Name: fmt.Sprint("g", ti), ZonesOfMembers: map[string]int{fmt.Sprint("zone-", ti%3): 2}}
		for _, q := range s.Topics[ti].Partitions {
			g.Partitions = append(g.Partitions, cluster.GroupPartition{Topic: s.Topics[ti].Name, Partition: q.Partition})
		}
		s.Groups = append(s.Groups, g)
	}
	without := mustPlan(t, s, Options{Locality: &Locality{Points: 1e-9}})
	with := mustPlan(t, s, Options{Locality: &Locality{PricePerGigabyte: 0.01}})
	for _, m := range mistakesOf(s, with) {
		t.Error(m)
	}
	l := with.Locality
	if l.SavedBytesPerSecond <= 0 || l.SavedCostPer30Days <= 0 || l.CrossingAfter > l.CrossingBefore/2 {
		t.Errorf("got %+v", *l)
	}
	if l.CrossingAfter >= without.Locality.CrossingAfter {
		t.Errorf("%v crosses with locality, %v without", l.CrossingAfter, without.Locality.CrossingAfter)
	}
	// A group with members in two zones, or whose zone holds no broker, is at
	// home nowhere.
	s.Groups[0].ZonesOfMembers["zone-1"] = 1
	s.Groups[1].ZonesOfMembers = map[string]int{"elsewhere": 1}
	p := newProblem(s, Options{})
	p.findLocality(s, &Locality{})
	for i := range p.local.home {
		if name := s.Topics[p.topic[i]].Name; p.local.home[i] >= 0 && (name == s.Topics[0].Name || name == s.Topics[2].Name) {
			t.Errorf("%s is at home in zone %d", name, p.local.home[i])
		}
	}
}

func TestPartitionAdviceSaysHowManyAndWhatBreaks(t *testing.T) {
	s := cluster.Snapshot{Topics: []cluster.Topic{
		{Name: "busy", Config: map[string]string{"cleanup.policy": "compact"}, Partitions: []cluster.Partition{
			{Load: cluster.Load{BytesInPerSecond: 25e6, BytesOutPerSecond: 30e6}}, {Partition: 1, Load: cluster.Load{BytesInPerSecond: 20e6}}}},
		{Name: "calm", Partitions: []cluster.Partition{{}}},
		{Name: "many-readers", Partitions: []cluster.Partition{{}, {Partition: 1}}},
		{Name: "__internal", Internal: true, Partitions: []cluster.Partition{{Load: cluster.Load{BytesInPerSecond: 1e9}}}},
	}, Groups: []cluster.Group{{Name: "g", Members: 5,
		Partitions: []cluster.GroupPartition{{Topic: "many-readers"}, {Topic: "many-readers", Partition: 1}}}}}
	got := advisePartitions(s, nil, PartitionLimits{})
	if len(got) != 2 || got[0].Topic != "busy" || got[0].Wanted != 5 || got[1].Topic != "many-readers" || got[1].Wanted != 5 {
		t.Fatalf("got %+v", got)
	}
	if !strings.Contains(got[0].Breaks, "compacted") || strings.Contains(got[1].Breaks, "compacted") ||
		!strings.Contains(got[1].Breaks, "order") {
		t.Errorf("got %q and %q", got[0].Breaks, got[1].Breaks)
	}
	o := &Forecast{Blocks: []ForecastBlock{{Multiplier: map[string]float64{"busy": 2}}}}
	if got := advisePartitions(s, o, PartitionLimits{}); got[0].Wanted != 9 {
		t.Errorf("at twice the rate %d partitions, want 9", got[0].Wanted)
	}
}

func TestReassignmentRoundTrip(t *testing.T) {
	moves := []cluster.Move{
		{Topic: "a\"b", Partition: 3, From: []int{1, 2}, To: []int{2, 3}},
		{Topic: "c", Partition: 0, From: []int{1}, To: []int{4}},
	}
	var b bytes.Buffer
	if err := WriteReassignment(&b, moves); err != nil {
		t.Fatal(err)
	}
	got, err := ReadReassignment(&b)
	want := []Reassignment{{"a\"b", 3, []int{2, 3}}, {"c", 0, []int{4}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	b.Reset()
	if err := WriteReassignment(&b, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadReassignment(&b); err != nil || len(got) != 0 {
		t.Errorf("an empty plan reads as %v, %v", got, err)
	}
}

func TestReassignmentMistakes(t *testing.T) {
	of := func(partitions string) string { return `{"version":1,"partitions":[` + partitions + `]}` }
	one := `{"topic":"t","partition":0,"replicas":[1]}`
	for text, want := range map[string]string{
		`{"version":2,"partitions":[]}`:                    "version: 2 is not 1",
		of(one + "," + one):                                "partitions[1]: t-0 is there twice",
		of(`{"topic":"t","partition":0,"replicas":[1,1]}`): "replicas[1]: t-0 is on broker 1 twice",
		of(`{"partition":0,"replicas":[1]}`):               "partitions[0].topic: is missing",
		of(`{"topic":"t","partition":0}`):                  "replicas: t-0 has none",
		`{"version":1,`:                                    "unexpected EOF",
	} {
		_, err := ReadReassignment(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
}

func FuzzReadReassignment(f *testing.F) {
	f.Add(`{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadReassignment(strings.NewReader(text))
		if err != nil {
			return
		}
		var moves []cluster.Move
		for _, r := range got {
			moves = append(moves, cluster.Move{Topic: r.Topic, Partition: r.Partition, To: r.Replicas})
		}
		var b bytes.Buffer
		if err := WriteReassignment(&b, moves); err != nil {
			t.Fatal(err)
		}
		again, err := ReadReassignment(&b)
		if err != nil || len(again) != len(got) {
			t.Fatalf("read %v, wrote and read %v, %v", got, again, err)
		}
	})
}
