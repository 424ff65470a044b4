package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// OneOperation lets one operation on brokers or placement go on at a time.
type OneOperation struct{}

// Name is the gate's name.
func (OneOperation) Name() string { return "one-operation" }

// Check looks for an operation in flight.
func (OneOperation) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if movesData(p) && s.Operation != nil {
		return hold("an operation is in flight: %s, phase %s", s.Operation.ID, s.Operation.Phase)
	}
	return allow()
}
