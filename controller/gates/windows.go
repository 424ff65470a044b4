package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"

	"github.com/tidetable/tidetable/policy"
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
	if v := within("gates.windows", s.Windows, s); v.Ruling != decision.Allow {
		return v
	}
	if p.Kind == decision.Rebalance {
		return within("rebalance.windows", s.MoveWindows, s)
	}
	return allow()
}

func within(name string, w policy.Windows, s Situation) decision.Verdict {
	if w.None() {
		return allow()
	}
	open, err := w.OpenAt(s.Now)
	switch {
	case err != nil:
		return hold("%s cannot be read, so it counts as closed: %v", name, err)
	case !open:
		return hold("%s opens at %s", name, w.NextOpen(s.Now).UTC().Format("2006-01-02 15:04 MST"))
	}
	return allow()
}
