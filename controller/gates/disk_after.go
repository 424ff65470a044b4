package gates

import (
	"context"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// DiskAfter holds a scale-in after which the disks would be too full: what is
// stored now must fit what stays, with room to move.
type DiskAfter struct{}

// Name is the gate's name.
func (DiskAfter) Name() string { return "disk-after" }

// Check spreads what is stored over the disks that stay; where it is not known
// which those are, the largest count as those that leave.
func (DiskAfter) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !brokersIn(p) {
		return allow()
	}
	var left, largest, stored cluster.Bytes
	stay, known := staying(p, s)
	for i := range stay {
		b := &stay[i]
		if b.Capacity.DiskBytes <= 0 {
			return hold("the disk size of broker %d is not known", b.ID)
		}
		left += b.Capacity.DiskBytes
		largest = max(largest, b.Capacity.DiskBytes)
	}
	if !known {
		left -= largest * cluster.Bytes(p.From-p.To)
	}
	for i := range s.Snapshot.Topics {
		for _, part := range s.Snapshot.Topics[i].Partitions {
			stored += part.Load.SizeBytes * cluster.Bytes(len(part.Replicas))
		}
	}
	if left <= 0 {
		return refuse("no disk would be left")
	}
	if fill, most := cluster.Ratio(stored/left), s.Policy.Spec.Gates.DiskAfter; fill > most {
		return hold("disks would be %s full, and %s is the most", fill, most)
	}
	return allow()
}
