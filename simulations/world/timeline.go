package world

import (
	"container/heap"
	"time"
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

// timeline is the world's clock, and what will happen by it.
type timeline struct {
	start   time.Time
	now     time.Time
	tick    time.Duration
	dt      float64 // seconds a tick
	pending schedule
}

func newTimeline(start time.Time, tick time.Duration) timeline {
	return timeline{start: start, now: start, tick: tick, dt: tick.Seconds()}
}

// in lets something happen after a while.
func (t *timeline) in(d time.Duration, h happening) { t.pending.add(t.now.Add(d), h) }

// due takes the next thing that has to happen by now.
func (t *timeline) due() (happening, bool) {
	if len(t.pending.items) == 0 || t.pending.items[0].at.After(t.now) {
		return happening{}, false
	}
	return heap.Pop(&t.pending).(happening), true
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
