package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Zones refuses a scale-in that leaves too few zones.
type Zones struct{}

// Name is the gate's name.
func (Zones) Name() string { return "zones" }

// Check counts the zones of the brokers that stay; where it is not known which
// those are, of all but the highest ids.
func (Zones) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !brokersIn(p) {
		return allow()
	}
	stay, known := staying(p, s)
	if n := p.From - p.To; !known {
		if len(stay) < n {
			return refuse("%d brokers cannot leave: %d are alive", n, len(stay))
		}
		stay = stay[:len(stay)-n]
	}
	zones := map[string]bool{}
	for _, b := range stay {
		zones[b.Zone] = true
	}
	if least := s.Policy.Spec.Gates.MinZones; len(zones) < least {
		return refuse("%d zones would be left, and gates.minZones is %d", len(zones), least)
	}
	return allow()
}
