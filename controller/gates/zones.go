package gates

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/decision"

	"github.com/tidetable/tidetable/cluster"
)

// Zones holds a scale-in that might leave too few zones: which broker leaves
// is the workload's choice, so any zone with few brokers may lose them.
type Zones struct{}

// Name is the gate's name.
func (Zones) Name() string { return "zones" }

// Check takes the highest ids away, as a StatefulSet does, and counts the
// zones that are left.
func (Zones) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !brokersIn(p) {
		return allow()
	}
	var alive []cluster.Broker
	for _, b := range s.Snapshot.Brokers {
		if b.State == cluster.BrokerAlive {
			alive = append(alive, b)
		}
	}
	slices.SortFunc(alive, func(a, b cluster.Broker) int { return a.ID - b.ID })
	if len(alive) < p.From-p.To {
		return refuse("%d brokers cannot leave: %d are alive", p.From-p.To, len(alive))
	}
	zones := map[string]bool{}
	for _, b := range alive[:len(alive)-(p.From-p.To)] {
		zones[b.Zone] = true
	}
	if least := s.Policy.Spec.Gates.MinZones; len(zones) < least {
		return refuse("%d zones would be left, and gates.minZones is %d", len(zones), least)
	}
	return allow()
}
