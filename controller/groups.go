package controller

import (
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// groupRate is what has been seen of a group: how much one replica can do.
type groupRate struct {
	lastAt    time.Time
	lastLag   int64
	members   int
	steadyAt  time.Time // since when the number of members has not changed
	saturated float64   // μ, seen while a backlog kept every replica busy
	seen      float64   // the most a replica was seen to do without one: μ is at least that
}

// A group counts as saturated while its backlog is worth this many seconds of
// its own work: then every replica is as busy as it can be.
const saturatedSeconds = 10

// settle is how long after a change of members rates say nothing about μ: the
// group is rebalancing.
const settle = 2 * time.Minute

// learn takes one reading. Rates are records per second of the whole group.
func (g *groupRate) learn(now time.Time, members int, consumed float64, lag int64) {
	if members != g.members {
		g.members, g.steadyAt = members, now
	}
	g.lastAt, g.lastLag = now, lag
	if members <= 0 || !(consumed > 0) || now.Sub(g.steadyAt) < settle {
		return
	}
	each := consumed / float64(members)
	if float64(lag) > saturatedSeconds*consumed {
		if g.saturated == 0 {
			g.saturated = each
		}
		g.saturated += 0.3 * (each - g.saturated)
		return
	}
	g.seen = max(g.seen, each)
}

// arriving estimates what comes in from what was consumed and how the lag
// grew, for clusters that do not measure messages.
func (g *groupRate) arriving(now time.Time, consumed float64, lag int64) float64 {
	if g.lastAt.IsZero() || !now.After(g.lastAt) {
		return consumed
	}
	return max(0, consumed+float64(lag-g.lastLag)/now.Sub(g.lastAt).Seconds())
}

// perReplica is μ, and whether it is only known to be at least that.
func (g *groupRate) perReplica(said float64) (mu float64, atLeast bool) {
	switch {
	case said > 0:
		return said, false
	case g.saturated > 0:
		return max(g.saturated, g.seen), false
	default:
		return g.seen, true
	}
}

// groupNow is one group as the snapshot shows it.
type groupNow struct {
	topics   []string
	parts    int
	lag      int64
	consumed float64
	arriving float64
	measured bool // arriving was measured, not derived
}

func (t *tick) groupNow(g *cluster.Group) groupNow {
	var out groupNow
	var topic *cluster.Topic
	for i := range g.Partitions {
		p := &g.Partitions[i]
		out.parts++
		out.lag += max(0, p.Lag)
		out.consumed += float64(p.ConsumedPerSecond)
		if topic == nil || topic.Name != p.Topic {
			if topic = t.topicNamed(p.Topic); topic == nil {
				continue
			}
			out.topics = append(out.topics, p.Topic)
		}
		if p.Partition >= 0 && p.Partition < len(topic.Partitions) {
			out.arriving += float64(topic.Partitions[p.Partition].Load.MessagesInPerSecond)
		}
	}
	slices.Sort(out.topics)
	out.topics = slices.Compact(out.topics)
	out.measured = out.arriving > 0
	return out
}

func (t *tick) topicNamed(name string) *cluster.Topic {
	if t.topics == nil {
		t.topics = make(map[string]int, len(t.snap.Topics))
		for i := range t.snap.Topics {
			t.topics[t.snap.Topics[i].Name] = i
		}
	}
	if i, ok := t.topics[name]; ok {
		return &t.snap.Topics[i]
	}
	return nil
}

// consumers sizes every group of the policy.
func (t *tick) consumers() []capacity.ConsumerRequirement {
	var out []capacity.ConsumerRequirement
	for _, c := range t.c.spec.Consumers {
		out = append(out, t.consumer(c))
	}
	slices.SortFunc(out, func(a, b capacity.ConsumerRequirement) int {
		if a.Group < b.Group {
			return -1
		}
		return 1
	})
	return out
}

func (t *tick) consumer(c policy.Consumer) capacity.ConsumerRequirement {
	i := slices.IndexFunc(t.snap.Groups, func(g cluster.Group) bool { return g.Name == c.Group })
	if i < 0 {
		current := t.scales[c.Key()].Replicas
		return capacity.ConsumerRequirement{Group: c.Group, Replicas: max(current, c.Min), Unknown: "the group is not in the cluster", Why: "kept: the group is not in the cluster"}
	}
	g := &t.snap.Groups[i]
	now := t.groupNow(g)
	rate := t.c.groups[c.Group]
	if rate == nil {
		rate = &groupRate{}
		t.c.groups[c.Group] = rate
	}
	if !now.measured {
		now.arriving = rate.arriving(t.now, now.consumed, now.lag)
	}
	current, ready := g.Members, g.Members
	if s, ok := t.scales[c.Key()]; ok {
		current, ready = s.Replicas, s.Ready
	}
	rate.learn(t.now, ready, now.consumed, now.lag)
	mu, atLeast := rate.perReplica(c.PerReplica)
	d := capacity.ConsumerDemand{
		Group: c.Group, Arriving: cluster.MessagesPerSecond(now.arriving), PerReplica: cluster.MessagesPerSecond(mu), AtLeast: atLeast,
		Backlog: now.lag, DrainIn: time.Duration(c.Lag.MaxSeconds * float64(time.Second)), Partitions: now.parts,
		Current: current, Utilisation: c.Utilisation, Min: c.Min, Max: c.Max,
	}
	asIs := capacity.SizeConsumers(d)
	peak, later := t.groupPeak(c, now)
	d.Arriving = cluster.MessagesPerSecond(later)
	keep := capacity.SizeConsumers(d).Replicas
	d.Arriving = cluster.MessagesPerSecond(peak)
	r := capacity.SizeConsumers(d)
	t.groupsNow = append(t.groupsNow, groupSize{policy: c, now: now, current: current, needNow: asIs.Replicas, keep: keep, reactive: asIs.Unknown == "" && asIs.Replicas > current})
	return r
}

// groupSize is what propose needs to know about a group.
type groupSize struct {
	policy           policy.Consumer
	now              groupNow
	current, needNow int
	keep             int // what the load later needs, see groupPeak
	reactive         bool
}

// groupPeak is the most that arrives for a group until replicas that are asked
// for now are up: their start, two looks, and the age a forecast may have.
// later is the most that arrives until a stabilisation after that: what would
// be wanted back within it is not let go, and what is wanted within it is asked
// for together.
func (t *tick) groupPeak(c policy.Consumer, now groupNow) (peak, later float64) {
	within := c.Startup.D() + 2*t.c.spec.Interval.D() + t.c.spec.Forecast.Step.D()
	on := within + c.Stabilisation.D()
	p := t.c.predict(t.ctx, t.now, "group/"+c.Group, on, t.c.groupSeries(c.Group, now.topics))
	t.d.Forecasts = append(t.d.Forecasts, p.summary(c.Group, t.now, within, now.arriving, !t.c.cfg.NoCurves))
	t.watch("group/"+c.Group, c.Group, p, within, now.arriving)
	if high, _, ok := p.peak(t.now, within); ok {
		surge := t.surge("group/"+c.Group, p, now.arriving)
		peak = high * surge
		later, _, _ = p.peak(t.now, on)
		later *= surge
	}
	uplift := max(t.uplift(c.Group), t.uplift(decision.ClusterSubject))
	peak = max(peak, now.arriving) * uplift
	return peak, max(peak, later*uplift)
}

// lagSeconds is a lag in time: how long ago what is read now was written.
func lagSeconds(lag int64, arriving float64) float64 {
	if lag <= 0 {
		return 0
	}
	if !(arriving > 0) {
		return math.Inf(1)
	}
	return float64(lag) / arriving
}
