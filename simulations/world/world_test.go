package world

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

var shape = cluster.Capacity{CPUCores: 16, NetworkInBytesPerSecond: 1.25e9, NetworkOutBytesPerSecond: 1.25e9, DiskBytes: 4e12,
	DiskBytesPerSecond: 5e8}

func generated(brokers, topics, partitions int, ticks time.Duration) Config {
	zones := []string{"a", "b", "c"}
	c := Config{ClusterID: "sim", Start: start, Tick: time.Minute, Zones: zones, NewShape: shape, Throttle: 100e6,
		Times: Times{PodStart: time.Minute, BrokerJoin: time.Minute, ConsumerStart: 30 * time.Second, RebalancePause: 10 * time.Second}}
	for i := range brokers {
		c.Brokers = append(c.Brokers, BrokerSpec{zones[i%3], shape})
	}
	for i := range 4 {
		s := workload.Shape{Base: 1, Day: 0.5, Week: 0.2, Noise: 0.02, Memory: 0.8, Phase: time.Duration(i) * time.Hour}
		c.Profiles = append(c.Profiles, s.Generate("p", start, 5*time.Minute, int(ticks/(5*time.Minute))+2, uint64(i)))
	}
	for i := range topics {
		c.Topics = append(c.Topics, TopicSpec{Name: "t" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Partitions: partitions / topics,
			ReplicationFactor: 3, MinISR: 2,
			Profile: i % 4, Scale: float64(brokers) * 5e6 / float64(topics), Retention: 24 * time.Hour, MessageBytes: 1000})
	}
	for i := range 3 {
		g := GroupSpec{Name: "g", PerReplica: 5000, Replicas: 20, MaxLag: time.Minute}
		for j := i; j < topics; j += 3 {
			g.Topics = append(g.Topics, j)
		}
		c.Groups = append(c.Groups, g)
	}
	return c
}

func BenchmarkYearOf50BrokersAnd5000Partitions(b *testing.B) {
	w, err := New(generated(50, 50, 5000, 365*24*time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		w.Step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*525600/1e9, "s/year")
	b.Logf("%+v %+v", w.Seen(), w.Totals)
}
