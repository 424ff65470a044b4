package rebalance

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/cluster"
)

// Planner makes plans. The zero value is ready; it keeps nothing between plans
// and may be used from several goroutines.
type Planner struct {
	// Progress, where set, is told how much of the search is done, from 0 to 1.
	Progress func(share float64)

	trace bool // prints every step, for tuning
}

// Plan finds the moves that are worth making. A rule that no plan can meet is
// an answer, in Plan.Violations, not an error; a snapshot that makes no sense
// is an error that wraps ErrBadSnapshot. The result depends on its arguments
// alone. When ctx ends, so does the search, with its error.
func (pl Planner) Plan(ctx context.Context, s cluster.Snapshot, o Options) (Plan, error) {
	s, err := prepare(s, o)
	if err != nil {
		return Plan{}, err
	}
	shared := s.ShareReads()
	now := s
	s = settle(s)
	sized, changed, err := resize(s, o)
	if err != nil {
		return Plan{}, err
	}
	p := newProblem(sized, o)
	p.resized = changed
	st := newState(p)
	before := p.currentLoad()
	sr := newSearch(st, o, pl.Progress)
	if pl.trace {
		sr.trace = sr.printStep
	}
	if err := sr.run(ctx); err != nil {
		return Plan{}, fmt.Errorf("searching for a plan: %w", err)
	}
	plan := sr.newPlan(s, before, o)
	plan.Warnings = p.warnings(s, now)
	if shared {
		plan.Warnings = append(
			plan.Warnings,
			"what brokers send was measured to be shared by leaders and followers: consumers fetch from followers",
		)
	}
	return plan, nil
}

// prepare checks the snapshot and gives brokers the states that the options
// ask for. The argument is left as it is.
func prepare(s cluster.Snapshot, o Options) (cluster.Snapshot, error) {
	s.Brokers = append([]cluster.Broker(nil), s.Brokers...)
	if err := checkSnapshot(s); err != nil {
		return s, err
	}
	for _, id := range o.Remove {
		if !setState(s.Brokers, id, cluster.BrokerDraining) {
			return s, fmt.Errorf("%w: broker %d to be removed is not in brokers", ErrBadSnapshot, id)
		}
	}
	for _, b := range o.Add {
		if !setState(s.Brokers, b.ID, cluster.BrokerAlive) {
			s.Brokers = append(s.Brokers, likeMost(s.Brokers, b))
		}
	}
	return s, checkSnapshot(s)
}

func setState(bs []cluster.Broker, id int, to cluster.BrokerState) bool {
	for i := range bs {
		if bs[i].ID == id {
			if to != cluster.BrokerDraining || bs[i].State != cluster.BrokerDead {
				bs[i].State = to
			}
			return true
		}
	}
	return false
}

// likeMost fills in what is not said of a new broker: the most common
// capacity, and the zone that has the least CPU; the fewest brokers, where that
// is not known of all. A zone is one that somebody names, if anybody does.
func likeMost(bs []cluster.Broker, n NewBroker) cluster.Broker {
	b := cluster.Broker{ID: n.ID, Zone: n.Zone, State: cluster.BrokerAlive, Capacity: n.Capacity}
	if b.Capacity == (cluster.Capacity{}) {
		count := map[cluster.Capacity]int{}
		for _, x := range bs {
			count[x.Capacity]++
		}
		for _, x := range bs {
			if count[x.Capacity] > count[b.Capacity] {
				b.Capacity = x.Capacity
			}
		}
	}
	if b.Zone == "" {
		b.Zone = smallestZone(bs)
	}
	return b
}

func smallestZone(bs []cluster.Broker) string {
	var zones []string
	cores, brokers := map[string]float64{}, map[string]float64{}
	size := cores
	for _, x := range bs {
		if _, ok := cores[x.Zone]; !ok && x.Zone != "" {
			zones = append(zones, x.Zone)
			cores[x.Zone] = 0
		}
		if x.State == cluster.BrokerAlive {
			cores[x.Zone] += float64(x.Capacity.CPUCores)
			brokers[x.Zone]++
			if x.Capacity.CPUCores <= 0 {
				size = brokers
			}
		}
	}
	least := ""
	for n, z := range zones {
		if n == 0 || size[z] < size[least] {
			least = z
		}
	}
	return least
}

// currentLoad is what brokers carry now, with the leaders they have now.
func (p *problem) currentLoad() []float64 {
	load := make([]float64, p.nb*p.nd)
	s := &state{problem: p, load: load}
	for i := 0; i < p.np; i++ {
		for _, b := range p.replicas(p.orig, i) {
			s.add(b, i, 1, 0)
		}
		if p.lead0[i] >= 0 {
			s.add(p.lead0[i], i, 0, 1)
		}
	}
	return load
}
