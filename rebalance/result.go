package rebalance

import (
	"sort"

	"github.com/tidetable/tidetable/cluster"
)

// newPlan writes the state down as a plan.
func (p *problem) newPlan(s cluster.Snapshot, st *state, before []float64, sr *search, o Options) Plan {
	st.reload()
	plan := Plan{
		ClusterID:  s.ClusterID,
		Before:     p.balance(before),
		After:      p.balance(st.load),
		Violations: []Violation{},
	}
	for i := 0; i < p.np; i++ {
		if st.leader[i] != p.lead0[i] {
			plan.LeaderMoves++
		}
		to, listed := st.target(i)
		if !listed {
			continue
		}
		t := s.Topics[p.topic[i]]
		q := t.Partitions[p.part[i]]
		plan.Moves = append(plan.Moves, cluster.Move{
			Topic: t.Name, TopicID: t.ID, Partition: q.Partition,
			From: q.Replicas, To: to, SizeBytes: q.Load.SizeBytes,
		})
		plan.ReplicaMoves += int(st.moved[i])
		plan.BytesToMove += cluster.Bytes(float64(st.moved[i]) * p.size[i])
	}
	sort.Slice(plan.Moves, func(a, b int) bool {
		x, y := plan.Moves[a], plan.Moves[b]
		if x.Topic != y.Topic {
			return x.Topic < y.Topic
		}
		return x.Partition < y.Partition
	})
	return plan
}

// target is the replica list partition i is to have, leader first and the
// others in the order they have now, and whether a plan must name it.
func (s *state) target(i int) (to []int, listed bool) {
	slots, lead := s.replicas(s.slots, i), s.leader[i]
	if s.moved[i] == 0 && lead == s.preferred(i) && s.replicas(s.orig, i)[0] == lead {
		return nil, false
	}
	orig := s.replicas(s.orig, i)
	to = make([]int, 0, len(slots))
	to = append(to, s.ids[lead])
	for _, b := range orig {
		if b != lead && contains(slots, b) {
			to = append(to, s.ids[b])
		}
	}
	for _, b := range slots {
		if b != lead && !contains(orig, b) {
			to = append(to, s.ids[b])
		}
	}
	return to, true
}

// balance describes a placement per resource.
func (p *problem) balance(load []float64) Balance {
	out := Balance{Resources: make(map[string]ResourceBalance, p.nd)}
	for r, g := range goals {
		m := p.measure(load, r)
		b := ResourceBalance{Min: cluster.Ratio(inf), OverIdeal: m.over}
		var sum, capacity float64
		for i := 0; i < p.nb; i++ {
			if !p.alive[i] {
				continue
			}
			u := cluster.Ratio(load[i*p.nd+r] / p.capacity[i*p.nd+r])
			b.Max, b.Min = max(b.Max, u), min(b.Min, u)
			sum += load[i*p.nd+r]
			capacity += p.capacity[i*p.nd+r]
		}
		b.Average = cluster.Ratio(p.total[r] / capacity)
		b.MaxOverAvg = 1
		if b.Average > 0 {
			b.MaxOverAvg = float64(b.Max / b.Average)
		}
		out.Resources[g.name] = b
	}
	return out
}
