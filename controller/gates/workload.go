package gates

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
)

// Workload asks what the workload itself, or the operator behind it, forbids: a
// scale-in that would take volumes along, a pool of controllers, an operator
// that would fail, or that has refused.
type Workload struct{}

// Name is the gate's name.
func (Workload) Name() string { return "workload" }

// Check refuses what must not be done by anybody, before anything is begun.
func (Workload) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	scale := s.Scales[p.Target]
	switch {
	case p.ScaleIn() && scale.NoIn != "":
		return refuse("%s must not be made smaller: %s", p.Target, scale.NoIn)
	case scaleOut(p) && scale.NoOut != "":
		return refuse("%s must not be made larger: %s", p.Target, scale.NoOut)
	case brokersIn(p) && scale.Refused != "":
		return hold("the operator refuses a scale-in of %s: %s", p.Target, scale.Refused)
	}
	if !brokersIn(p) || !s.Policy.Spec.Mode.Acts() {
		return allow()
	}
	leaving, err := identity.Leaving(identity.Question{
		Target: p.Target, From: p.From, To: p.To, Scale: scale, Brokers: s.Snapshot.Brokers, Last: s.Policy.Spec.Brokers.IDOf,
	})
	switch {
	case err != nil:
		return refuse("%v", err)
	case len(leaving) == 0:
		return allow()
	}
	v := allow()
	v.Why = told(leaving)
	return v
}

// told says which brokers leave, and how that is known.
func told(leaving []decision.Leaving) string {
	var words []string
	for _, l := range leaving {
		words = append(words, fmt.Sprintf("pod %s is broker %d by %s", l.Pod, l.Broker, l.By))
	}
	return strings.Join(words, "; ")
}
