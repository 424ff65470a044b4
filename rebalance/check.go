package rebalance

import (
	"errors"
	"fmt"
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// ErrBadSnapshot marks a snapshot that no plan can be made from.
var ErrBadSnapshot = errors.New("snapshot cannot be planned from")

// mistakes collects what is wrong with a document.
type mistakes struct{ list cluster.Mistakes }

func (m *mistakes) add(path, format string, a ...any) {
	m.list = append(m.list, cluster.Mistake{Path: path, Wrong: fmt.Sprintf(format, a...)})
}

func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBadSnapshot, m.list)
}

// checkSnapshot reports every mistake that would make a plan meaningless, with
// its field path: those of any snapshot, and what only a plan needs.
func checkSnapshot(s cluster.Snapshot) error {
	m := &mistakes{list: s.Mistakes()}
	checkBrokers(s.Brokers, m)
	for ti := range s.Topics {
		t := &s.Topics[ti]
		for qi := range t.Partitions {
			if q := &t.Partitions[qi]; len(q.Replicas) > math.MaxInt8 {
				m.add(fmt.Sprintf("topics[%d].partitions[%d].replicas", ti, qi),
					"%s-%d has %d, more than the %d that are planned for", t.Name, q.Partition, len(q.Replicas), math.MaxInt8)
			}
		}
	}
	return m.err()
}

// checkBrokers asks for somewhere to put a replica.
func checkBrokers(brokers []cluster.Broker, m *mistakes) {
	for _, b := range brokers {
		if b.State == cluster.BrokerAlive {
			return
		}
	}
	if len(brokers) > 0 {
		m.add("brokers", "none is alive, so there is nowhere to put a replica")
	}
}

// unknownCapacities tells, per goal, that no capacity is known of any broker that
// may hold replicas. Such a goal is left out; where only some brokers lack it, see
// assumeCapacities.
func unknownCapacities(bs []cluster.Broker) []bool {
	out := make([]bool, len(goals))
	for r, g := range goals {
		out[r] = len(bs) > 0
		for _, b := range bs {
			out[r] = out[r] && (g.capacity(b.Capacity) == 0 || b.State != cluster.BrokerAlive)
		}
	}
	return out
}
