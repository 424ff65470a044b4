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

// silence marks the brokers that did not answer this process as dead, although
// the controller still believes in them: it waits for
// broker.session.timeout.ms before it says so.
func (w *work) silence(view View) {
	for b := range w.silent {
		if reg, ok := view.Brokers[b]; ok {
			reg.Alive = false
			view.Brokers[b] = reg
		}
	}
}

// heard notes who answered, and who did not, when the throttles were read.
func (w *work) heard(asked []int, read Throttles, view View) {
	for _, b := range asked {
		if read.Unread[b] {
			w.silent[b] = true
		} else {
			delete(w.silent, b)
		}
	}
	w.silence(view)
}

// withoutSilent leaves out the candidates that need a broker which is not
// there: it died after they were judged.
func withoutSilent(cands []copying, view View) []copying {
	return slices.DeleteFunc(cands, func(c copying) bool { return !view.alive(c.to) || !view.alive(c.from) })
}

// tellOutages says which brokers died and which came back since the last look,
// and what that means for this run.
func (m *Mover) tellOutages(died, back []int, view View, now time.Time) {
	for _, b := range died {
		m.work.downSince[b] = now
		m.event("hold", fmt.Sprintf("broker %d is down: %s", b, m.outage(b, view)))
	}
	for _, b := range back {
		m.event("hold", fmt.Sprintf("broker %d is back after %v: what waited for it goes on", b, now.Sub(m.work.downSince[b]).Round(time.Second)))
	}
}

// outage says what the absence of a broker means for the moves that are open.
func (m *Mover) outage(b int, view View) string {
	to, from, keep, rest := 0, 0, 0, 0
	for _, mv := range m.run.Moves {
		if mv.Dropped != "" || m.work.settled[mv.tp()] {
			continue
		}
		p, ok := view.Partition(mv.tp())
		target := mv.target(m.run.Back)
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
		says = append(says, fmt.Sprintf("holding its %s; what is still on it goes to another broker if it stays away for %v", count(to, "move"), m.cfg.Grace))
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
		m.event("hold", why)
		m.hold(why)
	}
}

// recovered says so when polls come to something again.
func (m *Mover) recovered() {
	if m.stumbled.IsZero() {
		return
	}
	m.event("hold", fmt.Sprintf("the cluster answers again after %v: going on", m.cfg.Now().Sub(m.stumbled).Round(time.Second)))
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
