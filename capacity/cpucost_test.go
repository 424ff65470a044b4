package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// measured is a cluster whose brokers use what the given costs say, give or
// take noise; uneven loads its brokers unlike each other.
func measured(brokers int, truth [4]float64, uneven bool, noise float64) cluster.Snapshot {
	rng := rand.New(rand.NewPCG(1, 2))
	s := cluster.Snapshot{}
	for id := range brokers {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: id, State: cluster.BrokerAlive, Usage: &cluster.Usage{CPUCores: 1}})
	}
	t := cluster.Topic{Name: "t"}
	for p := range brokers * 4 {
		in, out := 5e6, 10e6
		if uneven {
			in, out = 10e6*rng.Float64(), 40e6*rng.Float64()*rng.Float64()
		}
		t.Partitions = append(t.Partitions, cluster.Partition{Partition: p,
			Replicas: []int{p % brokers, (p + 1) % brokers, (p + 2) % brokers}, Leader: p % brokers,
			Load: cluster.Load{BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(out)}})
	}
	s.Topics = []cluster.Topic{t}
	for i, b := range cpuSamples(s) {
		cores := 0.0
		for k, x := range b.did {
			cores += truth[k] * x
		}
		s.Brokers[i].Usage.CPUCores = cluster.Cores(cores * (1 + noise*rng.NormFloat64()))
	}
	return s
}

func near(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want) }

func TestCPUCostsAreFoundWhereBrokersDiffer(t *testing.T) {
	truth := [4]float64{0.4, 4e-8, 1e-8, 2e-8}
	c := cpuCostOf(measured(60, truth, true, 0.02))
	got := [4]float64{float64(c.Idle), c.Produced, c.Sent, c.Followed}
	for k := range truth {
		if !near(got[k], truth[k], 0.25) {
			t.Errorf("cost %d is %.3g, want about %.3g", k, got[k], truth[k])
		}
	}
}

func TestBrokersThatAreAlikeLeaveThePriorsProportions(t *testing.T) {
	c := cpuCostOf(measured(6, [4]float64{0, 4e-8, 4e-8, 0}, false, 0))
	if ratio := c.Produced / c.Sent; !near(ratio, 0.75, 0.35) {
		t.Errorf("a byte in costs %.2f times a byte out, want about the priors' 0.75", ratio)
	}
	if c.Idle > 0.05 {
		t.Errorf("%.3g cores are taken for idle and nothing shows it", c.Idle)
	}
}

func TestCPUCostsAreNeverNegativeAndAddUpToWhatWasMeasured(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		truth := [4]float64{rng.Float64(), 1e-7 * rng.Float64(), 1e-7 * rng.Float64(), 1e-7 * rng.Float64()}
		s := measured(3+rng.IntN(20), truth, seed%2 == 0, 0.5*rng.Float64())
		for i := range s.Brokers {
			s.Brokers[i].Usage.CPUCores = max(0.01, s.Brokers[i].Usage.CPUCores)
		}
		c, d := cpuCostOf(s), DemandOf(s)
		if c.Idle < 0 || c.Produced < 0 || c.Sent < 0 || c.Followed < 0 {
			t.Fatalf("seed %d: a negative cost: %+v", seed, c)
		}
		if sum := c.of(len(s.Brokers), d.Produced, d.Consumed, d.Replicated); !near(float64(sum), float64(d.CPU), 1e-6) {
			t.Fatalf("seed %d: the costs add up to %.4g cores, %.4g were measured", seed, sum, d.CPU)
		}
	}
}

// A broker that is only there costs cores that more traffic does not double.
func TestIdleCoresDoNotGrowWithTheLoad(t *testing.T) {
	s := measured(40, [4]float64{1, 2e-8, 1e-8, 0}, true, 0.01)
	d := DemandOf(s)
	twice := d.Scale(2, 2)
	idle := float64(d.CPUCost.Idle) * 40
	if want := 2*float64(d.CPU) - idle; idle < 30 || !near(float64(twice.CPU), want, 1e-6) {
		t.Errorf("twice the load needs %.4g cores, want %.4g (%.3g of %.4g are idle)", twice.CPU, want, idle, d.CPU)
	}
	// 60 brokers of 4 cores at 0.6: what is busy has to fit beside what is idle.
	m := Model{Limits: Limits{CPU: 0.6}}
	f := Facts{Brokers: 40, Zones: 1, Profile: cluster.Capacity{CPUCores: 4}}
	c := cpu(&sizing{m, twice, f})
	want := int(math.Ceil((float64(twice.CPU) - idle) / (0.6*4 - float64(d.CPUCost.Idle))))
	if c.Brokers != want {
		t.Errorf("%d brokers, want %d: %s", c.Brokers, want, c.Formula)
	}
}

func TestOneUnmeasuredBrokerLeavesTheCostUnknown(t *testing.T) {
	s := measured(4, [4]float64{0, 4e-8, 1e-8, 0}, true, 0)
	s.Brokers[2].Usage = nil
	if c := cpuCostOf(s); c.known() {
		t.Errorf("a cost is given: %+v", c)
	}
}

// The fit's answer is held against a search that knows nothing of how it is found.
func TestNoOtherCostsAreMoreProbable(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		truth := [4]float64{rng.Float64() - 0.3, 1e-7 * (rng.Float64() - 0.3), 1e-7 * (rng.Float64() - 0.3), 1e-7 * (rng.Float64() - 0.3)}
		m := momentsOf(cpuSamples(measured(4+rng.IntN(20), truth, seed%3 > 0, 0.3*rng.Float64())))
		believed := PriorCPUCost().vector()
		doubt := believed
		doubt[0] = 0.1
		variance := 0.01 * (1 + rng.Float64())
		best := m.mostProbable(believed, doubt, variance)
		if slices.Min(best[:]) < 0 {
			t.Fatalf("seed %d: a cost under zero: %v", seed, best)
		}
		least := m.improbability(believed, doubt, variance, best)
		for k := range best {
			for _, step := range []float64{-0.3, -0.01, 0.01, 0.3} {
				x := best
				x[k] = max(0, x[k]+step*doubt[k])
				if v := m.improbability(believed, doubt, variance, x); v < least*(1-1e-9) {
					t.Errorf("seed %d: cost %d at %.3g instead of %.3g is more probable: %.9g < %.9g", seed, k, x[k], best[k], v, least)
				}
			}
		}
	}
}
