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
// its field path.
func checkSnapshot(s cluster.Snapshot) error {
	m := &mistakes{}
	known := checkBrokers(s, m)
	seen := map[string]bool{}
	for ti, t := range s.Topics {
		if seen[t.Name] {
			m.add(fmt.Sprintf("topics[%d].name", ti), "%q is there twice", t.Name)
		}
		seen[t.Name] = true
		parts := make(map[int]bool, len(t.Partitions))
		for qi, q := range t.Partitions {
			if parts[q.Partition] {
				m.add(fmt.Sprintf("topics[%d].partitions[%d]", ti, qi), "%s-%d is there twice", t.Name, q.Partition)
			}
			parts[q.Partition] = true
			checkPartition(m, known, t.Name, ti, qi, q)
		}
	}
	return m.err()
}

func checkBrokers(s cluster.Snapshot, m *mistakes) map[int]bool {
	if len(s.Brokers) == 0 {
		m.add("brokers", "there is none; a plan needs at least one")
	}
	known := make(map[int]bool, len(s.Brokers))
	unknown := unknownCapacities(s.Brokers)
	alive := 0
	for i, b := range s.Brokers {
		if known[b.ID] {
			m.add(fmt.Sprintf("brokers[%d].id", i), "broker %d is there twice", b.ID)
		}
		known[b.ID] = true
		switch b.State {
		case cluster.BrokerAlive, "":
			alive++
		case cluster.BrokerFenced, cluster.BrokerDraining, cluster.BrokerDead:
		default:
			m.add(fmt.Sprintf("brokers[%d].state", i), "%q is not one of alive, fenced, draining, dead", b.State)
		}
		for r, g := range goals {
			if unknown[r] {
				continue
			}
			// Who only gives replicas away may have no capacity left.
			if c := g.capacity(b.Capacity); !(c > 0) && (b.State == cluster.BrokerAlive || b.State == "") || math.IsNaN(c) || math.IsInf(c, 0) || c < 0 {
				m.add(fmt.Sprintf("brokers[%d].capacity", i), "broker %d has %v %s for %s; it must be above zero", b.ID, c, g.unit, g.name)
				break
			}
		}
		if w := float64(b.Capacity.DiskBytesPerSecond); w < 0 || math.IsNaN(w) {
			m.add(fmt.Sprintf("brokers[%d].capacity.diskBytesPerSecond", i), "%v must be zero (unknown) or above", w)
		}
	}
	if len(s.Brokers) > 0 && alive == 0 {
		m.add("brokers", "none is alive, so there is nowhere to put a replica")
	}
	return known
}

// unknownCapacities tells, per goal, that no broker's capacity is known. Such a
// goal is left out; one that only some brokers lack is a mistake.
func unknownCapacities(bs []cluster.Broker) []bool {
	out := make([]bool, len(goals))
	for r, g := range goals {
		out[r] = len(bs) > 0
		for _, b := range bs {
			out[r] = out[r] && g.capacity(b.Capacity) == 0
		}
	}
	return out
}

func checkPartition(m *mistakes, known map[int]bool, topic string, ti, qi int, q cluster.Partition) {
	at := func(field string) string { return fmt.Sprintf("topics[%d].partitions[%d].%s", ti, qi, field) }
	if len(q.Replicas) == 0 {
		m.add(at("replicas"), "%s-%d has none", topic, q.Partition)
	}
	if len(q.Replicas) > math.MaxInt8 {
		m.add(at("replicas"), "%s-%d has %d, more than %d", topic, q.Partition, len(q.Replicas), math.MaxInt8)
		return
	}
	for k, b := range q.Replicas {
		if !known[b] {
			m.add(at(fmt.Sprintf("replicas[%d]", k)), "%s-%d is on broker %d, which is not in brokers; list it there, with state \"dead\" if it is gone", topic, q.Partition, b)
		}
		for j := 0; j < k; j++ {
			if q.Replicas[j] == b {
				m.add(at(fmt.Sprintf("replicas[%d]", k)), "%s-%d is on broker %d twice", topic, q.Partition, b)
				break
			}
		}
	}
	l := q.Load
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"bytesInPerSecond", float64(l.BytesInPerSecond)}, {"bytesOutPerSecond", float64(l.BytesOutPerSecond)},
		{"leaderCpuCores", float64(l.LeaderCPUCores)}, {"followerCpuCores", float64(l.FollowerCPUCores)},
		{"sizeBytes", float64(l.SizeBytes)},
	} {
		if !(f.value >= 0) || f.value > maxLoad {
			m.add(at("load."+f.name), "%s-%d has %v; it must be between 0 and %g", topic, q.Partition, f.value, float64(maxLoad))
		}
	}
}

// maxLoad bounds a load, so that sums of squares stay finite.
const maxLoad = 1e21
