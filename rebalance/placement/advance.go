package placement

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// tick is the step in which Advance shares bandwidth anew.
const tick = 200 * time.Millisecond

// Advance lets time pass: producers write, replicas in sync follow, and the
// others catch up as fast as links and throttles let them.
func (c *Cluster) Advance(d time.Duration) {
	for d > 0 {
		step := min(d, tick)
		c.advance(step.Seconds())
		d -= step
	}
}

// fetching is one replica that catches up.
type fetching struct {
	state    *State
	from, to int
	byLeader bool // the leader's throttle applies
	byTarget bool // the follower's throttle applies
}

func (c *Cluster) advance(seconds float64) {
	var fetches []fetching
	for _, p := range c.Partitions() {
		s := c.Topics[p.Topic].Partitions[p.Number]
		if s.Leader >= 0 {
			s.Size += cluster.Bytes(float64(s.Incoming) * seconds)
		}
		for _, b := range s.ISR {
			if c.alive(b) {
				s.Held[b] = s.Size
			}
		}
		fetches = append(fetches, c.behind(p, s)...)
	}
	c.copy(fetches, seconds)
	for _, f := range fetches {
		c.complete(f.state)
	}
}

// behind lists the replicas of a partition that are not in sync and can fetch.
func (c *Cluster) behind(p Partition, s *State) []fetching {
	var out []fetching
	t := c.Topics[p.Topic]
	for _, b := range s.Replicas {
		if s.Leader >= 0 && c.alive(b) && !slices.Contains(s.ISR, b) {
			out = append(out, fetching{s, s.Leader, b, t.LeaderThrottled[Replica{p, s.Leader}], t.FollowerThrottled[Replica{p, b}]})
		}
	}
	return out
}

// copy shares every broker's rate evenly among its fetches, one direction at a
// time; a fetch gets the smaller of its two shares.
func (c *Cluster) copy(fetches []fetching, seconds float64) {
	type pipe struct {
		broker    int
		out       bool
		throttled bool
	}
	users := map[pipe]int{}
	for _, f := range fetches {
		users[pipe{f.from, true, f.byLeader}]++
		users[pipe{f.to, false, f.byTarget}]++
	}
	share := func(p pipe) cluster.BytesPerSecond {
		rate := c.Link
		b := c.Brokers[p.broker]
		switch {
		case p.throttled && p.out && b.Leader > 0:
			rate = b.Leader
		case p.throttled && !p.out && b.Follower > 0:
			rate = b.Follower
		}
		return rate / cluster.BytesPerSecond(users[p])
	}
	for _, f := range fetches {
		r := min(share(pipe{f.from, true, f.byLeader}), share(pipe{f.to, false, f.byTarget}))
		f.state.Held[f.to] += cluster.Bytes(float64(r) * seconds)
		if f.state.Held[f.to] >= f.state.Size {
			f.state.Held[f.to] = f.state.Size
			f.state.ISR = append(f.state.ISR, f.to)
		}
	}
}
