package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Windows confines changes to the policy's windows: gates.windows for
// scale-in and moves, rebalance.windows for moves. A scale-out is for a load
// that does not ask what time it is. A window that cannot be read is closed.
type Windows struct{}

// Name is the gate's name.
func (Windows) Name() string { return "windows" }

// Check asks the windows that concern the proposal.
func (Windows) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if scaleOut(p) {
		return allow()
	}
	why := s.Windows.Closed("gates.windows", s.Now)
	if why == "" && p.Kind == decision.Rebalance {
		why = s.MoveWindows.Closed("rebalance.windows", s.Now)
	}
	if why != "" {
		return hold("%s", why)
	}
	return allow()
}
