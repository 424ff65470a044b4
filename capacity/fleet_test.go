package capacity

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// fleetSnapshot is alive brokers of so many terabytes in these zones, and a topic
// of RF 3 that stores so much in all and is written at in.
func fleetSnapshot(zones string, terabytes []float64, stored cluster.Bytes, in cluster.BytesPerSecond) cluster.Snapshot {
	s := cluster.Snapshot{}
	for k, tb := range terabytes {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: 10 + k, Zone: zones[k : k+1], State: cluster.BrokerAlive, Capacity: cluster.Capacity{
			CPUCores: 8, NetworkInBytesPerSecond: 1e8, NetworkOutBytesPerSecond: 1e9, DiskBytes: cluster.Bytes(tb * 1e12), DiskBytesPerSecond: 1e9}})
	}
	s.Topics = []cluster.Topic{{Name: "t", Partitions: []cluster.Partition{{Replicas: []int{10, 11, 12}, Leader: 10,
		Load: cluster.Load{BytesInPerSecond: in, SizeBytes: stored / 3, LeaderCPUCores: 0.1, FollowerCPUCores: 0.1}}}}}
	return s
}

func TestBrokersOfTwoSizesAreSizedByWhatTheyHaveTogether(t *testing.T) {
	m := Model{Limits: Limits{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7}, Survive: Loss{Zones: 1}}
	sizes := []float64{2, 2, 2, 8, 8, 8}
	// 15 of 30 TB are within 70 %: the six do. Without the largest, zone c would
	// hold its copy of 5 TB on a disk of 2.
	s := fleetSnapshot("abcabc", sizes, 15e12, 1e6)
	r := m.Size(DemandOf(s), FactsOf(s, nil))
	c := find(t, r, "disk")
	if r.Brokers != 6 || c.Utilisation != 0.5 {
		t.Errorf("%d brokers at %.2f: %s", r.Brokers, float64(c.Utilisation), c.Formula)
	}
	// 24 TB of 21 allowed: two more of the small ones, 1.4 TB each, do not; three do.
	s = fleetSnapshot("abcabc", sizes, 24e12, 1e6)
	if c = find(t, m.Size(DemandOf(s), FactsOf(s, nil)), "disk"); c.Brokers != 9 {
		t.Errorf("%d brokers: %s", c.Brokers, c.Formula)
	}
	// A figure that one of equal brokers lacks makes no difference.
	s = fleetSnapshot("abcabc", []float64{4, 4, 4, 4, 4, 4}, 12e12, 1e6)
	want := m.Size(DemandOf(s), FactsOf(s, nil)).Brokers
	s.Brokers[2].Capacity.DiskBytes = 0
	if got := m.Size(DemandOf(s), FactsOf(s, nil)); got.Brokers != want || !got.Complete {
		t.Errorf("%d brokers, want %d", got.Brokers, want)
	}
	// Losing a broker loses the largest.
	m.Survive = Loss{Brokers: 1}
	s = fleetSnapshot("abcabc", sizes, 15e12, 1e6)
	if c = find(t, m.Size(DemandOf(s), FactsOf(s, nil)), "disk"); c.Brokers != 6 {
		t.Errorf("22 TB are left at 70 %% for 15 TB: %s", c.Formula)
	}
	s = fleetSnapshot("abcabc", sizes, 17e12, 1e6)
	if c = find(t, m.Size(DemandOf(s), FactsOf(s, nil)), "disk"); c.Brokers <= 6 {
		t.Errorf("17 TB on 22: %s", c.Formula)
	}
}

func TestEachZoneHoldsAWholeCopy(t *testing.T) {
	m := Model{Limits: Limits{NetworkIn: 0.7}, Survive: Loss{Zones: 1}}
	equal := []float64{4, 4, 4, 4, 4, 4}
	// 80 MB/s arrive in every zone; a broker takes 70. Six would do in zones of two.
	s := fleetSnapshot("aaaabc", equal, 1e9, 80e6)
	c := find(t, m.Size(DemandOf(s), FactsOf(s, nil)), "networkIn")
	if c.Brokers != 8 || !strings.Contains(c.Formula, "zone b needs a broker, zone c needs a broker") {
		t.Errorf("%d brokers: %s", c.Brokers, c.Formula)
	}
	even := fleetSnapshot("abcabc", equal, 1e9, 80e6)
	if c := find(t, m.Size(DemandOf(even), FactsOf(even, nil)), "networkIn"); c.Brokers != 6 {
		t.Errorf("in even zones %d brokers: %s", c.Brokers, c.Formula)
	}
	// With fewer replicas than zones nothing must be anywhere.
	s.Topics[0].Partitions[0].Replicas = []int{10, 14}
	if c := find(t, m.Size(DemandOf(s), FactsOf(s, nil)), "networkIn"); strings.Contains(c.Formula, "zone") {
		t.Error(c.Formula)
	}
}

func TestSmallerBrokersHoldFewerReplicas(t *testing.T) {
	s := fleetSnapshot("abcabc", []float64{4, 4, 4, 4, 4, 4}, 1e9, 1e6)
	for i := range s.Brokers[:3] {
		s.Brokers[i].Capacity.CPUCores = 2 // of 8
	}
	d := DemandOf(s)
	d.Replicas = 3700 // 3 × 1,000 and 3 × 250 are 3,750
	m := Model{MaxReplicasPerBroker: 1000}
	if c := find(t, m.Size(d, FactsOf(s, nil)), "partitions"); c.Brokers != 6 {
		t.Errorf("%d brokers: %s", c.Brokers, c.Formula)
	}
	d.Replicas = 4200 // 450 more: two small ones
	if c := find(t, m.Size(d, FactsOf(s, nil)), "partitions"); c.Brokers != 8 {
		t.Errorf("%d brokers: %s", c.Brokers, c.Formula)
	}
}

// More load never needs fewer brokers, and brokers that have the room for a load are
// not too few for it, whatever their sizes and zones.
func TestUnlikeBrokersAreSizedMonotonously(t *testing.T) {
	limits := Limits{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		n := 3 + rng.IntN(8)
		zones, sizes := "", make([]float64, n)
		for k := range sizes {
			sizes[k] = float64(1 + rng.IntN(4))
			zones += string("abcd"[rng.IntN(1+rng.IntN(4))])
		}
		m := Model{Limits: limits, Survive: Loss{Zones: rng.IntN(2), Brokers: rng.IntN(2)}}
		if m.Survive.Zones > 0 {
			m.Survive.Brokers = 0
		}
		last := 0
		for stored := 1e11; stored < 1e14; stored *= 1.7 {
			s := fleetSnapshot(zones, sizes, cluster.Bytes(stored), cluster.BytesPerSecond(stored/1e6))
			r := m.Size(DemandOf(s), FactsOf(s, nil))
			if r.Brokers < last {
				t.Fatalf("world %d: %d brokers for %.3g B, %d for less: %s", seed, r.Brokers, stored, last, r.Explain())
			}
			last = r.Brokers
			if c := find(t, r, "disk"); c.Brokers <= n && c.Utilisation > 0.7 {
				t.Fatalf("world %d: %d of %d brokers do at %.2f: %s", seed, c.Brokers, n, float64(c.Utilisation), c.Formula)
			}
		}
	}
}
