package gates

import (
	"context"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// BrokersReady holds changes of brokers and placement while a broker is not
// well: it is about to need its share back, or to bring it.
type BrokersReady struct{}

// Name is the gate's name.
func (BrokersReady) Name() string { return "brokers-ready" }

// Check looks at every broker's state, and at the workload's pods. A reactive
// scale-out goes on: it may be what the cluster needs.
func (BrokersReady) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !movesData(p) || scaleOut(p) && p.Reactive {
		return allow()
	}
	for i := range s.Snapshot.Brokers {
		if b := &s.Snapshot.Brokers[i]; b.State != cluster.BrokerAlive {
			return hold("broker %d is %s", b.ID, b.State)
		}
		if dir := s.Snapshot.Brokers[i].OfflineDirectory(); dir != "" {
			return hold("log directory %s of broker %d is offline", dir, s.Snapshot.Brokers[i].ID)
		}
	}
	if scale, ok := s.Scales[p.Target]; ok && scale.Ready < scale.Replicas {
		return hold("%d of %d pods of %s are ready", scale.Ready, scale.Replicas, p.Target)
	}
	return allow()
}
