package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// SurviveAfter refuses a scale-in after which the policy's loss could not be
// survived: N − 1 after the change, by every constraint that could be computed.
type SurviveAfter struct{}

// Name is the gate's name.
func (SurviveAfter) Name() string { return "survive-after" }

// Check compares the size after, other workloads' brokers counted, with the
// requirement, headroom included.
func (SurviveAfter) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !brokersIn(p) {
		return allow()
	}
	if !s.Requirement.Complete {
		return hold("not every constraint could be computed")
	}
	for _, c := range s.Requirement.Constraints {
		if left := p.To + s.Others; !c.Advisory && c.Brokers > left {
			return refuse("%s needs %d brokers (%s): %s would not hold with %d", c.Name, c.Brokers, c.Formula, s.Requirement.Headroom, left)
		}
	}
	return allow()
}
