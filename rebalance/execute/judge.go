package execute

import (
	"fmt"
	"slices"
	"time"
)

// ruling is what is to be done about one move now. The zero value is the safe
// one: nothing.
type ruling int

// The rulings.
const (
	rulingHold    ruling = iota // not now; Why says what it waits for
	rulingRunning               // our step is in flight
	rulingSubmit                // submit Step
	rulingReorder               // the data is in: submit Step, a pure reorder
	rulingElect                 // the order is right: ask for the preferred leader
	rulingDone                  // nothing is left to do
	rulingRevert                // cancel the step in flight, then judge again
	rulingReplan                // the target cannot be reached; it needs another
	rulingDrop                  // the move makes no sense any more; Why says so
)

func (r ruling) String() string {
	return [...]string{"hold", "running", "submit", "reorder", "elect", "done", "revert", "replan", "drop"}[r]
}

// judgement is the ruling on one move.
type judgement struct {
	Ruling ruling
	Step   []int // the replica list to submit
	Add    int   // the broker that Step adds, -1 for none
	Heals  bool  // Step takes a dead replica away
	Why    string
}

// rules is what judge must know beside the move and the view.
type rules struct {
	// draining brokers may not keep a replica, whatever happens.
	draining []int
	// gone tells that a broker has been dead for longer than the grace given
	// to a restart.
	gone func(broker int) bool
	// back is true while a cancel restores the original placement.
	back bool
}

// judge validates one move against fresh metadata. It is a pure function; the
// whole safety of a batch is here. What changed under us is never forced: it is
// held, planned again or dropped, with the reason.
func judge(m Move, v View, r rules) judgement {
	target := m.target(r.back)
	t, ok := v.Topics[m.Topic]
	if !ok {
		return judgement{Ruling: rulingDrop, Why: "topic was deleted"}
	}
	if m.TopicID != "" && t.ID != "" && t.ID != m.TopicID {
		return judgement{Ruling: rulingDrop, Why: "topic was deleted and created again"}
	}
	p, ok := v.Partition(m.tp())
	if !ok {
		return judgement{Ruling: rulingHold, Why: "partition is not in the metadata"}
	}
	if re, ok := v.Reassigning[m.tp()]; ok {
		return judgeRunning(m, re, p, v, r)
	}
	if sameSet(p.Replicas, target) {
		return judgeLeader(p, target, r)
	}
	if j, ok := judgeForeignChange(m, p, target, r); !ok {
		return j
	}
	return judgeStep(p, target, t.MinISR, v, r)
}

// judgeRunning rules on a move with a reassignment in flight.
func judgeRunning(m Move, re Reassigning, p PartitionView, v View, r rules) judgement {
	target, from := m.target(r.back), m.source(r.back)
	if !ours(re, from, target) {
		if r.back && ours(re, m.Original, m.Target) {
			return judgement{Ruling: rulingRevert}
		}
		return judgement{Ruling: rulingHold, Why: fmt.Sprintf("somebody else is moving it to %v", re.Target())}
	}
	for _, b := range re.Adding {
		switch {
		case v.alive(b):
		case r.gone(b):
			return judgement{Ruling: rulingRevert, Why: fmt.Sprintf("destination broker %d has been down too long", b)}
		default:
			return judgement{Ruling: rulingRunning, Why: fmt.Sprintf("destination broker %d is down: waiting for it", b)}
		}
	}
	if p.Leader < 0 {
		return judgement{Ruling: rulingRunning, Why: "partition has no leader: waiting for one"}
	}
	for _, b := range without(re.Target(), p.ISR) {
		if !v.alive(b) {
			return judgement{Ruling: rulingRunning, Why: fmt.Sprintf("replica on broker %d is down: waiting for it", b)}
		}
	}
	return judgement{Ruling: rulingRunning}
}

// judgeLeader rules on a move whose data is in place.
func judgeLeader(p PartitionView, target []int, r rules) judgement {
	if !slices.Equal(p.Replicas, target) {
		return judgement{Ruling: rulingReorder, Step: slices.Clone(target), Add: -1}
	}
	if p.Leader == target[0] {
		return judgement{Ruling: rulingDone}
	}
	if r.gone(target[0]) {
		return judgement{Ruling: rulingDone, Why: fmt.Sprintf("preferred leader %d is gone", target[0])}
	}
	if !slices.Contains(p.ISR, target[0]) {
		return judgement{Ruling: rulingHold, Why: fmt.Sprintf("preferred leader %d is not in sync", target[0])}
	}
	return judgement{Ruling: rulingElect}
}

// judgeForeignChange looks at where the partition is now: it may have been
// moved, or its replication factor changed, by somebody else.
func judgeForeignChange(m Move, p PartitionView, target []int, r rules) (judgement, bool) {
	drained := len(without(p.Replicas, r.draining)) == len(p.Replicas)
	if !onPath(p.Replicas, m.Original, m.Target) {
		why := fmt.Sprintf("somebody else moved it to %v", p.Replicas)
		if drained || r.back {
			return judgement{Ruling: rulingDrop, Why: why}, false
		}
		return judgement{Ruling: rulingReplan, Why: why}, false
	}
	if len(p.Replicas) > len(target) && subset(target, p.Replicas) {
		return judgement{
			Ruling: rulingSubmit,
			Step:   slices.Clone(target),
			Add:    -1,
			Why:    "taking away what a cancelled move has left",
		}, false
	}
	if len(p.Replicas) != len(target) {
		return judgement{Ruling: rulingDrop, Why: fmt.Sprintf("replication factor was changed from %d to %d", len(m.Original),
			len(p.Replicas))}, false
	}
	return judgement{}, true
}

// judgeStep rules on the next copy.
func judgeStep(p PartitionView, target []int, minISR int, v View, r rules) judgement {
	for _, b := range without(target, p.Replicas) {
		if v.alive(b) && !(slices.Contains(r.draining, b) && !r.back) {
			continue
		}
		switch {
		case slices.Contains(r.draining, b) && !r.back:
			return judgement{Ruling: rulingReplan, Why: fmt.Sprintf("destination broker %d is being drained", b)}
		case r.gone(b):
			return judgement{Ruling: rulingReplan, Why: fmt.Sprintf("destination broker %d is gone", b)}
		default:
			return judgement{Ruling: rulingHold, Why: fmt.Sprintf("destination broker %d is down", b)}
		}
	}
	if p.Leader < 0 {
		return judgement{Ruling: rulingHold, Why: "partition has no leader"}
	}
	if p.Leader != target[0] && slices.Contains(p.ISR, target[0]) && slices.Contains(p.Replicas, target[0]) {
		// Leadership is free: where it belongs to a replica that is in sync
		// already, it goes there before any byte, which relieves a hot broker at
		// once and keeps a leader that leaves from being voted out by its removal.
		if p.Replicas[0] != target[0] {
			return judgement{Ruling: rulingReorder, Step: leaderFirst(p.Replicas, target[0]), Add: -1}
		}
		return judgement{Ruling: rulingElect}
	}
	step, add := nextStep(p.Replicas, target, p.Leader, v.alive)
	removed := without(p.Replicas, step)
	heals := len(removed) == 1 && !slices.Contains(p.ISR, removed[0])
	if len(p.ISR) < len(p.Replicas) && len(p.ISR) <= minISR && !heals {
		return judgement{
			Ruling: rulingHold,
			Why:    fmt.Sprintf("only %d replicas are in sync and min.insync.replicas is %d", len(p.ISR), minISR),
		}
	}
	return judgement{Ruling: rulingSubmit, Step: step, Add: add, Heals: heals}
}

// deadline helps rules.gone: how long each broker has been seen dead.
type deadline struct {
	since map[int]time.Time
	grace time.Duration
}

// outage is a broker that has died, or has come back after away.
type outage struct {
	broker int
	back   bool
	away   time.Duration
}

// observe notes which of the wanted brokers are dead now, and returns those
// that died and those that came back since the last look.
func (d *deadline) observe(v View, wanted []int, now time.Time) []outage {
	if d.since == nil {
		d.since = map[int]time.Time{}
	}
	var died, back []outage
	for _, b := range wanted {
		since, dead := d.since[b]
		switch alive := v.alive(b); {
		case alive && dead:
			delete(d.since, b)
			back = append(back, outage{broker: b, back: true, away: now.Sub(since)})
		case !alive && !dead:
			d.since[b] = now
			died = append(died, outage{broker: b})
		}
	}
	return append(died, back...)
}

func (d *deadline) gone(now time.Time) func(int) bool {
	return func(b int) bool {
		t, ok := d.since[b]
		return ok && now.Sub(t) >= d.grace
	}
}
