package observe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fakeKafka struct {
	s   cluster.Snapshot
	err error
}

func (f *fakeKafka) Placement(context.Context) (cluster.Snapshot, error) { return f.s, f.err }

type fakeMetrics struct {
	points map[metrics.Signal][]metrics.Point
	err    error
	asked  int
}

func (f *fakeMetrics) Read(_ context.Context, s metrics.Signal, _ time.Time) ([]metrics.Point, error) {
	f.asked++
	return f.points[s], f.err
}

// lockedMetrics is fakeMetrics without the count, for concurrent reads.
type lockedMetrics map[metrics.Signal][]metrics.Point

func (l lockedMetrics) Read(_ context.Context, s metrics.Signal, _ time.Time) ([]metrics.Point, error) {
	return l[s], nil
}

func point(v float64, labels ...string) metrics.Point {
	p := metrics.Point{Labels: metrics.Labels{}, Time: noon, Value: v}
	for i := 0; i < len(labels); i += 2 {
		p.Labels[labels[i]] = labels[i+1]
	}
	return p
}

func threeBrokers() cluster.Snapshot {
	s := cluster.Snapshot{ClusterID: "c"}
	for i := range 3 {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: i, Zone: string(rune('a' + i)), State: cluster.BrokerAlive})
	}
	s.Topics = []cluster.Topic{{Name: "orders", Config: map[string]string{}, Partitions: []cluster.Partition{
		{Partition: 0, Replicas: []int{0, 1}, ISR: []int{0, 1}, Leader: 0, Load: cluster.Load{SizeBytes: 300}},
		{Partition: 1, Replicas: []int{1, 2}, ISR: []int{1, 2}, Leader: 1, Load: cluster.Load{SizeBytes: 100}},
	}}}
	s.Groups = []cluster.Group{{Name: "billing", ZonesOfMembers: map[string]int{"a": 1},
		Partitions: []cluster.GroupPartition{{Topic: "orders", Partition: 0, Lag: 5}, {Topic: "orders", Partition: 1, Lag: 6}}}}
	return s
}

func everything() lockedMetrics {
	all := lockedMetrics{
		metrics.TopicBytesIn:    {point(4000, "topic", "orders")},
		metrics.TopicBytesOut:   {point(8000, "topic", "orders")},
		metrics.TopicMessagesIn: {point(40, "topic", "orders")},
		metrics.GroupConsumed: {point(30, "group", "billing", "topic", "orders", "partition", "0"),
			point(9, "group", "billing", "topic", "orders", "partition", "1")},
		metrics.BrokerContainerCPULimit: {point(8, "broker", "0"), point(8, "broker", "1"), point(8, "broker", "2")},
	}
	for b := range 3 {
		id := fmt.Sprint(b)
		for signal, v := range map[metrics.Signal]float64{metrics.BrokerBytesIn: 1000, metrics.BrokerBytesOut: 2000,
			metrics.BrokerReplicationIn: 10, metrics.BrokerReplicationOut: 20, metrics.BrokerCPU: 1.5,
			metrics.BrokerRequestHandlerIdle: 0.9, metrics.BrokerUnderReplicated: 0} {
			all[signal] = append(all[signal], point(v, "broker", id))
		}
	}
	return all
}

func observe(t *testing.T, o *Observer) cluster.Snapshot {
	t.Helper()
	s, err := o.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatalf("the snapshot is not valid: %v", err)
	}
	return s
}

func staleNames(s cluster.Snapshot) string {
	var names []string
	for _, x := range s.Stale {
		names = append(names, string(x.Signal))
	}
	return strings.Join(names, " ")
}

func reason(s cluster.Snapshot, signal cluster.Signal) string {
	for _, x := range s.Stale {
		if x.Signal == signal {
			return x.Reason
		}
	}
	return ""
}

func clock() time.Time { return noon }

func TestNothingIsStaleWhenBothSourcesTellEverything(t *testing.T) {
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: everything(), Now: clock})
	if len(s.Stale) != 0 {
		t.Errorf("stale: %+v", s.Stale)
	}
	if u := s.Brokers[0].Usage; u == nil || u.NetworkInBytesPerSecond != 1010 || u.NetworkOutBytesPerSecond != 2020 ||
		u.RequestHandlerIdle != 0.9 {
		t.Errorf("usage %+v", u)
	}
	if s.Brokers[2].Capacity.CPUCores != 8 || !s.TakenAt.Equal(noon) || s.Version != 1 {
		t.Errorf("snapshot %+v", s)
	}
	if g := s.Groups[0].Partitions; g[0].Lag != 5 || g[0].ConsumedPerSecond != 30 || g[1].ConsumedPerSecond != 9 {
		t.Errorf("group %+v", g)
	}
}

func TestATopicsRateIsSharedByTheBestMeasureThereIs(t *testing.T) {
	partition := func(v float64, n string) metrics.Point { return point(v, "topic", "orders", "partition", n) }
	for _, c := range []struct {
		name  string
		extra lockedMetrics
		want  float64 // share of partition 0
	}{
		{"by size when nothing else is known", nil, 0.75},
		{"by records", lockedMetrics{metrics.PartitionMessagesIn: {partition(10, "0"), partition(30, "1")}}, 0.25},
		{"by bytes", lockedMetrics{metrics.PartitionMessagesIn: {partition(10, "0"), partition(30, "1")},
			metrics.PartitionBytesIn: {partition(9, "0"), partition(1, "1")}}, 0.9},
	} {
		m := everything()
		for signal, p := range c.extra {
			m[signal] = p
		}
		s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock})
		p := s.Topics[0].Partitions
		if got := float64(p[0].Load.BytesInPerSecond) / 4000; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: share %v, want %v", c.name, got, c.want)
		}
		if sum := p[0].Load.BytesInPerSecond + p[1].Load.BytesInPerSecond; math.Abs(float64(sum)-4000) > 1e-6 {
			t.Errorf("%s: the shares add up to %v, want 4000", c.name, sum)
		}
	}
	even := threeBrokers()
	even.Topics[0].Partitions[0].Load.SizeBytes = 0
	even.Topics[0].Partitions[1].Load.SizeBytes = 0
	s := observe(t, &Observer{Kafka: &fakeKafka{s: even}, Metrics: everything(), Now: clock})
	if got := s.Topics[0].Partitions[1].Load.BytesInPerSecond; got != 2000 {
		t.Errorf("evenly: %v, want 2000", got)
	}
}

func TestMeasuredCPUIsSharedOutInFull(t *testing.T) {
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: everything(), Now: clock})
	total := 0.0
	for _, p := range s.Topics[0].Partitions {
		if p.Load.LeaderCPUCores <= p.Load.FollowerCPUCores || p.Load.FollowerCPUCores <= 0 {
			t.Errorf("leader %v, follower %v", p.Load.LeaderCPUCores, p.Load.FollowerCPUCores)
		}
		total += float64(p.Load.LeaderCPUCores) + float64(len(p.Replicas)-1)*float64(p.Load.FollowerCPUCores)
	}
	if math.Abs(total-3*1.5) > 1e-9 {
		t.Errorf("the shares add up to %v cores, want 4.5", total)
	}
}

func TestWithoutPrometheusEverySignalItTellsIsNamed(t *testing.T) {
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Now: clock})
	const want = "broker_bytes_in broker_bytes_out broker_cpu broker_replication_in broker_replication_out " +
		"broker_request_handler_idle group_consumed topic_bytes_in topic_bytes_out topic_messages_in"
	if got := staleNames(s); got != want {
		t.Errorf("stale\n%s, want\n%s", got, want)
	}
	if got := reason(s, "topic_bytes_in"); got != "no Prometheus was given" {
		t.Errorf("reason %q", got)
	}
	if s.Topics[0].Partitions[0].Load.SizeBytes != 300 || s.Groups[0].Partitions[0].Lag != 5 {
		t.Error("what Kafka said is lost")
	}
}

func TestASourceThatFailsIsAskedOnceAndRememberedFromBefore(t *testing.T) {
	good := everything()
	o := &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: good, Now: clock}
	observe(t, o)
	bad := &fakeMetrics{err: fmt.Errorf("asking http://p: %w: connection refused", metrics.ErrSource)}
	o.Metrics = bad
	o.Now = func() time.Time { return noon.Add(time.Minute) }
	s := observe(t, o)
	if bad.asked != 1 {
		t.Errorf("asked %d times, want once", bad.asked)
	}
	if len(s.Stale) == 0 || !strings.Contains(reason(s, "broker_cpu"), "connection refused") {
		t.Errorf("stale %+v", s.Stale)
	}
	for _, x := range s.Stale {
		if !x.LastSeen.Equal(noon) {
			t.Errorf("%s was last seen %s, want %s", x.Signal, x.LastSeen, noon)
		}
	}
}

func TestABrokerThatIsNoLongerScrapedMakesTheSumsStale(t *testing.T) {
	m := everything()
	for _, signal := range []metrics.Signal{metrics.BrokerBytesIn, metrics.BrokerCPU} {
		m[signal] = m[signal][:2]
	}
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock})
	if got := staleNames(s); got != "broker_bytes_in broker_cpu topic_bytes_in" {
		t.Errorf("stale %s", got)
	}
	for _, x := range s.Stale {
		want := cluster.CauseMissing
		if x.Signal == metrics.TopicBytesIn {
			want = cluster.CausePartial
		}
		if x.Cause != want || !slices.Equal(x.Brokers, []int{2}) || !strings.Contains(x.Reason, "no series for broker 2") {
			t.Errorf("%+v; want it %s of broker 2", x, want)
		}
	}
}

func TestAnotherClustersMetricsAreNoticed(t *testing.T) {
	m := everything()
	m[metrics.TopicBytesIn] = []metrics.Point{point(1, "topic", "elsewhere")}
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock})
	if got := reason(s, "topic_bytes_in"); !strings.Contains(got, "is the selector right?") {
		t.Errorf("reason %q", got)
	}
}

func TestWhenKafkaFailsItsLastPlacementStaysAndIsStale(t *testing.T) {
	k := &fakeKafka{s: threeBrokers()}
	o := &Observer{Kafka: k, Metrics: everything(), Now: clock}
	observe(t, o)
	k.err = errors.New("reading Kafka at b:9092: nobody answers")
	s := observe(t, o)
	if len(s.Brokers) != 3 || s.Brokers[0].Usage.NetworkInBytesPerSecond != 1010 {
		t.Errorf("brokers %+v", s.Brokers)
	}
	if got := reason(s, "placement"); !strings.Contains(got, "nobody answers") {
		t.Errorf("placement is stale because %q", got)
	}
}

func TestAPlacementIsDerivedFromReplicaSizesWithoutKafka(t *testing.T) {
	m := everything()
	replica := func(v float64, broker, partition string) metrics.Point {
		return point(v, "broker", broker, "topic", "orders", "partition", partition)
	}
	m[metrics.ReplicaSize] = []metrics.Point{replica(299, "0", "0"), replica(300, "1", "0"), replica(100, "1", "1"), replica(100, "2", "1")}
	m[metrics.PartitionLeader] = []metrics.Point{replica(1, "1", "0")}
	m[metrics.BrokerZone] = []metrics.Point{point(1, "broker", "0", "zone", "a"), point(1, "broker", "1", "zone", "b")}
	m[metrics.PartitionSize] = []metrics.Point{point(300, "topic", "orders", "partition", "0"),
		point(100, "topic", "orders", "partition", "1")}
	m[metrics.BrokerDiskUsed] = []metrics.Point{point(299, "broker", "0"), point(400, "broker", "1"), point(100, "broker", "2")}
	m[metrics.GroupLag] = []metrics.Point{point(7, "group", "billing", "topic", "orders", "partition", "0")}
	s := observe(t, &Observer{Metrics: m, Now: clock})
	p := s.Topics[0].Partitions
	if fmt.Sprint(p[0].Replicas, p[0].Leader, p[1].Replicas, p[1].Leader) != "[1 0] 1 [1 2] -1" {
		t.Errorf("partitions %+v", p)
	}
	if s.Brokers[1].Zone != "b" || s.Brokers[1].Usage.DiskBytes != 400 || s.Groups[0].Partitions[0].Lag != 7 {
		t.Errorf("snapshot %+v", s)
	}
	if got := staleNames(s); got != "broker_disk_capacity isr placement topic_configs" {
		t.Errorf("stale %s", got)
	}
}

func TestObserveFailsOnlyWhenNobodySaysAnything(t *testing.T) {
	o := &Observer{Kafka: &fakeKafka{err: errors.New("nobody answers at b:9092")},
		Metrics: &fakeMetrics{err: fmt.Errorf("%w: 401", metrics.ErrSource)}, Now: clock}
	_, err := o.Observe(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nobody answers at b:9092") || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
}
