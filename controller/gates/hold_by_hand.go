package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// HoldByHand obeys people: the policy's hold, its annotation, and the
// annotation of the workload.
type HoldByHand struct{}

// Name is the gate's name.
func (HoldByHand) Name() string { return "hold" }

// Check looks at each place where a person can say hold.
func (HoldByHand) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if s.Policy.Spec.Gates.Hold {
		return hold("gates.hold is set")
	}
	if why := s.Policy.Held(); why != "" {
		return hold("%s", why)
	}
	if scale := s.Scales[p.Target]; scale.Held != "" {
		return hold("%s is held: %s", p.Target, scale.Held)
	}
	return allow()
}
