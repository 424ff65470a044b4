package execute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/rebalance"
)

// stepClean removes every throttle of ours, looks whether it is true, and only
// then forgets them. Those of others stay.
func (m *Mover) stepClean(ctx context.Context) error {
	read, err := m.cfg.Kafka.Throttles(ctx, m.books.owned.brokers(), m.books.owned.topics())
	if err != nil {
		return err
	}
	for _, b := range m.books.owned.brokers() {
		if read.Unread[b] && m.work.waits[b] < unreadPolls {
			m.work.waits[b]++
			m.say(rebalance.Cleaning, fmt.Sprintf("broker %d does not answer; its throttle rate is read again", b))
			return nil
		}
	}
	// The rate of a broker that stays down cannot be removed before it is back.
	// It holds nobody back: the lists name no replica any more.
	if down, _ := lower(read, m.books.owned, nil, nil); !onlyUnread(down, read) {
		return m.cfg.Kafka.SetThrottles(ctx, down) // the next poll looks whether it is true
	}
	if !m.books.owned.empty() {
		if err := m.books.own(ctx, ownership{}); err != nil {
			return err
		}
		m.story.event(EventThrottle, "every throttle of ours is removed")
	}
	switch {
	case m.run.ID == "":
		m.run.State = ""
		return nil
	case m.run.Back:
		return m.enter(ctx, rebalance.Cancelled, "every original placement is restored")
	case len(without(m.run.Drain, m.run.Proven)) > 0 || (m.run.Unregister && len(m.run.Drain) > 0):
		return m.enter(ctx, rebalance.Proving, fmt.Sprintf("proving that brokers %v are empty", m.run.Drain))
	}
	return m.enter(ctx, rebalance.Done, m.run.finalWord())
}

// unreadPolls is for how many polls a silent broker is asked for its throttle:
// a hundred seconds, in which one that is only restarting is back. A judgement.
const unreadPolls = 20

// onlyUnread tells whether a change touches nothing but silent brokers.
func onlyUnread(c ThrottleChange, read Throttles) bool {
	for _, r := range c.Unset {
		if !read.Unread[r.Broker] {
			return false
		}
	}
	return len(c.Subtract) == 0
}

// finalWord says how the run ended.
func (r Run) finalWord() string {
	if n := len(r.dropped()); n > 0 {
		return fmt.Sprintf("every move is done but %d, which were given up", n)
	}
	return "every move is done"
}

// stepProve looks for anything that is left on a drained broker. Metadata is
// not enough: a cancelled move can leave a directory that no topic knows of
// (KAFKA-13972, KAFKA-16120), and an unregistered broker is gone for good.
func (m *Mover) stepProve(ctx context.Context) error {
	view, err := m.cfg.Kafka.View(ctx, nil)
	if err != nil {
		return err
	}
	sizes, err := m.cfg.Kafka.Sizes(ctx, aliveBrokers(view), nil)
	if err != nil {
		return fmt.Errorf("reading log dirs: %w", err)
	}
	m.work.sight.down.observe(view, m.run.Drain, m.cfg.Now())
	if more := extend(m.work.docket.open(m.run), view, sizes, m.run.Drain); len(more) > 0 {
		return m.moreToMove(ctx, more)
	}
	var waits []string
	for _, b := range m.run.Drain {
		why, err := m.proveBroker(ctx, b, view, sizes)
		if err != nil {
			return err
		}
		if why != "" {
			waits = append(waits, why)
		}
	}
	if len(waits) > 0 {
		m.say(rebalance.Proving, strings.Join(waits, "; "))
		return nil
	}
	return m.enter(ctx, rebalance.Done, m.run.finalWord())
}

// moreToMove goes back to moving with replicas that turned up since.
func (m *Mover) moreToMove(ctx context.Context, more []Move) error {
	next := m.run
	// A partition has one move; an older one of the same partition is history.
	next.Moves = slices.DeleteFunc(slices.Clone(m.run.Moves), func(o Move) bool {
		return slices.ContainsFunc(more, func(n Move) bool { return n.tp() == o.tp() })
	})
	next.Moves = append(next.Moves, more...)
	sortMoves(next.Moves)
	next.Proven = nil
	if err := m.books.whole(ctx, next); err != nil {
		return err
	}
	m.run = next
	for _, n := range more {
		delete(m.work.docket.settled, n.tp())
		m.story.emit(Event{Kind: EventReplan, Partitions: 1,
			Text: fmt.Sprintf("%s is on a broker that is being drained: moving it to %v", n.tp(), n.Target)})
	}
	return m.enter(ctx, rebalance.Moving, fmt.Sprintf("%d more partitions are on drained brokers", len(more)))
}

// proveBroker says what one drained broker still waits for; empty when nothing.
func (m *Mover) proveBroker(ctx context.Context, b int, view View, sizes Sizes) (string, error) {
	proven := slices.Contains(m.run.Proven, b)
	reg, registered := view.Brokers[b]
	if !proven {
		if n := view.ReplicasOn(b); n > 0 {
			return fmt.Sprintf("%d replicas are on broker %d and no other broker can take them", n, b), nil
		}
		bs, answers := sizes.Brokers[b]
		switch {
		case answers && len(bs.Replicas) > 0:
			return fmt.Sprintf("broker %d still holds %s in its log dirs", b, bs.Few()), nil
		case !answers && registered && !m.work.sight.down.gone(m.cfg.Now())(b):
			return fmt.Sprintf("broker %d does not answer, so its log dirs cannot be read", b), nil
		}
		next := m.run
		next.Proven = append(slices.Clone(m.run.Proven), b)
		if err := m.books.head(ctx, next); err != nil {
			return "", err
		}
		m.run = next
		how := "proven by its log dirs"
		if !answers {
			how = "by the metadata; it is gone and its log dirs cannot be read"
		}
		m.story.event(EventProof, fmt.Sprintf("broker %d is empty, %s", b, how))
	}
	if !m.run.Unregister || !registered {
		return "", nil
	}
	if reg.Alive {
		return fmt.Sprintf("broker %d is empty; stop it, and it will be unregistered", b), nil
	}
	if l := m.askLeave(); !l.given(ctx) {
		return fmt.Sprintf("broker %d is to be unregistered: %s", b, l.held.why), nil
	}
	if err := m.cfg.Kafka.Unregister(ctx, b); err != nil {
		return "", err
	}
	m.story.event(EventProof, fmt.Sprintf("broker %d is unregistered", b))
	return "", nil
}
