package controller

import (
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// groupSeen is what a snapshot shows of a group, in records and records a second.
type groupSeen struct {
	topics   []string // sorted; those that it left are not among them
	parts    int
	lag      int64   // without what is stuck
	behind   float64 // the part of the partitions that triedSeconds' work has piled up on
	stuck    stuck
	hot      hotPartition
	consumed float64
	arriving float64
	measured bool // arriving was measured, not derived
}

// groupsOf reads the policy's groups from a snapshot.
func groupsOf(s *cluster.Snapshot, consumers []policy.Consumer, scales map[string]actuators.Scale) []GroupFacts {
	if len(consumers) == 0 {
		return nil
	}
	topics := make(map[string]*cluster.Topic, len(s.Topics))
	for i := range s.Topics {
		topics[s.Topics[i].Name] = &s.Topics[i]
	}
	out := make([]GroupFacts, 0, len(consumers))
	for _, c := range consumers {
		g := GroupFacts{Policy: c}
		scale, scaled := scales[c.Key()]
		if scaled {
			g.Replicas, g.Ready = scale.Replicas, scale.Ready
		}
		i := slices.IndexFunc(s.Groups, func(g cluster.Group) bool { return g.Name == c.Group })
		if g.Missing = i < 0; !g.Missing {
			g.groupSeen = groupSeenIn(&s.Groups[i], topics, c.Lag.MaxSeconds)
			if !scaled {
				g.Replicas, g.Ready = s.Groups[i].Members, s.Groups[i].Members
			}
		}
		out = append(out, g)
	}
	return out
}

func groupSeenIn(g *cluster.Group, topics map[string]*cluster.Topic, objective float64) groupSeen {
	var out groupSeen
	for i := range g.Partitions {
		out.consumed += float64(g.Partitions[i].ConsumedPerSecond)
	}
	out.stuck = stuckIn(g, topics, out.consumed, objective)
	for i := range g.Partitions {
		p := &g.Partitions[i]
		if topics[p.Topic] != nil && !out.stuck.left(p.Topic) {
			out.topics = append(out.topics, p.Topic)
		}
		if out.stuck.holds(p.Topic, p.Partition) {
			if !out.stuck.left(p.Topic) {
				out.parts++
			}
			continue
		}
		out.parts++
		out.lag += max(0, p.Lag)
		if float64(p.Lag) > triedSeconds*float64(p.ConsumedPerSecond) {
			out.behind++
		}
		arriving := arrivingAt(p, topics)
		out.arriving += arriving
		if arriving > out.hot.arriving {
			out.hot = hotPartition{topic: p.Topic, partition: p.Partition, arriving: arriving}
		}
	}
	slices.Sort(out.topics)
	out.topics = slices.Compact(out.topics)
	out.behind /= float64(max(1, out.parts))
	out.measured = out.arriving > 0
	return out
}

// arrivingAt is what is written to a partition, in records a second; 0 where it
// is not measured.
func arrivingAt(p *cluster.GroupPartition, topics map[string]*cluster.Topic) float64 {
	if t := topics[p.Topic]; t != nil && p.Partition >= 0 && p.Partition < len(t.Partitions) {
		return float64(t.Partitions[p.Partition].Load.MessagesInPerSecond)
	}
	return 0
}

// groupRate is what has been seen of a group: how much one replica can do.
type groupRate struct {
	lastAt    time.Time
	lastLag   int64
	members   int
	steadyAt  time.Time // since when the number of members has not changed
	tried     bool      // a backlog has shown that no more is to be tried
	saturated float64   // μ, seen while a backlog kept every replica busy
	seen      float64   // the most a replica was seen to do without one: μ is at least that
}

// probe is how many times what a replica was seen to do it is tried with while
// its limit is not known: a group that starts with too many finds out by
// halves, until a backlog shows.
const probe = 2

// triedSeconds is the backlog, in seconds of work, at which no more is tried:
// what waits for a commit is less.
const triedSeconds = 5

// A group counts as saturated while its backlog is worth this many seconds of
// its own work: then every replica is as busy as it can be.
const saturatedSeconds = 10

// settling is how long after a change of members rates say nothing about μ: the
// group is rebalancing.
const settling = 2 * time.Minute

// mostBehind is the part of the partitions that must have a backlog.
const mostBehind = 0.5

// learningRate is how far one reading of a saturated group moves its μ.
const learningRate = 0.3

// learn takes one reading. Rates are records per second of the whole group.
// behind is the part of the partitions on which there is a backlog: one of a
// few says nothing of what a replica that is busy can do.
func (g *groupRate) learn(now time.Time, members int, consumed float64, lag int64, behind float64) {
	if members != g.members {
		g.members, g.steadyAt = members, now
	}
	if float64(lag) > triedSeconds*consumed && behind >= mostBehind && g.seen > 0 {
		g.tried = true
	}
	g.lastAt, g.lastLag = now, lag
	if members <= 0 || !(consumed > 0) || now.Sub(g.steadyAt) < settling {
		return
	}
	each := consumed / float64(members)
	if float64(lag) > saturatedSeconds*consumed {
		if behind < mostBehind {
			return
		}
		if g.saturated == 0 {
			g.saturated = each
		}
		g.saturated += learningRate * (each - g.saturated)
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

// perReplica is μ, and whether it is only known to be at least that, or tried.
func (g *groupRate) perReplica(said float64) (mu float64, atLeast bool) {
	switch {
	case said > 0:
		return said, false
	case g.saturated > 0:
		return max(g.saturated, g.seen), false
	case !g.tried:
		return probe * g.seen, true
	default:
		return g.seen, true
	}
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
