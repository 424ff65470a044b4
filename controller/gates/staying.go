package gates

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
)

// staying is the brokers that would be left and take part: those that are alive
// and not among the ones that leave, which are cordoned or gone already when the
// gates are asked again. Which leave is known where the workload tells its pods;
// otherwise known is false, and all that are alive are given.
func staying(p decision.Proposal, s Situation) (stay []cluster.Broker, known bool) {
	leaving, err := identity.Leaving(identity.Question{
		Target: p.Target, From: p.From, To: p.To, Scale: s.Scales[p.Target], Brokers: s.Snapshot.Brokers, Last: s.Policy.Spec.Brokers.IDOf,
	})
	known = err == nil && len(leaving) > 0
	gone := identity.Brokers(leaving)
	for _, b := range s.Snapshot.Brokers {
		if b.State == cluster.BrokerAlive && !(known && slices.Contains(gone, b.ID)) {
			stay = append(stay, b)
		}
	}
	slices.SortFunc(stay, func(a, b cluster.Broker) int { return a.ID - b.ID })
	return stay, known
}
