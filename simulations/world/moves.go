package world

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// moving is the reassignments under way and those that wait.
type moving struct {
	active  []*move
	waiting []*move
	total   float64 // bytes of the work submitted since it was last idle
	moved   float64
	count   int
	done    int
	rate    float64
	began   time.Time
	settled time.Time // when the mover has seen that all is done
}

type move struct {
	part    int32
	to      []int32
	adding  []int32
	left    []float64 // bytes to copy, by adding replica
	copied  []float64
	source  int32 // whose flow it counts in
	started bool
}

func (m *moving) busy() bool { return len(m.active)+len(m.waiting) > 0 }

// wish is a replica list that a partition is to have.
type wish struct {
	part int32
	to   []int32
}

// Move asks for moves. A move of a partition that is being moved is refused, as
// is one to a broker that does not exist or would break the replica list; then
// none of them is made.
func (w *World) Move(moves []cluster.Move) error {
	wishes := make([]wish, 0, len(moves))
	for _, c := range moves {
		t, ok := w.byTopic[c.Topic]
		if !ok || c.Partition < 0 || c.Partition >= w.topics[t].spec.Partitions {
			return fmt.Errorf("moving %s-%d: it does not exist", c.Topic, c.Partition)
		}
		to := make([]int32, len(c.To))
		for i, b := range c.To {
			if b < 0 || b >= len(w.brokers) {
				return fmt.Errorf("moving %s-%d: broker %d does not exist", c.Topic, c.Partition, b)
			}
			to[i] = int32(b)
		}
		wishes = append(wishes, wish{w.topics[t].first + int32(c.Partition), to})
	}
	return w.submit(wishes)
}

// submit checks wishes, and queues them when all are right.
func (w *World) submit(wishes []wish) error {
	if !w.moves.busy() {
		w.moves = moving{began: w.now}
	}
	accepted := make([]move, len(wishes))
	for i, x := range wishes {
		p := &w.parts[x.part]
		err := w.check(&accepted[i], x)
		if err != nil {
			for _, m := range accepted[:i] {
				w.parts[m.part].moving = false
			}
			t := &w.topics[p.topic]
			return fmt.Errorf("moving %s-%d: %w", t.spec.Name, x.part-t.first, err)
		}
		p.moving = true // so that no partition is in a plan twice
	}
	for i := range accepted {
		m := &accepted[i]
		w.moves.count++
		for i := range m.adding {
			w.moves.total += m.left[i]
			w.brokers[m.adding[i]].holds++
		}
		w.moves.waiting = append(w.moves.waiting, m)
	}
	w.startMoves()
	return nil
}

// check makes the move that a wish asks for.
func (w *World) check(m *move, x wish) error {
	p := &w.parts[x.part]
	if p.moving {
		return errors.New("it is being moved already")
	}
	if len(x.to) != len(p.replicas) {
		return fmt.Errorf("%d replicas wanted, it has %d", len(x.to), len(p.replicas))
	}
	*m = move{part: x.part, to: x.to, source: -1}
	for i, r := range x.to {
		if slices.Contains(x.to[:i], r) {
			return fmt.Errorf("broker %d is named twice", r)
		}
		if holds(p, r) {
			continue
		}
		if w.brokers[r].state != cluster.BrokerAlive {
			return fmt.Errorf("broker %d is %s", r, w.brokers[r].state)
		}
		m.adding = append(m.adding, r)
	}
	if n := len(m.adding); n > 0 {
		flat := make([]float64, 2*n)
		m.left, m.copied = flat[:n:n], flat[n:]
		for i := range m.left {
			m.left[i] = w.sizeOf(p)
		}
	}
	return nil
}

// startMoves starts what waits, in order, wherever both ends have a flow free.
// Moves that copy nothing are done at once.
func (w *World) startMoves() {
	rest := w.moves.waiting[:0]
	for _, m := range w.moves.waiting {
		p := &w.parts[m.part]
		if len(m.adding) == 0 {
			w.finish(m)
			continue
		}
		free := p.leader >= 0 && w.brokers[p.leader].flowsOut < flowsPerBroker
		for _, a := range m.adding {
			free = free && w.brokers[a].flowsIn < flowsPerBroker
		}
		if !free {
			rest = append(rest, m)
			continue
		}
		m.started, m.source = true, p.leader
		w.brokers[m.source].flowsOut++
		for _, a := range m.adding {
			w.brokers[a].flowsIn++
		}
		w.moves.active = append(w.moves.active, m)
	}
	w.moves.waiting = rest
}

// copyData moves data for one tick: moves at the throttle, shared by the flows
// at each end, and brokers that catch up with what their network has left.
func (w *World) copyData() {
	for i := range w.brokers {
		w.brokers[i].moveIn, w.brokers[i].moveOut = 0, 0
	}
	w.extra = false
	w.moves.rate = 0
	finished := false
	for _, m := range w.moves.active {
		finished = w.copyMove(m) || finished
	}
	if finished {
		keep := w.moves.active[:0]
		for _, m := range w.moves.active {
			if m.complete() {
				w.release(m)
				w.finish(m)
				continue
			}
			keep = append(keep, m)
		}
		w.moves.active = keep
		w.settleMoves()
	}
	if finished || len(w.moves.active) == 0 {
		w.startMoves()
	}
	for i := range w.brokers {
		if w.brokers[i].missing > 0 && w.brokers[i].state == cluster.BrokerAlive {
			w.catchUp(i)
		}
	}
	w.extra = true // the flows of this tick must be taken away in the next
}

// copyMove copies one move's data for a tick and tells whether it is complete.
func (w *World) copyMove(m *move) bool {
	p := &w.parts[m.part]
	if p.leader < 0 {
		return false
	}
	if p.leader != m.source {
		w.brokers[m.source].flowsOut--
		w.brokers[p.leader].flowsOut++
		m.source = p.leader
	}
	class := w.topics[p.topic].class
	grows := p.share * w.p[class]
	out := float64(w.cfg.Throttle) / float64(max(w.brokers[m.source].flowsOut, 1)) / float64(len(m.adding))
	for i, a := range m.adding {
		b := &w.brokers[a]
		if b.state != cluster.BrokerAlive || m.left[i] <= 0 {
			continue
		}
		rate := math.Min(out, float64(w.cfg.Throttle)/float64(max(b.flowsIn, 1)))
		m.left[i] += grows * w.dt
		n := math.Min(m.left[i], rate*w.dt)
		m.left[i] -= n
		m.copied[i] += n
		b.copied += n
		b.moveIn += n / w.dt
		w.brokers[m.source].moveOut += n / w.dt
		w.moves.rate += n / w.dt
		w.moves.moved += n
		w.Totals.BytesMoved += n
		if b.zone != w.brokers[m.source].zone {
			w.Totals.CrossZoneBytes += n
		}
		if m.left[i] < 1 {
			m.left[i] = 0
		}
	}
	return m.complete()
}

// settleMoves says when the mover will be done if what is copied now was the
// last. Part of its looks went by while data were copied in this tick.
func (w *World) settleMoves() {
	w.moves.settled = w.now.Add(moverSettles - w.tick)
	if t := w.moves.began.Add(moverShortest); w.tick < moverShortest && t.After(w.moves.settled) {
		w.moves.settled = t
	}
}

func (m *move) complete() bool {
	for _, l := range m.left {
		if l > 0 {
			return false
		}
	}
	return true
}

// release gives a move's flows and claims back.
func (w *World) release(m *move) {
	if m.started {
		w.brokers[m.source].flowsOut--
		for _, a := range m.adding {
			w.brokers[a].flowsIn--
		}
	}
	for i, a := range m.adding {
		b := &w.brokers[a]
		b.holds--
		b.copied -= m.copied[i]
		m.copied[i] = 0
	}
	m.adding = nil
}

// finish makes the new replica list the partition's, elects its first replica,
// and lets what is no longer in the list go.
func (w *World) finish(m *move) {
	for _, a := range m.adding { // only when nothing was copied
		w.brokers[a].holds--
	}
	p := &w.parts[m.part]
	w.weigh(p, -1)
	isr := uint16(0)
	for i, r := range m.to {
		if w.brokers[r].state != cluster.BrokerAlive {
			continue
		}
		if !holds(p, r) || w.inSync(p, r) {
			isr |= 1 << i
		}
	}
	p.replicas, p.isr, p.moving = m.to, isr, false
	w.settle(p)
	w.prefer(p)
	w.weigh(p, 1)
	w.moves.done++
	w.placed++
	if w.faults.partitionsDown > 0 {
		w.recount()
	}
}

// cancel stops all moves; what was copied is dropped.
func (w *World) cancel() {
	for _, m := range append(w.moves.active, w.moves.waiting...) {
		w.release(m)
		w.parts[m.part].moving = false
	}
	w.moves = moving{}
	w.extra = true
}

// catchUp lets a broker that came back fetch what it missed, with eight tenths
// of what its own network and the others' have left: catch-up is not throttled.
func (w *World) catchUp(id int) {
	b := &w.brokers[id]
	spare := float64(b.shape.NetworkInBytesPerSecond)*b.netFactor - (b.use.in - b.use.moveIn)
	if d := float64(b.shape.DiskBytesPerSecond)*b.diskFactor - (b.use.disk - b.use.moveIn); b.shape.DiskBytesPerSecond > 0 {
		spare = math.Min(spare, d)
	}
	rate := math.Max(0.8*spare, 1e6)
	sources := 0
	for i := range w.brokers {
		if i != id && w.brokers[i].state == cluster.BrokerAlive {
			sources++
		}
	}
	if sources == 0 {
		return
	}
	grows := 0.0
	for k := range w.classes {
		grows += math.Max(b.size[k], 0) * w.p[k]
	}
	b.missing += grows * w.dt
	n := math.Min(b.missing, rate*w.dt)
	b.missing -= n
	b.moveIn += n / w.dt
	for i := range w.brokers {
		if i != id && w.brokers[i].state == cluster.BrokerAlive {
			w.brokers[i].moveOut += n / w.dt / float64(sources)
		}
	}
	w.Totals.BytesCaughtUp += n
	if b.missing <= 0 {
		b.missing = 0
		w.catching--
		w.caughtUp(id)
	}
}
