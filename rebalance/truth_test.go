package rebalance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// smallCluster is a random cluster that can be enumerated.
func smallCluster(rng *rand.Rand) cluster.Snapshot {
	nb := 3 + rng.IntN(2)
	nz := 1 + rng.IntN(3)
	rf := 1 + rng.IntN(min(3, nb))
	np := 2 + rng.IntN(3)
	if rf == 1 {
		np += 1 + rng.IntN(2)
	}
	s := cluster.Snapshot{Version: cluster.SnapshotVersion}
	for b := range nb {
		size := []float64{1, 1, 1, 0.75, 1.5}[rng.IntN(5)]
		s.Brokers = append(s.Brokers, cluster.Broker{ID: b, Zone: fmt.Sprint("z", b%nz), State: cluster.BrokerAlive,
			Capacity: cluster.Capacity{
				CPUCores: cluster.Cores(8 * size), DiskBytes: cluster.Bytes(4e12 * size),
				NetworkInBytesPerSecond: cluster.BytesPerSecond(1e9 * size), NetworkOutBytesPerSecond: cluster.BytesPerSecond(1e9 * size),
			}})
	}
	t := cluster.Topic{Name: "t"}
	for i := range np {
		reps := rng.Perm(nb)[:rf]
		in := 1e7 * math.Exp(rng.NormFloat64())
		out := in * float64(rng.IntN(4))
		t.Partitions = append(t.Partitions, cluster.Partition{Partition: i, Replicas: reps, ISR: reps, Leader: reps[rng.IntN(rf)],
			Load: cluster.Load{
				BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(out),
				LeaderCPUCores: cluster.Cores((0.5*in + 0.25*out) / 5e7), FollowerCPUCores: cluster.Cores(0.25 * in / 5e7),
				SizeBytes: cluster.Bytes(3e10 * math.Exp(rng.NormFloat64())),
			}})
	}
	s.Topics = []cluster.Topic{t}
	if rng.IntN(4) == 0 && nb > rf {
		s.Brokers[rng.IntN(nb)].State = cluster.BrokerDraining
	}
	return s
}

// optimum enumerates every legal placement and returns the best objective, or
// false when there are more than most of them.
func optimum(s cluster.Snapshot, o Options, most int) (float64, bool) {
	p := newProblem(s, o)
	st := newState(p)
	sr := newSearch(st, o, nil)
	sr.forced = float64(p.bounds(p.currentLoad()).ForcedBytes)
	a := newAnnealer(sr, 1)
	choices := make([][][]int32, p.np)
	total := 1
	for i := range choices {
		choices[i] = placements(p, i)
		total *= len(choices[i])
		if total > most {
			return 0, false
		}
	}
	best := math.Inf(1)
	var visit func(i int)
	visit = func(i int) {
		if i == p.np {
			for b := 0; b < p.nb; b++ {
				if p.alive[b] && !a.fits(int32(b)) {
					return
				}
			}
			best = min(best, a.measureAll())
			return
		}
		for _, c := range choices[i] {
			copy(st.replicas(st.slots, i), c)
			st.leader[i] = c[0]
			// Loads are kept by hand: reload would be quadratic.
			for _, b := range c {
				st.add(b, i, 1, 0)
			}
			st.add(c[0], i, 0, 1)
			moved := 0
			for _, b := range c {
				if !contains(p.replicas(p.orig, i), b) {
					moved++
				}
			}
			lead := 0
			if moved == 0 && p.leaderCosts(i, c[0]) {
				lead = 1
			}
			st.bytes += float64(moved) * p.size[i]
			st.leaderOnly += lead
			visit(i + 1)
			st.bytes -= float64(moved) * p.size[i]
			st.leaderOnly -= lead
			for _, b := range c {
				st.add(b, i, -1, 0)
			}
			st.add(c[0], i, 0, -1)
		}
	}
	clear(st.load)
	st.bytes, st.leaderOnly = 0, 0
	visit(0)
	return best, !math.IsInf(best, 1)
}

// placements lists the legal replica lists of a partition, leader first; the
// order of followers does not matter.
func placements(p *problem, i int) [][]int32 {
	var out [][]int32
	rf := p.rf(i)
	var pick func(from int32, have []int32)
	pick = func(from int32, have []int32) {
		if len(have) == rf {
			if !p.keepsZones(i, have) {
				return
			}
			for k := range have {
				c := append([]int32(nil), have...)
				c[0], c[k] = c[k], c[0]
				out = append(out, c)
			}
			return
		}
		for b := from; b < int32(p.nb); b++ {
			if p.alive[b] {
				pick(b+1, append(have, b))
			}
		}
	}
	pick(0, nil)
	return out
}

func TestPlansOfSmallClustersAreWithinTwoPercentOfTheOptimum(t *testing.T) {
	// A thousand take half a minute; make rebalance-truth runs them.
	clusters := underRaceOnly(t, 3, 25, "clusters")
	if n, err := strconv.Atoi(os.Getenv("TIDETABLE_TRUTH_CLUSTERS")); err == nil {
		clusters = n
	}
	rng := rand.New(rand.NewPCG(1, 2))
	worst, off := 1.0, 0
	for n := 0; n < clusters; {
		s := smallCluster(rng)
		o := Options{}
		best, ok := optimum(s, o, 30_000)
		if !ok {
			continue
		}
		n++
		p := newProblem(s, o)
		sr := newSearch(newState(p), o, nil)
		if err := sr.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := sr.objective()
		if got < best-1e-6 {
			t.Fatalf("cluster %d: the plan's %.6f is below the optimum %.6f: one of them is wrong", n, got, best)
		}
		if r := got / best; best > 0 && r > 1.02 && got-best > 1e-6 {
			off++
			worst = max(worst, r)
			t.Errorf("cluster %d: the plan costs %.4f points, the optimum %.4f: %.2f %% more", n, got, best, 100*(r-1))
		}
	}
	t.Logf("%d clusters, worst %.4f times the optimum, %d over", clusters, worst, off)
}
