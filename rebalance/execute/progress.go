package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// meter measures how fast a run gets on.
type meter struct {
	eta      eta
	held     time.Duration // for which nothing could begin, and nothing was in flight
	lastPoll time.Time
	moved    cluster.Bytes // at the last poll
	tenth    int           // tenths of the bytes that were told
}

// restart begins another direction of a run.
func (m *meter) restart() { m.eta, m.tenth, m.held = eta{}, 0, 0 }

// account brings the progress up to date after a poll; why is what the run
// waits for. The rates are those that the throttles allow now.
func (m *meter) account(last rebalance.Progress, run Run, v verdicts, now time.Time, why string, t *throttler) rebalance.Progress {
	p := last
	queues := newLoads(slices.Concat(v.running, v.cands, v.later))
	busiest := queues.busiest()
	idle := len(v.running) == 0 && why != ""
	if m.eta.begin.IsZero() {
		m.eta = eta{begin: now, first: busiest}
	} else if idle {
		m.held += now.Sub(m.lastPoll)
	}
	p.MovesTotal, p.MovesDone = v.movesDone+v.open, v.movesDone
	p.BytesTotal = max(v.total, v.left)
	p.BytesMoved = p.BytesTotal - v.left
	if dt := now.Sub(m.lastPoll).Seconds(); !m.lastPoll.IsZero() && dt > 0 {
		r := cluster.BytesPerSecond(max(0, float64(p.BytesMoved-m.moved)/dt))
		p.Rate = growthWeight*r + (1-growthWeight)*p.Rate
	}
	m.lastPoll, m.moved = now, p.BytesMoved
	p.ETASeconds = m.timeLeft(now, queues, t).Seconds()
	p.State, p.Why = run.State, why
	if idle {
		p.State = rebalance.Holding
	}
	return p
}

// tenths says when another tenth of the bytes has moved.
func (m *meter) tenths(p rebalance.Progress, story *narrator) {
	tenth := int(10 * float64(p.BytesMoved) / float64(max(p.BytesTotal, 1)))
	if tenth <= m.tenth {
		return
	}
	m.tenth = tenth
	story.emit(Event{Kind: EventProgress, Bytes: p.BytesMoved, Text: fmt.Sprintf("%.0f %% of %v, %v, %v left",
		100*float64(p.BytesMoved)/float64(p.BytesTotal), p.BytesTotal, p.Rate, p.ETA().Round(time.Second))})
}

// timeLeft goes by what was seen so far, and never below what the throttle
// allows: Kafka meters over a window (replication.quota.window.num seconds), so
// that the first seconds of a run are faster than the rest can be.
func (m *meter) timeLeft(now time.Time, queues loads, t *throttler) time.Duration {
	seen, ok := m.eta.estimate(now, queues.busiest(), m.held)
	if !ok {
		seen = schedule(queues.busiest(), t.policy.Start)
	}
	for k, rate := range t.rates {
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
	run, _, err := decodeState(kv)
	if err != nil {
		return run, rebalance.Progress{}, err
	}
	if !run.Active() || len(run.Moves) == 0 {
		return run, restingProgress(run), nil
	}
	cfg := withDefaults(Config{Kafka: w.kafka, Store: w.store, Now: func() time.Time { return now }})
	story := newNarrator(cfg) // nobody listens
	if id := run.ID + string(run.State); w.work == nil || w.run != id {
		w.work, w.run, w.last = newWork(cfg, story), id, rebalance.Progress{}
	}
	clear(w.work.docket.settled) // a later run may open a partition again
	open := w.work.docket.open(run)
	view, err := w.work.sight.view(ctx, w.kafka, open)
	if err != nil {
		return run, rebalance.Progress{}, err
	}
	w.work.sight.outages(view, open, now)
	if err := w.work.sight.measure(ctx, w.kafka, view, open, now); err != nil {
		return run, rebalance.Progress{}, err
	}
	judged := run
	judged.Moves = slices.Clone(run.Moves)
	v := w.work.docket.rule(&judged, view, &w.work.sight, now, story)
	w.last = w.work.meter.account(w.last, run, v, now, v.waiting, &w.work.throttles)
	if run.State == rebalance.Proving || run.State == rebalance.Cleaning {
		w.last.State, w.last.Why = run.State, run.Why
	}
	return run, w.last, nil
}

// work is what the loop remembers between polls. Losing it costs a poll, never
// the run.
type work struct {
	sight     sight
	docket    docket
	throttles throttler
	meter     meter
	waits     map[int]int // polls for which a broker's throttle could not be read
}

func newWork(c Config, story *narrator) *work {
	return &work{
		sight: newSight(c.Grace), docket: docket{settled: map[TP]bool{}}, throttles: newThrottler(c, story), waits: map[int]int{},
	}
}

// restart forgets what belongs to one direction of a run.
func (w *work) restart() {
	clear(w.docket.settled)
	w.docket.verified = false
	w.meter.restart()
}
