package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// account brings the progress up to date after a poll.
func (m *Mover) account(v verdicts, now time.Time, why string) {
	w := m.work
	p := m.board.read().progress
	queues := newLoads(slices.Concat(v.running, v.cands, v.later))
	busiest := queues.busiest()
	idle := len(v.running) == 0 && why != ""
	if w.eta.begin.IsZero() {
		w.eta = eta{begin: now, first: busiest}
	} else if idle {
		w.held += now.Sub(w.lastPoll)
	}
	p.MovesTotal, p.MovesDone = v.movesDone+v.open, v.movesDone
	p.BytesTotal = max(v.total, v.left)
	p.BytesMoved = p.BytesTotal - v.left
	if dt := now.Sub(w.lastPoll).Seconds(); !w.lastPoll.IsZero() && dt > 0 {
		r := cluster.BytesPerSecond(max(0, float64(p.BytesMoved-w.moved)/dt))
		p.Rate = growthWeight*r + (1-growthWeight)*p.Rate
	}
	w.lastPoll, w.moved = now, p.BytesMoved
	p.ETASeconds = m.timeLeft(now, queues).Seconds()
	if tenth := int(10 * float64(p.BytesMoved) / float64(max(p.BytesTotal, 1))); tenth > w.tenth {
		w.tenth = tenth
		m.emit(Event{Kind: "progress", Bytes: p.BytesMoved, Text: fmt.Sprintf("%.0f %% of %v, %v, %v left",
			100*float64(p.BytesMoved)/float64(p.BytesTotal), p.BytesTotal, p.Rate, p.ETA().Round(time.Second))})
	}
	p.State, p.Why = m.run.State, why
	if idle {
		p.State = rebalance.Holding
	}
	m.board.edit(func(s *status) { s.progress = p })
}

// timeLeft goes by what was seen so far, and never below what the throttle
// allows: Kafka meters over a window (replication.quota.window.num seconds), so
// that the first seconds of a run are faster than the rest can be.
func (m *Mover) timeLeft(now time.Time, queues loads) time.Duration {
	seen, ok := m.work.eta.estimate(now, queues.busiest(), m.work.held)
	if !ok {
		seen = schedule(queues.busiest(), m.cfg.Throttle.Start)
	}
	for k, rate := range m.work.rates {
		left := queues.in[k.Broker]
		if k.Side == LeaderSide {
			left = queues.out[k.Broker]
		}
		seen = max(seen, schedule(left, rate))
	}
	return seen
}

// restingProgress is the progress of a run that is over, or was never begun.
func restingProgress(r Run) rebalance.Progress {
	p := rebalance.Progress{State: rebalance.Idle, Why: r.Why}
	if r.State != "" {
		p.State = r.State
	}
	for _, mv := range r.Moves {
		p.MovesTotal++
		p.BytesTotal += mv.Size * cluster.Bytes(steps(mv.Original, mv.Target))
	}
	if r.State == rebalance.Done || r.State == rebalance.Cancelled {
		p.MovesDone, p.BytesMoved = p.MovesTotal, p.BytesTotal
	}
	return p
}

// Watcher reads a run from outside: its state as written down and the cluster
// as it is, touching neither. The mover itself may run in another process.
type Watcher struct {
	kafka Kafka
	store Store
	run   string
	work  *work
	last  rebalance.Progress
}

// NewWatcher makes a watcher.
func NewWatcher(k Kafka, s Store) *Watcher { return &Watcher{kafka: k, store: s} }

// Status is the run and its progress now. Rate and time left are measured
// between two calls on the same run; the first gives the schedule's bound.
func (w *Watcher) Status(ctx context.Context, now time.Time) (Run, rebalance.Progress, error) {
	kv, err := w.store.Load(ctx)
	if err != nil {
		return Run{}, rebalance.Progress{}, err
	}
	run, owned, err := decodeState(kv)
	if err != nil {
		return run, rebalance.Progress{}, err
	}
	if !run.State.Active() || len(run.Moves) == 0 {
		return run, restingProgress(run), nil
	}
	m := &Mover{cfg: withDefaults(Config{Kafka: w.kafka, Store: w.store, Now: func() time.Time { return now }}), run: run, owned: owned, board: newBoard(status{progress: w.last})}
	if w.work == nil || w.run != run.ID+string(run.State) {
		w.work, w.run, m.board = newWork(m.cfg), run.ID+string(run.State), newBoard(status{})
	}
	m.work = w.work
	m.work.settled = map[TP]bool{} // a later run may open a partition again
	view, err := w.kafka.View(ctx, m.openTopics())
	if err != nil {
		return run, rebalance.Progress{}, err
	}
	if err := m.look(ctx, view, now); err != nil {
		return run, rebalance.Progress{}, err
	}
	v := m.rule(view, now)
	m.account(v, now, v.waiting)
	if run.State == rebalance.Proving || run.State == rebalance.Cleaning {
		m.say(run.State, run.Why)
	}
	w.last = m.board.read().progress
	return run, w.last, nil
}
