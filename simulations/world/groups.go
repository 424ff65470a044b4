package world

import (
	"fmt"
	"math"
)

// consumers are the groups, what they read, and how far behind they are.
type consumers struct {
	groups []group
	place  *placement
	load   *load
	totals *Totals
	time   *timeline
	times  Times
	cold   float64 // bytes per second that they read from disks in the last tick
}

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

func (c *consumers) add(specs []GroupSpec) {
	c.groups = make([]group, len(specs))
	for i, s := range specs {
		g := &c.groups[i]
		g.spec, g.want, g.calm = s, max(s.Replicas, 1), true
		for _, t := range s.Topics {
			tp := &c.place.topics[t]
			for j := range tp.spec.Partitions {
				id := tp.first + int32(j)
				g.parts = append(g.parts, groupPart{part: id, class: tp.class, rate: c.place.parts[id].share / tp.messageBytes})
			}
		}
		g.ready = g.want
		if s.From.After(c.time.start) {
			c.time.pending.add(s.From, happening{kind: hapEvent, event: Event{Kind: GroupStarts, At: s.From.Sub(c.time.start), Group: i}})
			continue
		}
		g.on = true
		for _, t := range s.Topics {
			c.place.topics[t].readers++
		}
		g.assign(len(c.load.classes))
	}
}

// start lets a group read from now on. It starts at the end of its logs.
func (c *consumers) start(i int) {
	g := &c.groups[i]
	g.on = true
	c.place.read(g.spec.Topics)
	g.assign(len(c.load.classes))
}

// assign spreads the group's partitions over its ready replicas, in turn, as
// the round-robin assignor does. Lag stays with its partition.
func (g *group) assign(classes int) {
	if !g.calm {
		g.keepLag()
	}
	n := min(g.ready, len(g.parts))
	g.member, g.most = resized(g.member, n), resized(g.most, classes)
	g.sum, g.weights = resized(g.sum, classes), resized(g.weights, n*classes)
	if n == 0 {
		return // every partition keeps its own lag until somebody reads it
	}
	for i := range g.member {
		g.member[i].weight = g.weights[i*classes : (i+1)*classes]
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

// before says what groups have been reading until the start: all that arrives, as
// far as their replicas can. Whoever looks at the first tick sees no idle fleet.
func (c *consumers) before() {
	for i := range c.groups {
		if g := &c.groups[i]; g.on {
			g.keepUp(c.load.records)
			g.consumed = math.Min(g.arrives, float64(g.ready)*g.spec.PerReplica)
		}
	}
}

// consume lets every group read for one tick.
func (c *consumers) consume() {
	served := c.place.brokers.servedShare()
	c.cold = 0
	for i := range c.groups {
		if g := &c.groups[i]; g.on {
			c.read(g, served)
		}
	}
}

// read lets a group read for one tick, of which brokers serve a share.
func (c *consumers) read(g *group, served float64) {
	rates, dt := c.load.records, c.time.dt
	if g.calm && g.pause == 0 && served == 1 && g.heaviest(rates) <= g.spec.PerReplica && len(g.member) > 0 {
		g.keepUp(rates)
		c.totals.RecordsIn += g.arrives * dt
		c.totals.RecordsConsumed += g.arrives * dt
		return
	}
	awake := math.Max(0, 1-g.pause/dt)
	g.pause = math.Max(0, g.pause-dt)
	consumed := g.workOff(rates, g.spec.PerReplica*awake*served*dt, dt)
	g.calm = g.lag == 0
	// No cache is shorter than a minute.
	if g.lagSeconds > shortestCache.Seconds() && g.lagSeconds > c.place.brokers.cacheSeconds() {
		c.cold += consumed / dt * c.place.topics[g.spec.Topics[0]].messageBytes
	}
	c.totals.RecordsIn += g.arrives * dt
	c.totals.RecordsConsumed += consumed
}

// heaviest is what the busiest member would have to read, at most.
func (g *group) heaviest(rates []float64) float64 {
	sum := 0.0
	for k, p := range rates {
		sum += g.most[k] * p
	}
	return sum
}

// keepUp is a tick in which every member reads all that arrives.
func (g *group) keepUp(rates []float64) {
	arrives := 0.0
	for k := range rates {
		arrives += g.sum[k] * rates[k]
	}
	g.arrives, g.consumed, g.lag, g.lagSeconds = arrives, arrives, 0, 0
}

// workOff is a tick of dt seconds in which every member reads what it can, in
// records, and the rest stays as lag. It returns the records that were read.
func (g *group) workOff(rates []float64, can, dt float64) float64 {
	arrives, consumed, lag, worst := 0.0, 0.0, 0.0, 0.0
	for i := range g.member {
		m := &g.member[i]
		rate := 0.0
		for k, p := range rates {
			rate += m.weight[k] * p
		}
		have := m.lag + rate*dt
		took := math.Min(have, can)
		m.lag = have - took
		if m.lag < noLag {
			m.lag = 0
		}
		arrives += rate
		consumed += took
		lag += m.lag
		worst = math.Max(worst, age(m.lag, rate, g.spec.PerReplica))
	}
	if len(g.member) == 0 {
		arrives, lag, worst = g.unread(rates, dt)
	}
	g.arrives, g.consumed, g.lag, g.lagSeconds = arrives, consumed/dt, lag, worst
	return consumed
}

// unread lets lag grow in a group that has nobody.
func (g *group) unread(rates []float64, dt float64) (arrives, lag, worst float64) {
	for j := range g.parts {
		p := &g.parts[j]
		rate := p.rate * rates[p.class]
		p.lag += rate * dt
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
	return lag / math.Max(rate, math.Max(perReplica*idleReader, leastRate))
}

// uncommitted is how many seconds of its reading a group has not committed, on
// average.
func (g *group) uncommitted() float64 { return g.spec.CommitInterval.Seconds() / 2 }

// scale asks for n replicas of a group's workload and returns how many were
// asked for before. New ones are ready after the start time; taken ones leave at
// once. Either way the group stands still while it rebalances.
func (c *consumers) scale(i, n int) (was int, err error) {
	if i < 0 || i >= len(c.groups) {
		return 0, fmt.Errorf("scaling group %d: it does not exist", i)
	}
	g := &c.groups[i]
	if n < 0 {
		return 0, fmt.Errorf("scaling group %s: %d replicas", g.spec.Name, n)
	}
	was = g.want
	g.want = n
	switch {
	case n > was:
		c.time.in(c.times.ConsumerStart, happening{kind: hapConsumers, id: i, n: n})
	case n < was && g.ready > n:
		c.rebalance(g, n)
	}
	return was, nil
}

// ready brings a group up to n, unless it was scaled in meanwhile.
func (c *consumers) ready(i, n int) {
	g := &c.groups[i]
	if n = min(n, g.want); n > g.ready {
		c.rebalance(g, n)
	}
}

func (c *consumers) rebalance(g *group, ready int) {
	g.ready = ready
	if !g.on {
		return
	}
	g.assign(len(c.load.classes))
	g.pause += c.times.RebalancePause.Seconds()
	g.calm = false
}
