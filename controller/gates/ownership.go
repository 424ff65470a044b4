package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Ownership refuses to set what somebody else sets: an HPA, a ScaledObject, or
// another field manager. Two managers of one field fight for ever.
type Ownership struct{}

// Name is the gate's name.
func (Ownership) Name() string { return "ownership" }

// Check asks who else sets the size, and whether that could be read at all.
func (Ownership) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	scale, known := s.Scales[p.Target]
	switch {
	case p.Kind == decision.Rebalance:
		return allow()
	case scale.Conflict != "":
		return refuse("%s is set by %s", p.Target, scale.Conflict)
	case !known && s.Policy.Spec.Mode.Acts() && s.Unread[p.Target] != "":
		return hold("the size of %s could not be read", p.Target)
	}
	return allow()
}
