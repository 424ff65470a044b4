package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// Direction is where work leads: to the plan's targets, or back to where
// everything was.
type Direction int

// The directions.
const (
	Forward Direction = iota
	Back
)

// leave asks Config.May before everything that a poll submits. Once refused, it
// stays refused until the next poll.
type leave struct {
	may  func(context.Context, Direction) error
	to   Direction
	held hold
}

func (m *Mover) askLeave() *leave {
	l := &leave{may: m.cfg.May, to: Forward}
	if m.run.Back {
		l.to = Back
	}
	return l
}

// given asks.
func (l *leave) given(ctx context.Context) bool {
	if l.held.by == nobody && l.may != nil {
		if err := l.may(ctx, l.to); err != nil {
			l.held = hold{noLeave, err.Error()}
		}
	}
	return l.held.by == nobody
}

// stepMoves is one poll of moving or cancelling.
func (m *Mover) stepMoves(ctx context.Context) error {
	now := m.cfg.Now()
	w := m.work
	open := w.docket.open(m.run)
	view, err := w.sight.view(ctx, m.cfg.Kafka, open)
	if err != nil {
		return err
	}
	m.story.outages(w.sight.outages(view, open, now), view, open, m.run.Back, m.cfg.Grace)
	if err := w.sight.measure(ctx, m.cfg.Kafka, view, open, now); err != nil {
		return err
	}
	v := w.docket.rule(&m.run, view, &w.sight, now, m.story)
	if w.docket.unwritten {
		if err := m.books.whole(ctx, m.run); err != nil {
			return err
		}
		w.docket.unwritten = false
	}
	if v.open == 0 && !w.docket.verified {
		// A broker that died meanwhile may have undone what was settled: look at
		// every move once more before saying that it is done.
		w.docket.verified, w.docket.settled = true, map[TP]bool{}
		return nil
	}
	w.docket.verified = w.docket.verified && v.open == 0
	if v.open == 0 {
		m.account(v, now, "")
		return m.enter(ctx, rebalance.Cleaning, "every move is settled")
	}
	why, err := m.act(ctx, v, view, now)
	if err != nil {
		return err
	}
	if why == "" {
		why = v.waiting
	}
	m.account(v, now, why)
	return nil
}

// act does what a poll's rulings say; why is what stands against a new batch.
func (m *Mover) act(ctx context.Context, v verdicts, view View, now time.Time) (why string, err error) {
	w, l := m.work, m.askLeave()
	if err := m.submitFree(ctx, v, l); err != nil {
		return "", err
	}
	read, held, err := w.throttles.readBack(ctx, m.books.owned, w.docket.open(m.run), now)
	if err != nil {
		return "", err
	}
	lost := held.by != nobody
	w.sight.heard(m.books.owned.brokers(), read, view)
	v.cands = withoutSilent(v.cands, view)
	switch {
	case lost:
	case len(v.foreign) > 0:
		held = hold{foreignMoves, "another tool's reassignment is in flight: " + few(v.foreign)}
	case !l.given(ctx):
		held = l.held
	}
	m.story.held(held)
	w.throttles.adjust(ctx, v, view, w.sight.used(v.running))
	var batch []copying
	if why = held.why; held.by == nobody {
		batch, why = m.choose(v)
	}
	// Asking after the clients' health may have taken its time.
	if len(batch) > 0 && !l.given(ctx) {
		m.story.held(l.held)
		batch, why = nil, l.held.why
	}
	if err := w.throttles.apply(ctx, slices.Concat(v.running, batch), view, read, lost, &m.books); err != nil {
		return w.unanswered(err)
	}
	refused, err := m.submit(ctx, v, batch, l)
	if err != nil {
		return w.unanswered(err)
	}
	if refused != "" {
		why = refused
	}
	return why, nil
}

// unanswered makes a reason of an error that is about single brokers: one that
// died this very moment is no error, the next look tells what it means.
func (w *work) unanswered(err error) (why string, _ error) {
	silent, ok := silentBrokers(err)
	if !ok {
		return "", err
	}
	for _, b := range silent {
		w.sight.silent[b] = true
	}
	return err.Error(), nil
}

func (m *Mover) account(v verdicts, now time.Time, why string) {
	meter := &m.work.meter
	p := meter.account(m.board.read().progress, m.run, v, now, why, &m.work.throttles)
	meter.tenths(p, m.story)
	m.board.edit(func(s *status) { s.progress = p })
}

// choose asks admit for the next batch; why says what stands against one.
func (m *Mover) choose(v verdicts) (batch []copying, why string) {
	t := &m.work.throttles
	batch, held := admit(v.cands, v.running, v.later, limits{
		allowance: func(b int) cluster.Bytes { return t.copied(b, max(m.cfg.Window, 2*m.cfg.Poll)) },
		soon:      func(b int) cluster.Bytes { return t.copied(b, 2*m.cfg.Poll) },
		room:      m.work.sight.room(v.running),
		carries: func(b int, s Side, in cluster.BytesPerSecond) bool {
			return t.policy.carries(sideIncoming(s, in))
		},
	})
	if len(batch)+len(v.running) > 0 {
		return batch, ""
	}
	for _, c := range v.cands {
		if why := held[c.tp]; why != "" {
			return nil, fmt.Sprintf("%s: %s", c.tp, why)
		}
	}
	return nil, ""
}

// submit sends a batch whose throttles are set; why says that it may not.
func (m *Mover) submit(ctx context.Context, v verdicts, batch []copying, l *leave) (why string, err error) {
	if len(batch) == 0 {
		return "", nil
	}
	targets := make([]Target, 0, len(batch))
	var bytes cluster.Bytes
	for _, c := range batch {
		targets = append(targets, Target{TP: c.tp, Replicas: v.steps[c.tp].Step})
		bytes += c.left
	}
	// The last look before the cluster changes: is the state still ours, and may
	// anything begin?
	if err := m.books.store.Check(ctx); err != nil {
		return "", err
	}
	if !l.given(ctx) {
		m.story.held(l.held)
		return l.held.why, nil
	}
	refused, err := m.cfg.Kafka.Reassign(ctx, targets)
	if err != nil {
		return "", err
	}
	m.story.refused(refused)
	m.batches++
	m.story.emit(Event{Kind: EventBatch, Batch: m.batches, Partitions: len(batch) - len(refused), Bytes: bytes,
		Text: fmt.Sprintf("batch %d: %d partitions, %v", m.batches, len(batch)-len(refused), bytes)})
	return "", nil
}
