package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Alerts obeys what was said from outside: a freeze stops everything, a hold
// stops what makes anything smaller. Nothing from outside can do more.
type Alerts struct{}

// Name is the gate's name.
func (Alerts) Name() string { return "alerts" }

// Check looks for a freeze or a hold on the proposal's subject.
func (Alerts) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	for _, o := range s.Observations {
		if o.Subject != "" && o.Subject != p.Target && o.Subject != p.Group {
			continue
		}
		switch {
		case o.Effect == decision.EffectFreeze:
			return hold("frozen by %s until %s", o.Source, o.Until.UTC().Format("2006-01-02 15:04 MST"))
		case o.Effect == decision.EffectHold && !scaleOut(p):
			return hold("held by %s until %s", o.Source, o.Until.UTC().Format("2006-01-02 15:04 MST"))
		}
	}
	return allow()
}
