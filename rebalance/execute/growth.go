package execute

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// growth measures what producers add to each partition, by how the leader's
// log grows between polls. Retention makes a log shrink; such a step is left
// out, so the rate is never negative.
type growth struct {
	last map[TP]grown
}

type grown struct {
	leader int
	size   cluster.Bytes
	at     time.Time
	rate   cluster.BytesPerSecond
	seen   bool
}

// growthWeight is the weight of the newest measurement in a rate: what is seen
// at five polls counts for five sixths. A judgement, between noise and delay.
const growthWeight = 0.3

func (g *growth) observe(v View, s Sizes, tps []TP, now time.Time) {
	if g.last == nil {
		g.last = map[TP]grown{}
	}
	for _, tp := range tps {
		p, ok := v.Partition(tp)
		if !ok {
			continue
		}
		n, ok := s.of(tp, p.Leader)
		if !ok {
			continue
		}
		old := g.last[tp]
		next := grown{leader: p.Leader, size: n, at: now, rate: old.rate, seen: old.seen}
		if dt := now.Sub(old.at).Seconds(); !old.at.IsZero() && old.leader == p.Leader && n >= old.size && dt > 0 {
			r := cluster.BytesPerSecond(float64(n-old.size) / dt)
			if old.seen {
				r = growthWeight*r + (1-growthWeight)*old.rate
			}
			next.rate, next.seen = r, true
		}
		g.last[tp] = next
	}
}

func (g *growth) rate(tp TP) cluster.BytesPerSecond { return g.last[tp].rate }

// arrivals measures how fast each copy grows at its destination.
type arrivals struct{ growth }

func (a *arrivals) rate(c copying) cluster.BytesPerSecond { return a.growth.last[c.tp].rate }

// observe is growth.observe for destinations.
func (a *arrivals) observe(v View, s Sizes, now time.Time) {
	next := map[TP]grown{}
	for tp, re := range v.Reassigning {
		if len(re.Adding) == 0 {
			continue
		}
		n, ok := s.of(tp, re.Adding[0])
		if !ok {
			continue
		}
		g := grown{leader: re.Adding[0], size: n, at: now}
		old, seen := a.last[tp]
		if dt := now.Sub(old.at).Seconds(); seen && old.leader == g.leader && dt > 0 {
			g.rate = cluster.BytesPerSecond(max(0, float64(n-old.size)/dt))
		}
		next[tp] = g
	}
	a.last = next
}
