package world

import (
	"fmt"

	"github.com/tidetable/tidetable/cluster"
)

// SetBrokers asks for n brokers, as the replicas of a StatefulSet: new ones
// take the next ordinals and zones in turn, and only the highest ordinals
// leave. A broker that holds replicas is never taken away.
func (w *World) SetBrokers(n int, why string) error {
	if n < 1 {
		return fmt.Errorf("scaling brokers to %d: at least one is needed", n)
	}
	have := len(w.brokers)
	for i := have - 1; i >= n; i-- {
		if w.brokers[i].holds > 0 {
			return fmt.Errorf("scaling brokers from %d to %d: broker %d: %w", have, n, i, ErrHoldsData)
		}
	}
	switch {
	case n == have:
		return nil
	case n < have:
		for i := n; i < have; i++ {
			b := &w.brokers[i]
			if b.missing > 0 {
				w.catching--
			}
			for k, q := range b.queue {
				w.stranded[k] += q
			}
		}
		w.brokers = w.brokers[:n]
		w.faults.forget(n)
	default:
		for i := have; i < n; i++ {
			w.startBroker()
		}
	}
	w.act("brokers", have, n, why)
	return nil
}

// forget drops the faults of brokers that no longer exist, so that a new one
// with the same ordinal starts well.
func (f *faultState) forget(from int) {
	for id := range f.down {
		if id >= from {
			delete(f.down, id)
		}
	}
}

func (w *World) startBroker() {
	zone := ""
	if len(w.cfg.Zones) > 0 {
		zone = w.cfg.Zones[len(w.brokers)%len(w.cfg.Zones)]
	}
	b := w.addBroker(zone, w.cfg.NewShape)
	b.ready = w.now.Add(w.cfg.Times.PodStart + w.cfg.Times.BrokerJoin)
	w.pending.add(b.ready, happening{kind: hapBrokerUp, id: b.id})
}

// Brokers is how many brokers there are, and how many of them are alive.
func (w *World) Brokers() (have, alive int) {
	for i := range w.brokers {
		if w.brokers[i].state == cluster.BrokerAlive {
			alive++
		}
	}
	return len(w.brokers), alive
}

// Groups is how many groups there are.
func (w *World) Groups() int { return len(w.groups) }

// GroupView is what can be measured of one group.
type GroupView struct {
	Spec       GroupSpec
	Want       int
	Ready      int
	Partitions int
	Arrives    float64 // records per second
	Consumed   float64
	Lag        float64 // records, as committed offsets show it
	LagSeconds float64
}

// Group is the i-th group now.
func (w *World) Group(i int) GroupView {
	g := &w.groups[i]
	return GroupView{g.spec, g.want, g.ready, len(g.parts), g.arrives, g.consumed, g.lag + g.consumed*g.uncommitted(), g.lagSeconds}
}

// BrokerView is what can be measured of one broker.
type BrokerView struct {
	ID          int
	Zone        string
	State       cluster.BrokerState
	Shape       cluster.Capacity
	In, Out     float64 // bytes per second
	CPU         float64 // cores
	DiskBytes   float64
	Utilisation float64
	Resource    string
	P99         float64
	Replicas    int
	Leaders     int
}

// Broker is the i-th broker now.
func (w *World) Broker(i int) BrokerView {
	b := &w.brokers[i]
	return BrokerView{b.id, b.zone, b.state, b.shape, b.use.in, b.use.out, b.use.cpu, w.diskUsed(b), b.use.u, b.use.resource, b.use.p99, b.holds, b.leads}
}

func (w *World) diskUsed(b *broker) float64 {
	sum := b.copied
	for k := range w.classes {
		sum += b.size[k] * w.classes[k].stored
	}
	return max(sum, 0)
}

// Moving tells whether data is being moved, and how many bytes are left.
func (w *World) Moving() (busy bool, left float64) {
	for _, m := range w.moves.active {
		for _, l := range m.left {
			left += l
		}
	}
	for _, m := range w.moves.waiting {
		for _, l := range m.left {
			left += l
		}
	}
	return w.moves.busy(), left
}
