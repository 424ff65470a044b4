package execute

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/rebalance"
)

// SilentError says that brokers did not take what they were told. It is no
// reason to stop: what does not need them goes on.
type SilentError struct {
	Brokers []int
	Err     error
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("%s not answer: %v", brokersDo(e.Brokers), e.Err)
}

func (e *SilentError) Unwrap() error { return e.Err }

func brokersDo(ids []int) string {
	if len(ids) == 1 {
		return fmt.Sprintf("broker %d does", ids[0])
	}
	return fmt.Sprintf("brokers %v do", ids)
}

// withoutSilent leaves out the candidates that need a broker which is not
// there: it died after they were judged.
func withoutSilent(cands []copying, view View) []copying {
	return slices.DeleteFunc(cands, func(c copying) bool { return !view.alive(c.to) || !view.alive(c.from) })
}

// outages says which brokers died and which came back since the last look, and
// what that means for the moves that are open.
func (n *narrator) outages(news []outage, view View, open []Move, back bool, grace time.Duration) {
	for _, o := range news {
		if o.back {
			n.event(EventHold, fmt.Sprintf("broker %d is back after %v: what waited for it goes on", o.broker, o.away.Round(time.Second)))
		} else {
			n.event(EventHold, fmt.Sprintf("broker %d is down: %s", o.broker, absence(o.broker, view, open, back, grace)))
		}
	}
}

// absence says what it means for the open moves that a broker is not there.
func absence(b int, view View, open []Move, back bool, grace time.Duration) string {
	to, from, keep, rest := 0, 0, 0, 0
	for _, mv := range open {
		p, ok := view.Partition(mv.tp())
		target := mv.target(back)
		re, moving := view.Reassigning[mv.tp()]
		switch {
		case !ok:
		case slices.Contains(target, b) && (!slices.Contains(p.Replicas, b) || moving && slices.Contains(re.Adding, b)):
			to++
		case slices.Contains(target, b):
			keep++
		case slices.Contains(p.Replicas, b):
			from++
		default:
			rest++
		}
	}
	var says []string
	if to > 0 {
		says = append(says, fmt.Sprintf("holding its %s; what is still on it goes to another broker if it stays away for %v",
			count(to, "move"), grace))
	}
	if from > 0 {
		says = append(says, fmt.Sprintf("going on with %s away from it, which heal: the copies come from the leaders", count(from, "move")))
	}
	if keep > 0 {
		says = append(says, fmt.Sprintf("%s with a replica on it cannot end before it is back", count(keep, "move")))
	}
	if rest > 0 {
		says = append(says, fmt.Sprintf("going on with %s without it", count(rest, "other")))
	}
	if len(says) == 0 {
		return "no open move needs it"
	}
	return strings.Join(says, "; ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// stumble says that a poll came to nothing, in the words of somebody on call.
func (m *Mover) stumble(err error) {
	why := err.Error()
	if m.run.State == rebalance.Moving || m.run.State == rebalance.Cancelling {
		why += "; nothing new begins, what is in flight goes on under its throttle"
	}
	if m.stumbled.IsZero() {
		m.stumbled = m.cfg.Now()
	}
	if m.board.read().progress.Why != why {
		m.story.event(EventHold, why)
		m.hold(why)
	}
}

// recovered says so when polls come to something again.
func (m *Mover) recovered() {
	if m.stumbled.IsZero() {
		return
	}
	m.story.event(EventHold, fmt.Sprintf("the cluster answers again after %v: going on", m.cfg.Now().Sub(m.stumbled).Round(time.Second)))
	m.stumbled = time.Time{}
}

// silentBrokers finds the brokers that an error is about; false when it is
// about the cluster as a whole.
func silentBrokers(err error) ([]int, bool) {
	var s *SilentError
	if errors.As(err, &s) {
		return s.Brokers, true
	}
	return nil, false
}
