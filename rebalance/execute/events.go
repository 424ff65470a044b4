package execute

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// EventKind sorts events for who reads them.
type EventKind string

// The kinds of events.
const (
	EventBatch    EventKind = "batch"    // something was submitted
	EventHold     EventKind = "hold"     // something waits, or goes on
	EventReplan   EventKind = "replan"   // a move has another target
	EventDrop     EventKind = "drop"     // a move was given up
	EventThrottle EventKind = "throttle" // a rate fell, or a throttle was set again or removed
	EventProgress EventKind = "progress" // another tenth of the bytes
	EventState    EventKind = "state"    // the run has another state
	EventProof    EventKind = "proof"    // a drained broker is empty, or unregistered
)

// Event is something that a person may want to read afterwards.
type Event struct {
	Time       time.Time
	Kind       EventKind
	Text       string
	Batch      int
	Partitions int
	Bytes      cluster.Bytes
}

// narrator tells what happens, and nothing twice.
type narrator struct {
	now    func() time.Time
	log    *slog.Logger
	outbox outbox

	surprise map[TP]string // the last reason told per partition
	holding  hold          // what holds every new batch, as it was told
}

func newNarrator(c Config) *narrator {
	return &narrator{now: c.Now, log: c.Log, surprise: map[TP]string{}}
}

// forget begins the story of another run.
func (n *narrator) forget() { n.surprise, n.holding = map[TP]string{}, hold{} }

func (n *narrator) event(kind EventKind, text string) { n.emit(Event{Kind: kind, Text: text}) }

func (n *narrator) emit(e Event) {
	e.Time = n.now().UTC()
	n.log.Info(e.Text, "kind", string(e.Kind))
	n.outbox.put(e)
}

// about emits an event for a surprise about one partition, once per reason.
func (n *narrator) about(tp TP, why string) {
	if why == n.surprise[tp] {
		return
	}
	n.surprise[tp] = why
	if why != "" {
		n.emit(Event{Kind: EventHold, Partitions: 1, Text: fmt.Sprintf("%s: %s", tp, why)})
	}
}

func (n *narrator) refused(refused map[TP]error) {
	for tp, err := range refused {
		n.about(tp, fmt.Sprintf("the cluster refused: %v", err))
	}
}

// hold is why no new batch may begin; the zero value is that one may.
type hold struct {
	by  holder
	why string
}

// holder is who holds new batches.
type holder int

const (
	nobody          holder = iota
	throttleRemoved        // a throttle of ours is missing, for a while
	throttleContest        // somebody removes it again and again
	foreignMoves           // another tool's reassignment is in flight
	noLeave                // Config.May says no
)

// held says when new batches begin to be held, and when no longer: once per
// holder, whatever the details become.
func (n *narrator) held(h hold) {
	was := n.holding
	n.holding = h
	switch h.by {
	case was.by:
	case nobody:
		n.event(EventHold, "going on: it is over that "+was.why)
	default:
		n.event(EventHold, h.why+": nothing new begins until that is over, what is in flight goes on")
	}
}

// outbox keeps events until nobody is at work, and hands them over in order,
// one at a time and with no lock held: who is told may ask the mover anything.
type outbox struct {
	mu      sync.Mutex
	waiting []Event
	telling bool
}

func (o *outbox) put(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, e)
}

// empty tells what is waiting; tell may be nil. Who comes while another tells
// leaves it to that one.
func (o *outbox) empty(tell func(Event)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if tell == nil {
		o.waiting = nil
	}
	if o.telling {
		return
	}
	o.telling = true
	for len(o.waiting) > 0 {
		next := o.waiting
		o.waiting = nil
		o.mu.Unlock()
		for _, e := range next {
			tell(e)
		}
		o.mu.Lock()
	}
	o.telling = false
}
