package execute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// sight is what was seen of the cluster at the last look, and what looking
// again and again tells: who is down and since when, and how logs grow. Losing
// it costs a poll, never the run.
type sight struct {
	down     deadline
	silent   map[int]bool // brokers that did not answer when they were last asked
	sizes    Sizes
	growth   growth
	arrivals arrivals
}

func newSight(grace time.Duration) sight {
	return sight{down: deadline{grace: grace}, silent: map[int]bool{}}
}

// view reads the placement of what is open; silent brokers are down in it.
func (s *sight) view(ctx context.Context, k Kafka, open []Move) (View, error) {
	topics := []string{} // none is not the same as nil, which is all
	for _, mv := range open {
		topics = append(topics, mv.Topic)
	}
	slices.Sort(topics)
	view, err := k.View(ctx, slices.Compact(topics))
	if err != nil {
		return view, err
	}
	s.silence(view)
	return view, nil
}

// outages notes who of those that the open moves are about is down now, and
// returns what is new.
func (s *sight) outages(view View, open []Move, now time.Time) []outage {
	return s.down.observe(view, brokersOf(open), now)
}

// measure reads the sizes of what is open, and how they grow.
func (s *sight) measure(ctx context.Context, k Kafka, view View, open []Move, now time.Time) error {
	tps := make([]TP, 0, len(open))
	for _, mv := range open {
		tps = append(tps, mv.tp())
	}
	alive := slices.DeleteFunc(brokersOf(open), func(b int) bool { return !view.alive(b) })
	sizes, err := k.Sizes(ctx, alive, tps)
	if err != nil {
		return fmt.Errorf("reading log dirs: %w", err)
	}
	s.sizes = sizes
	s.growth.observe(view, sizes, tps, now)
	s.arrivals.observe(view, sizes, now)
	return nil
}

func brokersOf(moves []Move) []int {
	ids := map[int]bool{}
	for _, mv := range moves {
		for _, b := range slices.Concat(mv.Original, mv.Target) {
			ids[b] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// silence marks the brokers that did not answer this process as dead, although
// the controller still believes in them: it waits for
// broker.session.timeout.ms before it says so.
func (s *sight) silence(view View) {
	for b := range s.silent {
		if reg, ok := view.Brokers[b]; ok {
			reg.Alive = false
			view.Brokers[b] = reg
		}
	}
}

// heard notes who answered, and who did not, when the throttles were read.
func (s *sight) heard(asked []int, read Throttles, view View) {
	for _, b := range asked {
		if read.Unread[b] {
			s.silent[b] = true
		} else {
			delete(s.silent, b)
		}
	}
	s.silence(view)
}

// leaderSize is what the leader holds of a partition; 0 while it does not say.
func (s *sight) leaderSize(tp TP, p PartitionView) cluster.Bytes {
	n, _ := s.sizes.of(tp, p.Leader)
	return n
}

// room is the free space of a broker less what is still to arrive; negative
// where the broker does not say.
func (s *sight) room(running []copying) func(broker int) cluster.Bytes {
	coming := map[int]cluster.Bytes{}
	for _, c := range running {
		coming[c.to] += spaceFor(c)
	}
	return func(b int) cluster.Bytes {
		sizes, ok := s.sizes.Brokers[b]
		if !ok || sizes.Usable < 0 {
			return -1
		}
		return max(sizes.Usable-coming[b], 0)
	}
}

// used is what copies took of each side's rate since the last poll, judged by
// the bytes that arrived.
func (s *sight) used(running []copying) map[RateOn]cluster.BytesPerSecond {
	out := map[RateOn]cluster.BytesPerSecond{}
	for _, c := range running {
		r := s.arrivals.rate(c)
		out[RateOn{c.to, FollowerSide}] += r
		out[RateOn{c.from, LeaderSide}] += r
	}
	return out
}
