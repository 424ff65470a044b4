package rebalance

import (
	"slices"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// newPlan writes the search's result down as a plan.
func (sr *search) newPlan(s cluster.Snapshot, before []float64, o Options) Plan {
	st := sr.st
	p := st.problem
	st.reload()
	plan := Plan{
		Version:                PlanVersion,
		ClusterID:              s.ClusterID,
		Before:                 p.balance(before),
		After:                  p.balance(st.load),
		LowerBounds:            p.bounds(before),
		Frontier:               sr.frontier,
		Evaluations:            sr.w.evaluations(),
		ThrottleBytesPerSecond: o.Throttle,
	}
	if plan.ThrottleBytesPerSecond <= 0 {
		plan.ThrottleBytesPerSecond = DefaultThrottle
	}
	plan.LowerBounds.LeadersMaxOverAvg = p.leadersBound()
	plan.Brokers = p.brokerChanges(s, before, st.load)
	busiest := sr.listMoves(s, &plan)
	plan.DurationSeconds = busiest / float64(plan.ThrottleBytesPerSecond)
	plan.LowerBounds.ScheduleSeconds = plan.DurationSeconds
	plan.GainPoints = plan.Before.ImbalancePoints - plan.After.ImbalancePoints -
		max(0, st.bytes-float64(plan.LowerBounds.ForcedBytes))*sr.price - float64(plan.LeaderOnlyMoves)*sr.w.g.leadPrice
	plan.Locality = st.localityReport(o.Locality)
	if o.PartitionLimits != nil {
		plan.PartitionAdvice = advisePartitions(s, o.Forecast, *o.PartitionLimits)
	}
	plan.Violations = sr.violations(s)
	return plan
}

// listMoves fills in the plan's moves and counts, and returns the most bytes
// that one broker sends or receives.
func (sr *search) listMoves(s cluster.Snapshot, plan *Plan) float64 {
	st := sr.st
	for i := 0; i < st.np; i++ {
		if st.held[i] == inFlight || st.held[i] == lost {
			continue
		}
		to, listed := st.target(i)
		if st.leader[i] != st.lead0[i] {
			plan.LeaderMoves++
			switch {
			case !listed:
				plan.PreferredElections++
			case st.moved[i] == 0:
				plan.LeaderOnlyMoves++
			}
		}
		if !listed {
			continue
		}
		t := s.Topics[st.topic[i]]
		q := t.Partitions[st.part[i]]
		if slices.Equal(to, q.Replicas) && int(st.lead0[i]) >= 0 && st.ids[st.lead0[i]] == to[0] {
			continue // its topic's replication factor changes, its own does not
		}
		plan.Moves = append(plan.Moves, cluster.Move{
			Topic: t.Name, TopicID: t.ID, Partition: q.Partition,
			From: q.Replicas, To: to, SizeBytes: q.Load.SizeBytes,
		})
		plan.ReplicaMoves += int(st.moved[i])
		orig := st.replicas(st.orig, i)
		for _, b := range st.replicas(st.slots, i) {
			if contains(orig, b) {
				continue
			}
			plan.BytesToMove += q.Load.SizeBytes
			plan.Brokers[b].BytesIn += q.Load.SizeBytes
			if st.lead0[i] >= 0 && int(st.lead0[i]) < len(plan.Brokers) {
				plan.Brokers[st.lead0[i]].BytesOut += q.Load.SizeBytes
			}
		}
	}
	slices.SortFunc(plan.Moves, func(x, y cluster.Move) int {
		if c := strings.Compare(x.Topic, y.Topic); c != 0 {
			return c
		}
		return x.Partition - y.Partition
	})
	busiest := 0.0
	for _, b := range plan.Brokers {
		busiest = max(busiest, float64(b.BytesIn), float64(b.BytesOut))
	}
	slices.SortFunc(plan.Brokers, func(x, y BrokerChange) int { return x.ID - y.ID })
	return busiest
}

// target is the replica list partition i is to have, leader first and the
// others in the order they have now, and whether a plan must name it.
func (s *state) target(i int) (to []int, listed bool) {
	slots, lead := s.replicas(s.slots, i), s.leader[i]
	orig := s.replicas(s.orig, i)
	if !s.resized[int(s.topic[i])] && s.moved[i] == 0 && lead == s.preferred(i) && (orig[0] == lead || !s.alive[orig[0]]) {
		return nil, false
	}
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
	out := Balance{ImbalancePoints: p.imbalancePoints(load), Resources: make(map[string]ResourceBalance, p.nd)}
	for r, g := range p.dims {
		if p.unknown[g.base] && !g.count {
			continue
		}
		m := p.measure(load, r)
		b := ResourceBalance{Min: cluster.Ratio(inf), OverIdeal: m.over, UnderIdeal: m.under, Spread: m.spread}
		var carried, capacity float64
		for i := 0; i < p.nb; i++ {
			if p.alive[i] && !p.isAssumed(i, r) {
				u := cluster.Ratio(load[i*p.nd+r] / p.capacity[i*p.nd+r])
				b.Max, b.Min = max(b.Max, u), min(b.Min, u)
				capacity += p.capacity[i*p.nd+r]
				carried += load[i*p.nd+r]
			}
		}
		if capacity <= 0 {
			continue
		}
		if p.assumed == nil {
			carried = p.total[r] // with what is still on brokers that must end up empty
		}
		b.Average = cluster.Ratio(carried / capacity)
		b.MaxOverAvg = 1
		if b.Average > 0 {
			b.MaxOverAvg = float64(b.Max / b.Average)
		}
		out.Resources[g.name] = b
	}
	return out
}

// brokerChanges lists what every broker carries before and after, in the
// snapshot's order.
func (p *problem) brokerChanges(s cluster.Snapshot, before, after []float64) []BrokerChange {
	out := make([]BrokerChange, len(s.Brokers)) // without nowhere
	for b := range out {
		x := s.Brokers[b]
		out[b] = BrokerChange{ID: x.ID, Zone: x.Zone, State: string(x.State),
			UsedBefore: make(map[string]float64, p.nd), UsedAfter: make(map[string]float64, p.nd)}
		for r, g := range p.dims {
			if (p.unknown[g.base] || p.isAssumed(b, r)) && !g.count {
				continue
			}
			at := b*p.nd + r
			unit := p.capacity[at]
			if g.count {
				unit = 1
			}
			if unit > 0 {
				out[b].UsedBefore[g.name] = before[at] / unit
				out[b].UsedAfter[g.name] = max(0, after[at]) / unit
			}
		}
	}
	return out
}
