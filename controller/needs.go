package controller

import (
	"time"

	"github.com/tidetable/tidetable/controller/gates"
)

// needs keeps the highest need within a sliding window: a queue of values that
// fall, each the highest since its time. Adding is amortised constant.
type needs struct {
	since time.Time
	queue []timedNeed
}

type timedNeed struct {
	at    time.Time
	value int
}

// add notes a need, forgets what is older than span, and gives the window.
func (n *needs) add(at time.Time, value int, span time.Duration) gates.NeedWindow {
	if n.since.IsZero() {
		n.since = at
	}
	for len(n.queue) > 0 && n.queue[len(n.queue)-1].value <= value {
		n.queue = n.queue[:len(n.queue)-1]
	}
	n.queue = append(n.queue, timedNeed{at, value})
	for len(n.queue) > 1 && at.Sub(n.queue[0].at) > span {
		n.queue = n.queue[1:]
	}
	return gates.NeedWindow{Highest: n.queue[0].value, Since: n.since}
}
