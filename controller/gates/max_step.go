package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// MaxStep refuses a change of brokers larger than the policy's step, whatever
// proposed it.
type MaxStep struct{}

// Name is the gate's name.
func (MaxStep) Name() string { return "max-step" }

// Check measures the step.
func (MaxStep) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if p.Kind != decision.ScaleBrokers {
		return allow()
	}
	step, most := max(p.To-p.From, p.From-p.To), s.Policy.Spec.Brokers.Step(p.From, p.To)
	if step > most {
		return refuse("a step of %d is more than the %d that one change may be (brokers.maxStep)", step, most)
	}
	return allow()
}
