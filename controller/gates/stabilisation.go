package gates

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Stabilisation makes scale-in wait for the highest need of the window, and
// for the window to be known in full: after a restart nothing shrinks early.
type Stabilisation struct{}

// Name is the gate's name.
func (Stabilisation) Name() string { return "stabilisation" }

// Check compares the proposal with the window's record.
func (Stabilisation) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !p.ScaleIn() {
		return allow()
	}
	span := s.Policy.Spec.Brokers.Stabilisation
	if p.Kind == decision.ScaleConsumers {
		i := slices.IndexFunc(s.Policy.Spec.Consumers, func(c policy.Consumer) bool { return c.Group == p.Group })
		if i < 0 {
			return refuse("group %s is not in the policy", p.Group)
		}
		span = s.Policy.Spec.Consumers[i].Stabilisation
	}
	w, ok := s.Needs[p.Target]
	if !ok {
		return hold("the need of %s has no record", p.Target)
	}
	if known := s.Now.Sub(w.Since); known < span.D() {
		return hold("the need is known for %s of %s", ago(known), span)
	}
	if p.To < w.Highest {
		return hold("%d were needed within the last %s", w.Highest, span)
	}
	return allow()
}
