package gates

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Bounds refuses a size outside the policy's minimum and maximum, whatever
// proposed it. A size that is outside already may be brought nearer.
type Bounds struct{}

// Name is the gate's name.
func (Bounds) Name() string { return "bounds" }

// Check compares the proposal with the policy.
func (Bounds) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	least, most := s.Policy.Spec.Brokers.Min, s.Policy.Spec.Brokers.Max
	switch p.Kind {
	case decision.Rebalance:
		return allow()
	case decision.ScaleConsumers:
		i := slices.IndexFunc(s.Policy.Spec.Consumers, func(c policy.Consumer) bool { return c.Group == p.Group })
		if i < 0 {
			return refuse("group %s is not in the policy", p.Group)
		}
		least, most = s.Policy.Spec.Consumers[i].Min, s.Policy.Spec.Consumers[i].Max
	}
	if p.To < least && p.To < p.From {
		return refuse("%d is below the minimum of %d", p.To, least)
	}
	if most > 0 && p.To > most && p.To > p.From {
		return refuse("%d is above the maximum of %d", p.To, most)
	}
	return allow()
}
