package world

import (
	"container/heap"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

type happeningKind int

const (
	hapEvent     happeningKind = iota // a fault or a change begins
	hapEventEnds                      // a fault ends
	hapBrokerUp                       // a pod has started and its broker joins
	hapConsumers                      // replicas of a group become ready
	hapElect                          // preferred leaders are elected
)

type happening struct {
	at    time.Time
	seq   int // ties happen in the order they were added
	kind  happeningKind
	event Event
	id    int // broker or group
	n     int
}

// schedule is what will happen, soonest first.
type schedule struct {
	items []happening
	seq   int
}

func (s *schedule) add(at time.Time, h happening) {
	h.at, h.seq = at, s.seq
	s.seq++
	heap.Push(s, h)
}

func (s *schedule) Len() int { return len(s.items) }
func (s *schedule) Less(i, j int) bool {
	a, b := &s.items[i], &s.items[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.seq < b.seq
}
func (s *schedule) Swap(i, j int) { s.items[i], s.items[j] = s.items[j], s.items[i] }
func (s *schedule) Push(x any)    { s.items = append(s.items, x.(happening)) }
func (s *schedule) Pop() any {
	h := s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return h
}

func (w *World) happen() {
	for len(w.pending.items) > 0 && !w.pending.items[0].at.After(w.now) {
		h := heap.Pop(&w.pending).(happening)
		switch h.kind {
		case hapEvent:
			w.begin(h.event)
		case hapEventEnds:
			w.end(h.event)
		case hapBrokerUp:
			w.brokerUp(h.id)
		case hapConsumers:
			w.consumersReady(h.id, h.n)
		case hapElect:
			w.elect()
		}
	}
}

// faultState is what is broken now. A counter, not a switch: faults overlap.
type faultState struct {
	metrics, loop, pods int
	metricsSince        time.Time
	down                map[int]int // faults that hold a broker dead
	partitionsDown      int
}

func (f *faultState) init() { f.down = map[int]int{} }

// MetricsDown tells whether nothing measured can be read, and since when.
func (w *World) MetricsDown() (bool, time.Time) { return w.faults.metrics > 0, w.faults.metricsSince }

// LoopDown tells whether the policy is out.
func (w *World) LoopDown() bool { return w.faults.loop > 0 }

func (w *World) begin(e Event) {
	if e.For > 0 {
		w.pending.add(w.start.Add(e.At+e.For), happening{kind: hapEventEnds, event: e})
	}
	switch e.Kind {
	case BrokerDown:
		w.brokerDown(e.Broker)
	case ZoneDown:
		for i := range w.brokers {
			if w.brokers[i].zone == e.Zone {
				w.brokerDown(i)
			}
		}
	case SlowDisk, NetworkCut:
		if e.Broker < len(w.brokers) {
			w.brokers[e.Broker].slow(e, e.Factor)
		}
	case MetricsOutage:
		if w.faults.metrics == 0 {
			w.faults.metricsSince = w.now
		}
		w.faults.metrics++
	case LoopOutage:
		w.faults.loop++
	case PodStartFails:
		w.faults.pods++
	case RetentionScale:
		w.scaleRetention(e)
	case GroupStarts:
		w.groupStarts(e.Group)
	case MachineChange:
		w.cfg.NewShape = e.Shape
	}
}

func (w *World) end(e Event) {
	switch e.Kind {
	case BrokerDown:
		w.faultOver(e.Broker)
	case ZoneDown:
		for i := range w.brokers {
			if w.brokers[i].zone == e.Zone {
				w.faultOver(i)
			}
		}
	case SlowDisk, NetworkCut:
		if e.Broker < len(w.brokers) {
			w.brokers[e.Broker].slow(e, 1)
		}
	case MetricsOutage:
		if w.faults.metrics--; w.faults.metrics == 0 {
			w.outages = append(w.outages, outage{w.faults.metricsSince, w.now})
		}
	case LoopOutage:
		w.faults.loop--
	case PodStartFails:
		w.faults.pods--
	}
}

func (b *broker) slow(e Event, factor float64) {
	if e.Kind == SlowDisk {
		b.diskFactor = factor
		return
	}
	b.netFactor = factor
}

// scaleRetention applies to whole classes: a class is the topics that share a
// profile and a retention.
func (w *World) scaleRetention(e Event) {
	for i := range w.classes {
		if e.Topic < 0 || w.topics[e.Topic].class == i {
			w.classes[i].scaleRetention(e.Factor)
		}
	}
	w.shot.topics = nil // their configuration says the new retention
}

func (w *World) brokerDown(id int) {
	if id >= len(w.brokers) {
		return
	}
	w.faults.down[id]++
	b := &w.brokers[id]
	if b.state != cluster.BrokerAlive {
		return
	}
	b.state = cluster.BrokerDead
	if b.missing > 0 {
		b.missing = 0
		w.catching--
	}
	b.diedAt = make([]float64, len(w.classes))
	for k := range w.classes {
		b.diedAt[k] = w.classes[k].written
		w.stranded[k] += b.queue[k]
		b.queue[k] = 0
	}
	b.moveIn, b.moveOut = 0, 0
	w.resettle(int32(id))
}

func (w *World) faultOver(id int) {
	if id >= len(w.brokers) || w.faults.down[id] == 0 {
		return
	}
	w.faults.down[id]--
	if w.faults.down[id] > 0 || w.brokers[id].state != cluster.BrokerDead {
		return
	}
	w.pending.add(w.now.Add(w.cfg.Times.PodStart+w.cfg.Times.BrokerJoin), happening{kind: hapBrokerUp, id: id})
}

// brokerUp joins a started broker to the cluster. One that comes back has to
// catch up on what it missed before its replicas are in sync again.
func (w *World) brokerUp(id int) {
	if id >= len(w.brokers) {
		return
	}
	b := &w.brokers[id]
	if b.state == cluster.BrokerAlive || w.faults.down[id] > 0 {
		return
	}
	if b.ready.After(w.now) {
		return // this start was given up, and another is under way
	}
	if w.faults.pods > 0 { // the kubelet tries again
		w.pending.add(w.now.Add(time.Minute), happening{kind: hapBrokerUp, id: id})
		return
	}
	was := b.state
	b.state = cluster.BrokerAlive
	w.extra = true
	if was != cluster.BrokerDead || b.diedAt == nil {
		return
	}
	for k := range w.classes {
		// Retention bounds what is missing to what is still there.
		b.missing += max(b.size[k], 0) * min(w.classes[k].written-b.diedAt[k], w.classes[k].stored)
	}
	b.diedAt = nil
	w.resettle(int32(id))
	if b.missing > 0 {
		w.catching++
	} else {
		w.caughtUp(id)
	}
}

// resettle lets every partition that has a replica on the broker follow its
// state. It costs the partitions there are, once per change of state.
func (w *World) resettle(id int32) {
	for i := range w.parts {
		p := &w.parts[i]
		if !holds(p, id) {
			continue
		}
		w.weigh(p, -1)
		w.settle(p)
		w.weigh(p, 1)
	}
	w.recount()
}

// recount notes which partitions cannot be written, and takes rounding out of
// the sums that decide about it.
func (w *World) recount() {
	w.placed++
	clear(w.nowhere)
	w.faults.partitionsDown = 0
	for i := range w.parts {
		p := &w.parts[i]
		if p.leader < 0 || !p.writable {
			w.faults.partitionsDown++
			w.nowhere[w.topics[p.topic].class] += p.share
		}
	}
}

// caughtUp puts the broker's replicas back in sync and lets preferred leaders
// be elected five minutes later, as leader.imbalance.check.interval does.
func (w *World) caughtUp(id int) {
	for i := range w.parts {
		p := &w.parts[i]
		for j, r := range p.replicas {
			if int(r) != id || p.leader < 0 {
				continue
			}
			w.weigh(p, -1)
			p.isr |= 1 << j
			w.settle(p)
			w.weigh(p, 1)
		}
	}
	w.recount()
	w.pending.add(w.now.Add(5*time.Minute), happening{kind: hapElect})
}

// elect gives every partition its preferred leader where that is in sync.
func (w *World) elect() {
	for i := range w.parts {
		p := &w.parts[i]
		if p.leader == p.replicas[0] || p.isr&1 == 0 {
			continue
		}
		w.weigh(p, -1)
		w.prefer(p)
		w.weigh(p, 1)
	}
}

func holds(p *partition, id int32) bool {
	for _, r := range p.replicas {
		if r == id {
			return true
		}
	}
	return false
}
