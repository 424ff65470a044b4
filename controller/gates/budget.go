package gates

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// Budget bounds how often sizes change within 24 hours: whatever went wrong,
// it goes wrong slowly. Reactive scale-outs have as many again to themselves.
type Budget struct{}

// Name is the gate's name.
func (Budget) Name() string { return "budget" }

// Check counts what was done in the last day.
func (Budget) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	b := s.Policy.Spec.Gates.Budget
	most := b.ConsumerActions
	switch p.Kind {
	case decision.Rebalance:
		return allow()
	case decision.ScaleBrokers:
		most = b.BrokerActions
	}
	n := 0
	for _, past := range s.Past {
		if past.Kind == p.Kind && past.Target == p.Target && s.Now.Sub(past.At) < 24*time.Hour {
			n++
		}
	}
	if p.Reactive && scaleOut(p) {
		most *= 2
	}
	if n >= most {
		return hold("%s was changed %d times in the last 24 hours, and the budget is %d", p.Target, n, most)
	}
	return allow()
}
