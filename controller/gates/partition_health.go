package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// PartitionHealth holds changes of brokers and placement while partitions are
// offline or under-replicated: moving data then costs the replicas that are left.
type PartitionHealth struct{}

// Name is the gate's name.
func (PartitionHealth) Name() string { return "partition-health" }

// Check counts partitions without a leader, and those with fewer replicas in
// sync than they should have. A reactive scale-out goes on.
func (PartitionHealth) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !movesData(p) || scaleOut(p) && p.Reactive {
		return allow()
	}
	offline, under, example := 0, 0, ""
	for i := range s.Snapshot.Topics {
		t := &s.Snapshot.Topics[i]
		for j := range t.Partitions {
			x := &t.Partitions[j]
			switch {
			case x.Leader < 0:
				offline++
			case len(x.ISR) < len(x.Replicas):
				under++
			default:
				continue
			}
			if example == "" {
				example = t.Name
			}
		}
	}
	if offline+under > 0 {
		return hold("%d partitions are offline and %d under-replicated, such as of topic %s", offline, under, example)
	}
	return allow()
}
