package gates

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// Ineffective stops scaling out what scaling out does not help: consumers that
// wait for a slow database do not get faster by being more, and may bring it
// down. Brokers that joined and got nothing to do help nobody.
type Ineffective struct{}

// Name is the gate's name.
func (Ineffective) Name() string { return "ineffective" }

// leastGain is how much more a group must consume after it grew while it had a
// backlog: a tenth of what the replicas should have brought.
const leastGain = 0.1

// Check compares the group's work with what it was before its last scale-out.
func (Ineffective) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !scaleOut(p) {
		return allow()
	}
	if p.Kind == decision.ScaleBrokers {
		return emptyBroker(s)
	}
	last, ok := s.LastScale(p.Target)
	span := s.Policy.Spec.Gates.Ineffective.D()
	if !ok || last.To <= last.From || last.From == 0 || last.Lag == 0 || last.Consumed <= 0 {
		return allow()
	}
	// It has had its time to show, and not so long ago that the world changed.
	if age := s.Now.Sub(last.At); age < span || age > 4*span {
		return allow()
	}
	i := slices.IndexFunc(s.Snapshot.Groups, func(g cluster.Group) bool { return g.Name == p.Group })
	if i < 0 {
		return hold("group %s is not in the cluster", p.Group)
	}
	consumed, lag := 0.0, int64(0)
	for _, x := range s.Snapshot.Groups[i].Partitions {
		consumed += float64(x.ConsumedPerSecond)
		lag += x.Lag
	}
	grew := float64(last.To)/float64(last.From) - 1
	if lag >= last.Lag && consumed < last.Consumed*(1+leastGain*grew) {
		return hold(
			"growing from %d to %d replicas %s ago did not help: %.4g records/s are consumed, %.4g were before; something else is the bottleneck",
			last.From,
			last.To,
			ago(s.Now.Sub(last.At)),
			consumed,
			last.Consumed,
		)
	}
	return allow()
}

func emptyBroker(s Situation) decision.Verdict {
	holds := map[int]bool{}
	replicas := 0
	for i := range s.Snapshot.Topics {
		for _, p := range s.Snapshot.Topics[i].Partitions {
			for _, id := range p.Replicas {
				holds[id] = true
				replicas++
			}
		}
	}
	for i := range s.Snapshot.Brokers {
		if b := &s.Snapshot.Brokers[i]; b.State == cluster.BrokerAlive && !holds[b.ID] && replicas > 0 {
			return hold("broker %d is empty: another one would not help until it is filled", b.ID)
		}
	}
	return allow()
}
