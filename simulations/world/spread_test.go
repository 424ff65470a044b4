package world

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
)

// A comparison with policies whose brokers are spread badly is a comparison of
// planners: the plain operator's spread leaves every resource within a tenth of
// even, from the start and after a cluster more than doubled.
func TestTheGreedySpreadIsEven(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	c := Config{
		Start: start, Zones: []string{"a", "b", "c"}, Throttle: 1e9,
		NewShape: cluster.Capacity{CPUCores: 8, NetworkInBytesPerSecond: 6e8, NetworkOutBytesPerSecond: 6e8, DiskBytes: 4e12,
			DiskBytesPerSecond: 8e8},
		Profiles: []*workload.Profile{{Name: "l", Start: start, Step: time.Hour, Values: []float64{1e8, 1e8}}},
		Topics:   []TopicSpec{{Name: "events", Partitions: 120, ReplicationFactor: 3, Scale: 1, Retention: 6 * time.Hour}},
		Groups:   []GroupSpec{{Name: "a", Topics: []int{0}, PerReplica: 1e4, Replicas: 20}},
	}
	for i := range 12 {
		c.Brokers = append(c.Brokers, BrokerSpec{Zone: c.Zones[i%3], Capacity: c.NewShape})
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{12, 30, 18} {
		if err := w.SetBrokers(size, "test"); err != nil && size > 12 {
			w.moveAll(t, size) // drained first
			if err := w.SetBrokers(size, "test"); err != nil {
				t.Fatal(err)
			}
		}
		w.moveAll(t, size)
		mean, most := 0.0, 0.0
		for i := range w.place.brokers {
			u := w.place.brokers[i].use.cpu
			mean += u / float64(size)
			most = max(most, u)
		}
		if most > 1.1*mean {
			t.Errorf("of %d brokers the fullest uses %.2f times the mean's CPU", size, most/mean)
		}
		seen := observed(t, w)
		hot := cluster.Hottest(seen.BrokerLoads())
		if hot.Over > 0.1 {
			t.Errorf("of %d brokers %d carries %.0f %% too much %s", size, hot.ID, 100*hot.Over, hot.Resource)
		}
	}
}

// moveAll spreads over so many brokers, and waits for the moves.
func (w *World) moveAll(t *testing.T, keep int) {
	t.Helper()
	for range 5 { // until they are alive
		w.Step()
	}
	if err := w.Spread(keep); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		w.Step()
		if busy, _ := w.Moving(); !busy {
			break
		}
	}
	w.Step()
}

func observed(t *testing.T, w *World) cluster.Snapshot {
	t.Helper()
	s, err := w.Observer().Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
