package rebalance

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// searched is a search on a random cluster, with a forecast and with locality
// where they are asked for, some changes after its start.
func searched(rng *rand.Rand, n int) *search {
	s := smallCluster(rng)
	for i := range s.Brokers { // consumers of every partition in the first zone
		s.Brokers[i].Zone = "z" + string(rune('0'+i%2))
	}
	g := cluster.Group{Name: "g", ZonesOfMembers: map[string]int{"z0": 2}}
	for _, q := range s.Topics[0].Partitions {
		g.Partitions = append(g.Partitions, cluster.GroupPartition{Topic: "t", Partition: q.Partition})
	}
	s.Groups = []cluster.Group{g}
	o := Options{}
	if n%2 == 1 {
		o.Locality = &Locality{FollowerFetching: n%4 == 1}
	}
	if n%3 == 2 {
		o.Forecast = &Forecast{Blocks: []ForecastBlock{{Label: "night", Multiplier: map[string]float64{"t": 0.5}}, {Label: "day"}}}
	}
	sr := newSearch(newState(newProblem(s, o)), o, nil)
	sr.w.g.sharpness, sr.w.g.bytePrice = 1+9*rng.Float64(), sr.price
	sr.w.legalise()
	return sr
}

// anyChange is a change that keeps a replica list a list of different brokers,
// led by one of them.
func anyChange(st *state, rng *rand.Rand) (change, bool) {
	i := rng.IntN(st.np)
	reps := st.replicas(st.slots, i)
	c := change{i: i, k: rng.IntN(len(reps)+1) - 1, to: -1}
	after := append([]int32(nil), reps...)
	if c.k >= 0 {
		if c.to = int32(rng.IntN(st.nb)); contains(reps, c.to) {
			return c, false
		}
		after[c.k] = c.to
	}
	c.lead = after[rng.IntN(len(after))]
	return c, true
}

// worth is the surrogate recomputed from nothing but the placement; the
// quadratics stay as they were fitted.
func worth(g *surrogate) float64 {
	g.st.reload()
	v := float64(g.st.bytes*g.bytePrice) + float64(float64(g.st.leaderOnly)*g.leadPrice) + g.st.localPoints()
	for b := range g.p.nb {
		for r := range g.p.nd {
			at := b*g.p.nd + r
			v += g.cells[at].value(g.st.load[at])
		}
	}
	return v
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func TestDeltaOfAChangeIsTheDifferenceRecomputed(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	tried := 0
	for n := range 300 {
		sr := searched(rng, n)
		g := sr.w.g
		sr.w.renew()
		for range 40 {
			c, ok := anyChange(sr.st, rng)
			if !ok {
				continue
			}
			sr.st.reload()
			sr.w.renew() // the loads were summed anew, and so are the prices
			before := worth(g)
			plain, noted := new(notes), &notes{keep: true}
			delta := g.delta(c, plain)
			g.delta(c, noted)
			if again := g.delta(c, noted); again != delta || plain.evaluations != 1 || noted.evaluations != 2 {
				t.Fatalf("cluster %d, %+v: %v, and %v from what was noted", n, c, delta, again)
			}
			if math.IsInf(delta, 1) {
				continue
			}
			undo := sr.st.inverse(c)
			sr.st.apply(c)
			if got := worth(g) - before; !near(got, delta) {
				t.Fatalf("cluster %d, %+v: the delta is %v, the difference %v", n, c, delta, got)
			}
			if rng.IntN(2) == 0 {
				sr.st.apply(undo)
			}
			tried++
		}
	}
	if tried < 2000 {
		t.Errorf("only %d changes were tried", tried)
	}
}

func TestWhatAChangeKeepsUpToDateIsWhatReloadingGives(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for n := range 100 {
		sr := searched(rng, n)
		g := sr.w.g
		sr.w.renew()
		for range 30 {
			if c, ok := anyChange(sr.st, rng); ok {
				g.commit(c)
			}
		}
		kept := *sr.st
		kept.load, kept.moved = append([]float64(nil), kept.load...), append([]int8(nil), kept.moved...)
		cost, price := append([]float64(nil), g.cost...), append([]float64(nil), g.price...)
		sr.st.reload()
		for b := range g.p.nb {
			g.reprice(int32(b))
			if !near(cost[b], g.cost[b]) {
				t.Fatalf("cluster %d: broker %d is kept at a cost of %v, and costs %v", n, b, cost[b], g.cost[b])
			}
		}
		for at := range sr.st.load {
			if scale := sr.st.capacity[at]; math.Abs(kept.load[at]-sr.st.load[at]) > 1e-9*scale {
				t.Fatalf("cluster %d: load %d is kept at %v and is %v", n, at, kept.load[at], sr.st.load[at])
			}
			if scale := math.Abs(price[at]) + g.cells[at].inv; math.Abs(price[at]-g.price[at]) > 1e-6*scale {
				t.Fatalf("cluster %d: price %d is kept at %v and is %v", n, at, price[at], g.price[at])
			}
		}
		if !near(kept.bytes, sr.st.bytes) || kept.leaderOnly != sr.st.leaderOnly {
			t.Fatalf("cluster %d: %v bytes and %d leaders are kept, of %v and %d", n, kept.bytes, kept.leaderOnly, sr.st.bytes, sr.st.leaderOnly)
		}
		for i, m := range sr.st.moved {
			if kept.moved[i] != m {
				t.Fatalf("cluster %d: partition %d is kept at %d moved replicas, of %d", n, i, kept.moved[i], m)
			}
		}
	}
}

func TestMeasureAllIsTheObjective(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for n := range 200 {
		sr := searched(rng, n)
		a := newAnnealer(sr, uint64(n))
		for range 20 {
			if c, ok := anyChange(sr.st, rng); ok {
				sr.st.apply(c)
			}
			if all, want := a.measureAll(), sr.objective(); !near(all, want) {
				t.Fatalf("cluster %d: measureAll gives %v, the objective is %v", n, all, want)
			}
		}
	}
}
