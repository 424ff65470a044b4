package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"

	"github.com/tidetable/tidetable/cluster"
)

// DiskAfter holds a scale-in after which the disks would be too full: what is
// stored now must fit what stays, with room to move.
type DiskAfter struct{}

// Name is the gate's name.
func (DiskAfter) Name() string { return "disk-after" }

// Check spreads what is stored over the disks that stay, counting the largest
// as those that leave.
func (DiskAfter) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !brokersIn(p) {
		return allow()
	}
	var total, largest, stored cluster.Bytes
	for i := range s.Snapshot.Brokers {
		b := &s.Snapshot.Brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		if b.Capacity.DiskBytes <= 0 {
			return hold("the disk size of broker %d is not known", b.ID)
		}
		total += b.Capacity.DiskBytes
		largest = max(largest, b.Capacity.DiskBytes)
	}
	for i := range s.Snapshot.Topics {
		for _, part := range s.Snapshot.Topics[i].Partitions {
			stored += part.Load.SizeBytes * cluster.Bytes(len(part.Replicas))
		}
	}
	left := total - largest*cluster.Bytes(p.From-p.To)
	if left <= 0 {
		return refuse("no disk would be left")
	}
	if fill, most := cluster.Ratio(stored/left), s.Policy.Spec.Gates.DiskAfter; fill > most {
		return hold("disks would be %s full, and %s is the most", fill, most)
	}
	return allow()
}
