package world

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// reassignments are those under way and those that wait, and what carries them
// out.
type reassignments struct {
	batch
	place    *placement
	load     *load
	totals   *Totals
	time     *timeline
	throttle cluster.BytesPerSecond
}

// batch is what was asked for since the mover was last idle.
type batch struct {
	active  []*move
	waiting []*move
	total   float64 // bytes
	moved   float64
	count   int
	done    int
	rate    float64
	began   time.Time
	over    time.Time // when the mover has seen that all is done
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

func (m *batch) busy() bool { return len(m.active)+len(m.waiting) > 0 }

// wish is a replica list that a partition is to have.
type wish struct {
	part int32
	to   []int32
}

// left is how many bytes are still to be copied.
func (m *batch) left() (bytes float64) {
	for _, list := range [][]*move{m.active, m.waiting} {
		for _, x := range list {
			for _, l := range x.left {
				bytes += l
			}
		}
	}
	return bytes
}

// wishes translates moves. A move of a partition or to a broker that does not
// exist is an error.
func (s *placement) wishes(moves []cluster.Move) ([]wish, error) {
	out := make([]wish, 0, len(moves))
	for _, c := range moves {
		t, ok := s.byTopic[c.Topic]
		if !ok || c.Partition < 0 || c.Partition >= s.topics[t].spec.Partitions {
			return nil, fmt.Errorf("moving %s-%d: it does not exist", c.Topic, c.Partition)
		}
		to := make([]int32, len(c.To))
		for i, b := range c.To {
			if b < 0 || b >= len(s.brokers) {
				return nil, fmt.Errorf("moving %s-%d: broker %d does not exist", c.Topic, c.Partition, b)
			}
			to[i] = int32(b)
		}
		out = append(out, wish{s.topics[t].first + int32(c.Partition), to})
	}
	return out, nil
}

// submit checks wishes, and queues them when all are right.
func (r *reassignments) submit(wishes []wish) error {
	if !r.busy() {
		r.batch = batch{began: r.time.now}
	}
	accepted := make([]move, len(wishes))
	for i, x := range wishes {
		p := &r.place.parts[x.part]
		err := r.check(&accepted[i], x)
		if err != nil {
			for _, m := range accepted[:i] {
				r.place.parts[m.part].moving = false
			}
			t := &r.place.topics[p.topic]
			return fmt.Errorf("moving %s-%d: %w", t.spec.Name, x.part-t.first, err)
		}
		p.moving = true // so that no partition is in a plan twice
	}
	for i := range accepted {
		m := &accepted[i]
		r.count++
		for i := range m.adding {
			r.total += m.left[i]
			r.place.brokers[m.adding[i]].holds++
		}
		r.waiting = append(r.waiting, m)
	}
	r.startMoves()
	return nil
}

// check makes the move that a wish asks for.
func (r *reassignments) check(m *move, x wish) error {
	p := &r.place.parts[x.part]
	if p.moving {
		return errors.New("it is being moved already")
	}
	if len(x.to) != len(p.replicas) {
		return fmt.Errorf("%d replicas wanted, it has %d", len(x.to), len(p.replicas))
	}
	*m = move{part: x.part, to: x.to, source: -1}
	for i, id := range x.to {
		if slices.Contains(x.to[:i], id) {
			return fmt.Errorf("broker %d is named twice", id)
		}
		if p.holds(id) {
			continue
		}
		if state := r.place.brokers[id].state; state != cluster.BrokerAlive {
			return fmt.Errorf("broker %d is %s", id, state)
		}
		m.adding = append(m.adding, id)
	}
	if n := len(m.adding); n > 0 {
		flat := make([]float64, 2*n)
		m.left, m.copied = flat[:n:n], flat[n:]
		for i := range m.left {
			m.left[i] = r.place.sizeOf(p)
		}
	}
	return nil
}

// startMoves starts what waits, in order, wherever both ends have a flow free.
// Moves that copy nothing are done at once.
func (r *reassignments) startMoves() {
	rest := r.waiting[:0]
	for _, m := range r.waiting {
		p := &r.place.parts[m.part]
		if len(m.adding) == 0 {
			r.finish(m)
			continue
		}
		free := p.leader >= 0 && r.place.brokers[p.leader].flowsOut < flowsPerBroker
		for _, a := range m.adding {
			free = free && r.place.brokers[a].flowsIn < flowsPerBroker
		}
		if !free {
			rest = append(rest, m)
			continue
		}
		m.started, m.source = true, p.leader
		r.place.brokers[m.source].flowsOut++
		for _, a := range m.adding {
			r.place.brokers[a].flowsIn++
		}
		r.active = append(r.active, m)
	}
	r.waiting = rest
}

// copyData moves data for one tick at the throttle, shared by the flows at each
// end.
func (r *reassignments) copyData() {
	r.rate = 0
	finished := false
	for _, m := range r.active {
		finished = r.copyMove(m) || finished
	}
	if finished {
		keep := r.active[:0]
		for _, m := range r.active {
			if m.complete() {
				r.release(m)
				r.finish(m)
				continue
			}
			keep = append(keep, m)
		}
		r.active = keep
		r.expectEnd()
	}
	if finished || len(r.active) == 0 {
		r.startMoves()
	}
}

// copyMove copies one move's data for a tick and tells whether it is complete.
func (r *reassignments) copyMove(m *move) bool {
	p := &r.place.parts[m.part]
	if p.leader < 0 {
		return false
	}
	if p.leader != m.source {
		r.place.brokers[m.source].flowsOut--
		r.place.brokers[p.leader].flowsOut++
		m.source = p.leader
	}
	class := r.place.topics[p.topic].class
	grows := p.share * r.load.bytes[class]
	out := float64(r.throttle) / float64(max(r.place.brokers[m.source].flowsOut, 1)) / float64(len(m.adding))
	for i, a := range m.adding {
		b := &r.place.brokers[a]
		if b.state != cluster.BrokerAlive || m.left[i] <= 0 {
			continue
		}
		rate := math.Min(out, float64(r.throttle)/float64(max(b.flowsIn, 1)))
		m.left[i] += grows * r.time.dt
		n := math.Min(m.left[i], rate*r.time.dt)
		m.left[i] -= n
		m.copied[i] += n
		b.copied += n
		b.moveIn += n / r.time.dt
		r.place.brokers[m.source].moveOut += n / r.time.dt
		r.rate += n / r.time.dt
		r.moved += n
		r.totals.BytesMoved += n
		if b.zone != r.place.brokers[m.source].zone {
			r.totals.CrossZoneBytes += n
		}
		if m.left[i] < 1 {
			m.left[i] = 0
		}
	}
	return m.complete()
}

// expectEnd says when the mover will be done if what is copied now was the
// last. Part of its looks went by while data were copied in this tick.
func (r *reassignments) expectEnd() {
	r.over = r.time.now.Add(moverVerifies - r.time.tick)
	if t := r.began.Add(moverShortest); r.time.tick < moverShortest && t.After(r.over) {
		r.over = t
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
func (r *reassignments) release(m *move) {
	if m.started {
		r.place.brokers[m.source].flowsOut--
		for _, a := range m.adding {
			r.place.brokers[a].flowsIn--
		}
	}
	for i, a := range m.adding {
		b := &r.place.brokers[a]
		b.holds--
		b.copied -= m.copied[i]
		m.copied[i] = 0
	}
	m.adding = nil
}

// finish makes the new replica list the partition's.
func (r *reassignments) finish(m *move) {
	for _, a := range m.adding { // only when nothing was copied
		r.place.brokers[a].holds--
	}
	r.place.reassign(&r.place.parts[m.part], m.to)
	r.done++
}

// cancel stops all moves; what was copied is dropped.
func (r *reassignments) cancel() {
	for _, m := range append(r.active, r.waiting...) {
		r.release(m)
		r.place.parts[m.part].moving = false
	}
	r.batch = batch{}
}
