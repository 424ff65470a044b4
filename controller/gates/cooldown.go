package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Cooldown lets one change of the brokers show its effect before the next. A
// reactive scale-out does not wait, nor do consumers that grow: waiting costs
// lag, and a forecast too high is bounded by the other gates.
type Cooldown struct{}

// Name is the gate's name.
func (Cooldown) Name() string { return "cooldown" }

// Check looks at when the target was changed last.
func (Cooldown) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	last, ok := s.LastScale(p.Target)
	if !ok || p.Kind == decision.ScaleConsumers || scaleOut(p) && p.Reactive {
		return allow()
	}
	at := last.At
	if last.Ended.After(at) {
		at = last.Ended
	}
	if left := s.Policy.Spec.Gates.Cooldown.D() - s.Now.Sub(at); left > 0 {
		return hold("%s was changed %s ago; %s of the cooldown are left", p.Target, ago(s.Now.Sub(at)), ago(left))
	}
	return allow()
}
