package world

import (
	"fmt"
	"math"
	"time"
)

type group struct {
	spec   GroupSpec
	on     bool
	want   int
	ready  int
	parts  []groupPart
	member []member
	// most is, by class, the weight of the heaviest member: while that one keeps
	// up without lag, all do.
	most    []float64
	sum     []float64 // by class, the weight of all members together
	weights []float64 // what the members' weights are parts of
	pause   float64   // seconds of standstill still to come
	calm    bool      // no lag anywhere

	arrives    float64 // records per second, last tick
	consumed   float64
	lag        float64 // records
	lagSeconds float64
}

type groupPart struct {
	part  int32
	class int
	rate  float64 // records per second per unit of its class
	lag   float64 // only right after a rebalance; members keep it otherwise
}

// member i of n has every n-th partition of the group, from the i-th on.
type member struct {
	weight []float64 // records per second per unit, by class
	lag    float64
}

func (w *World) addGroups() {
	w.groups = make([]group, len(w.cfg.Groups))
	for i, s := range w.cfg.Groups {
		g := &w.groups[i]
		g.spec, g.want, g.calm = s, max(s.Replicas, 1), true
		for _, t := range s.Topics {
			tp := &w.topics[t]
			for j := range tp.spec.Partitions {
				id := tp.first + int32(j)
				g.parts = append(g.parts, groupPart{part: id, class: tp.class, rate: w.parts[id].share / tp.messageBytes})
			}
		}
		g.ready = g.want
		if s.From.After(w.start) {
			w.pending.add(s.From, happening{kind: hapEvent, event: Event{Kind: GroupStarts, At: s.From.Sub(w.start), Group: i}})
			continue
		}
		g.on = true
		for _, t := range s.Topics {
			w.topics[t].readers++
		}
		w.assign(g)
	}
}

// groupStarts lets a group read from now on. It starts at the end of its logs.
func (w *World) groupStarts(i int) {
	g := &w.groups[i]
	g.on = true
	reads := map[int32]bool{}
	for _, t := range g.spec.Topics {
		reads[int32(t)] = true
	}
	for j := range w.parts {
		if reads[w.parts[j].topic] {
			w.weigh(&w.parts[j], -1)
		}
	}
	for _, t := range g.spec.Topics {
		w.topics[t].readers++
	}
	for j := range w.parts {
		if reads[w.parts[j].topic] {
			w.weigh(&w.parts[j], 1)
		}
	}
	w.assign(g)
}

// assign spreads the group's partitions over its ready replicas, in turn, as
// the round-robin assignor does. Lag stays with its partition.
func (w *World) assign(g *group) {
	if !g.calm {
		g.keepLag()
	}
	n := min(g.ready, len(g.parts))
	g.member, g.most = resized(g.member, n), resized(g.most, len(w.classes))
	g.sum, g.weights = resized(g.sum, len(w.classes)), resized(g.weights, n*len(w.classes))
	if n == 0 {
		return // every partition keeps its own lag until somebody reads it
	}
	for i := range g.member {
		g.member[i].weight = g.weights[i*len(w.classes) : (i+1)*len(w.classes)]
	}
	i := 0
	for j := range g.parts {
		p, m := &g.parts[j], &g.member[i]
		m.weight[p.class] += p.rate
		m.lag += p.lag
		g.sum[p.class] += p.rate
		g.most[p.class] = math.Max(g.most[p.class], m.weight[p.class])
		p.lag = 0 // the member keeps it now
		if i++; i == n {
			i = 0
		}
	}
}

// keepLag gives every member's lag to its partitions, by their rates.
func (g *group) keepLag() {
	n := len(g.member)
	for i := range g.member {
		total, count := 0.0, 0
		for j := i; j < len(g.parts); j += n {
			total += g.parts[j].rate
			count++
		}
		for j := i; j < len(g.parts); j += n {
			g.parts[j].lag = g.member[i].lag * g.shareOf(j, total, count)
		}
	}
}

// shareOf is a partition's share of its member's lag; the member's partitions
// have the given rate in all.
func (g *group) shareOf(j int, total float64, count int) float64 {
	if total > 0 {
		return g.parts[j].rate / total
	}
	return 1 / float64(count)
}

// resized is a zeroed slice of length n, in the place of s where it fits.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	s = s[:n]
	clear(s)
	return s
}

// consume lets every group read for one tick.
func (w *World) consume() {
	served := w.servedShare()
	w.coldReads = 0
	for i := range w.groups {
		g := &w.groups[i]
		if !g.on {
			continue
		}
		w.consumeGroup(g, served)
	}
}

// servedShare is how much of what consumers ask for brokers can give them.
func (w *World) servedShare() float64 {
	sum, n := 0.0, 0.0
	for i := range w.brokers {
		if w.brokers[i].use.in > 0 || w.brokers[i].use.out > 0 {
			sum += w.brokers[i].served
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

func (w *World) consumeGroup(g *group, served float64) {
	heaviest := 0.0
	for k, p := range w.r {
		heaviest += g.most[k] * p
	}
	arrives := 0.0
	if g.calm && g.pause == 0 && served == 1 && heaviest <= g.spec.PerReplica && len(g.member) > 0 {
		for k := range w.r {
			arrives += g.sum[k] * w.r[k]
		}
		g.arrives, g.consumed, g.lag, g.lagSeconds = arrives, arrives, 0, 0
		w.Totals.RecordsIn += arrives * w.dt
		w.Totals.RecordsConsumed += arrives * w.dt
		return
	}
	awake := math.Max(0, 1-g.pause/w.dt)
	g.pause = math.Max(0, g.pause-w.dt)
	consumed, lag, worst := 0.0, 0.0, 0.0
	can := g.spec.PerReplica * awake * served * w.dt
	for i := range g.member {
		m := &g.member[i]
		rate := 0.0
		for k, p := range w.r {
			rate += m.weight[k] * p
		}
		have := m.lag + rate*w.dt
		took := math.Min(have, can)
		m.lag = have - took
		if m.lag < 1e-6 {
			m.lag = 0
		}
		arrives += rate
		consumed += took
		lag += m.lag
		worst = math.Max(worst, age(m.lag, rate, g.spec.PerReplica))
	}
	if len(g.member) == 0 {
		arrives, lag, worst = w.unread(g)
	}
	g.arrives, g.consumed, g.lag, g.lagSeconds = arrives, consumed/w.dt, lag, worst
	g.calm = lag == 0
	if worst > 60 && worst > w.cacheSeconds() { // no cache is shorter than a minute
		w.coldReads += consumed / w.dt * w.topics[g.spec.Topics[0]].messageBytes
	}
	w.Totals.RecordsIn += arrives * w.dt
	w.Totals.RecordsConsumed += consumed
}

// unread lets lag grow in a group that has nobody.
func (w *World) unread(g *group) (arrives, lag, worst float64) {
	for j := range g.parts {
		p := &g.parts[j]
		rate := p.rate * w.r[p.class]
		p.lag += rate * w.dt
		arrives += rate
		lag += p.lag
		worst = math.Max(worst, age(p.lag, rate, g.spec.PerReplica))
	}
	return arrives, lag, worst
}

// age is how long ago the oldest unread record was produced, in seconds; where
// nothing arrives any more, how long the rest takes to read.
func age(lag, rate, perReplica float64) float64 {
	if lag <= 0 {
		return 0
	}
	return lag / math.Max(rate, math.Max(perReplica*0.01, 1e-9))
}

// uncommitted is how many seconds of its reading a group has not committed, on
// average.
func (g *group) uncommitted() float64 { return g.spec.CommitInterval.Seconds() / 2 }

// SetConsumers asks for n replicas of a group's workload. New ones are ready
// after the start time; taken ones leave at once. Either way the group stands
// still while it rebalances.
func (w *World) SetConsumers(i, n int, why string) error {
	if i < 0 || i >= len(w.groups) {
		return fmt.Errorf("scaling group %d: it does not exist", i)
	}
	g := &w.groups[i]
	if n < 0 {
		return fmt.Errorf("scaling group %s: %d replicas", g.spec.Name, n)
	}
	if n == g.want {
		return nil
	}
	w.act(g.spec.Name, g.want, n, why)
	up := n > g.want
	g.want = n
	if up {
		w.pending.add(w.now.Add(w.cfg.Times.ConsumerStart), happening{kind: hapConsumers, id: i, n: n})
		return nil
	}
	if g.ready > n {
		w.rebalance(g, n)
	}
	return nil
}

// consumersReady brings a group up to n, unless it was scaled in meanwhile.
func (w *World) consumersReady(i, n int) {
	g := &w.groups[i]
	if w.faults.pods > 0 {
		w.pending.add(w.now.Add(time.Minute), happening{kind: hapConsumers, id: i, n: n})
		return
	}
	if n = min(n, g.want); n > g.ready {
		w.rebalance(g, n)
	}
}

func (w *World) rebalance(g *group, ready int) {
	g.ready = ready
	if !g.on {
		return
	}
	w.assign(g)
	g.pause += w.cfg.Times.RebalancePause.Seconds()
	g.calm = false
}
