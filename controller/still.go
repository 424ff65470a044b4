package controller

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// movesFade is how long after a reassignment the rates that brokers show still have
// it in them: the catalogues' rates are of five minutes.
const movesFade = 5 * time.Minute

// still is what was learned while nothing was moved: what CPU clients' traffic
// costs. What a move costs on top is the loop's own doing, and no load to be sized for.
type still struct {
	cost     capacity.CPUCost
	produced cluster.BytesPerSecond // when that was learned
	moved    time.Time              // when data were last seen to be moved
}

// demand is what clients ask for, without what moves cost.
func (s *still) demand(now time.Time, snap cluster.Snapshot) capacity.Demand {
	d := capacity.DemandOf(snap)
	if slices.ContainsFunc(snap.Reassignments, func(r cluster.Reassignment) bool { return len(r.Adding) > 0 }) {
		s.moved = now
	}
	if !s.moved.IsZero() && now.Sub(s.moved) < movesFade || d.Produced < silentShare*s.produced {
		return d.Costing(s.cost) // silence teaches nothing of what a byte costs
	}
	if d.CPUCost != (capacity.CPUCost{}) {
		s.cost, s.produced = d.CPUCost, d.Produced
	}
	return d
}
