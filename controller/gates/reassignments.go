package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// Reassignments holds changes of brokers and placement while replicas are
// being moved, by us or by somebody else.
type Reassignments struct{}

// Name is the gate's name.
func (Reassignments) Name() string { return "reassignments" }

// Check looks for moves in flight. A scale-out of brokers waits only for its
// own: pods can start meanwhile.
func (Reassignments) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if n := len(s.Snapshot.Reassignments); n > 0 && movesData(p) && !scaleOut(p) {
		return hold(
			"%d partitions are being moved, such as %s-%d",
			n,
			s.Snapshot.Reassignments[0].Topic,
			s.Snapshot.Reassignments[0].Partition,
		)
	}
	return allow()
}
