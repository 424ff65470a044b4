package policies

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
	"github.com/tidetable/tidetable/simulations/world"
)

// A fleet that is as large as its load needs is left alone at the first tick:
// every policy but static took its rate for zero and went down to the minimum.
// And what has been read and not committed shows as lag.
func TestNobodyTakesTheStartForALull(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	shape := cluster.Capacity{CPUCores: 8, NetworkInBytesPerSecond: 6e8, NetworkOutBytesPerSecond: 6e8, DiskBytes: 4e12, DiskBytesPerSecond: 8e8}
	c := world.Config{
		Start: start, Zones: []string{"a", "b", "c"}, Throttle: 5e7, NewShape: shape,
		Profiles: []*workload.Profile{{Name: "l", Start: start, Step: time.Hour, Values: []float64{1e7, 1e7}}},
		Topics:   []world.TopicSpec{{Name: "events", Partitions: 60, ReplicationFactor: 3, Scale: 1, Retention: time.Hour}},
		Groups: []world.GroupSpec{{Name: "a", Topics: []int{0}, PerReplica: 1000, Replicas: 14, Min: 2, MaxLag: time.Minute,
			CommitInterval: 5 * time.Second}},
		Times: world.Times{ConsumerStart: time.Minute},
	}
	for i := range 3 {
		c.Brokers = append(c.Brokers, world.BrokerSpec{Zone: c.Zones[i], Capacity: shape})
	}
	o := Options{End: start.Add(time.Hour), TargetCPU: 0.7}
	for _, p := range []Policy{NewReactive(o), NewHPA(o), NewKEDARate(o), NewKEDACron(o)} {
		w, err := world.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if g := w.Group(0); g.Lag < 2e4 || g.LagSeconds > 0 {
			t.Errorf("%.0f records are not committed, want 2.5 s of 10,000; %.0f s are not read", g.Lag, g.LagSeconds)
		}
		for range 20 {
			if err := p.Tick(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			w.Step()
		}
		if g := w.Group(0); g.Want < 13 || g.Want > 16 {
			t.Errorf("%s has %d replicas after 20 minutes of a load that needs 14 to 15", p.Name(), g.Want)
		}
	}
}
