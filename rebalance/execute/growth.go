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

// growthWeight is the weight of the newest measurement.
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
