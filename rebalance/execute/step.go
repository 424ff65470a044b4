package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// work is what the loop remembers between polls. Losing it costs a poll, never
// the run.
type work struct {
	down     deadline
	growth   growth
	arrivals arrivals
	sizes    Sizes
	rates    map[RateOn]cluster.BytesPerSecond
	set      Throttles // what we have set
	// confirmed is what of it was read back: what is missing of this, somebody
	// else removed.
	confirmed Throttles
	excess    map[TP]bool // partitions seen with more replicas than they should have
	lost      time.Time   // when a throttle of ours was found missing
	restored  int
	eta       eta
	held      time.Duration
	lastPoll  time.Time
	moved     cluster.Bytes // at the last poll
	tenth     int           // tenths of the bytes that were told
	settled   map[TP]bool
	verified  bool          // every settled move was looked at again
	surprise  map[TP]string // the last reason told per partition
	waits     map[int]int   // polls for which a broker's throttle could not be read
	holding   string        // what holds every new batch, as it was told
	silent    map[int]bool  // brokers that did not answer when they were last asked
	downSince map[int]time.Time
}

func newWork(c Config) *work {
	w := &work{down: deadline{grace: c.Grace}, rates: map[RateOn]cluster.BytesPerSecond{}, surprise: map[TP]string{}, waits: map[int]int{},
		silent: map[int]bool{}, downSince: map[int]time.Time{}}
	w.set = Throttles{Rates: map[RateOn]cluster.BytesPerSecond{}, Entries: map[Entry]bool{}}
	w.restart()
	return w
}

// restart forgets what belongs to one direction of a run.
func (w *work) restart() {
	w.settled = map[TP]bool{}
	w.eta = eta{}
	w.tenth = 0
	w.verified = false
	w.held = 0
}

// verdicts sorts this poll's rulings by what is to be done.
type verdicts struct {
	running, cands, later []copying
	steps                 map[TP]Judgement
	excess                map[TP]bool
	reorder, elect        []Target
	revert                []TP
	open                  int // moves that are not settled
	waiting               string
	changed               bool // a move was dropped or given another target
	foreign               []TP
	total, left           cluster.Bytes
	movesDone             int
}

// stepMoves is one poll of moving or cancelling.
func (m *Mover) stepMoves(ctx context.Context) error {
	now := m.cfg.Now()
	view, err := m.cfg.Kafka.View(ctx, m.openTopics())
	if err != nil {
		return err
	}
	m.work.silence(view)
	if err := m.look(ctx, view, now); err != nil {
		return err
	}
	v := m.rule(view, now)
	if v.changed {
		if err := m.saveRun(ctx, m.run); err != nil {
			return err
		}
	}
	if v.open == 0 && !m.work.verified {
		// A broker that died meanwhile may have undone what was settled: look at
		// every move once more before saying that it is done.
		m.work.verified, m.work.settled = true, map[TP]bool{}
		return nil
	}
	m.work.verified = m.work.verified && v.open == 0
	if v.open == 0 {
		m.account(v, now, "")
		return m.enter(ctx, rebalance.Cleaning, "every move is settled")
	}
	if err := m.settleLeaders(ctx, v); err != nil {
		return err
	}
	read, lost, err := m.readThrottles(ctx, now)
	if err != nil {
		return err
	}
	m.work.heard(m.owned.brokers(), read, view)
	v.cands = withoutSilent(v.cands, view)
	hold := lost
	if hold == "" {
		hold = m.mayNotSubmit(v, now)
	}
	m.tellHold(hold)
	m.adjustRates(ctx, v, view)
	why, err := m.submitNext(ctx, v, view, read, hold, lost != "")
	if err != nil {
		return err
	}
	if why == "" {
		why = v.waiting
	}
	m.account(v, now, why)
	return nil
}

// openTopics names the topics whose moves are not settled.
func (m *Mover) openTopics() []string {
	var out []string
	for _, mv := range m.run.Moves {
		if mv.Dropped == "" && !m.work.settled[mv.tp()] {
			out = append(out, mv.Topic)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if out == nil {
		out = []string{}
	}
	return out
}

// look reads what the judgement needs beside the view: sizes, and who is dead.
func (m *Mover) look(ctx context.Context, view View, now time.Time) error {
	var tps []TP
	ids := map[int]bool{}
	for _, mv := range m.run.Moves {
		if mv.Dropped != "" || m.work.settled[mv.tp()] {
			continue
		}
		tps = append(tps, mv.tp())
		for _, b := range slices.Concat(mv.Original, mv.Target) {
			ids[b] = true
		}
	}
	brokers := make([]int, 0, len(ids))
	for b := range ids {
		brokers = append(brokers, b)
	}
	slices.Sort(brokers)
	died, back := m.work.down.observe(view, brokers, now)
	m.tellOutages(died, back, view, now)
	alive := slices.DeleteFunc(brokers, func(b int) bool { return !view.alive(b) })
	sizes, err := m.cfg.Kafka.Sizes(ctx, alive, tps)
	if err != nil {
		return fmt.Errorf("reading log dirs: %w", err)
	}
	m.work.sizes = sizes
	m.work.growth.observe(view, sizes, tps, now)
	m.work.arrivals.observeCopies(view, sizes, now)
	return nil
}

// rule judges every open move.
func (m *Mover) rule(view View, now time.Time) verdicts {
	w := m.work
	v := verdicts{steps: map[TP]Judgement{}, excess: map[TP]bool{}}
	r := rules{draining: m.run.Drain, gone: w.down.gone(now), back: m.run.Back}
	known := map[TP]bool{}
	for i := range m.run.Moves {
		mv := &m.run.Moves[i]
		known[mv.tp()] = true
		if mv.Dropped != "" {
			continue
		}
		whole := mv.Size * cluster.Bytes(steps(mv.source(m.run.Back), mv.target(m.run.Back)))
		v.total += whole
		if w.settled[mv.tp()] {
			v.movesDone++
			continue
		}
		j := judge(*mv, view, r)
		if j.Ruling == Replan || j.Ruling == Drop {
			j = m.change(mv, view, j)
			v.changed = true
			if mv.Dropped != "" {
				v.total -= whole
				continue
			}
		}
		if j.Ruling == Done {
			w.settled[mv.tp()] = true
			v.movesDone++
			continue
		}
		v.open++
		m.place(&v, i, j, view)
	}
	for tp := range view.Reassigning {
		if !known[tp] {
			v.foreign = append(v.foreign, tp)
		}
	}
	slices.SortFunc(v.foreign, compareTP)
	w.excess = v.excess
	return v
}

// change drops a move or gives it another target. What it becomes is judged at
// the next poll.
func (m *Mover) change(mv *Move, view View, j Judgement) Judgement {
	if j.Ruling == Replan && !m.run.Back {
		next, ok, why := replan(*mv, view, m.run.Drain, m.brokerLoads())
		if ok {
			m.emit(Event{Kind: "replan", Partitions: 1, Text: fmt.Sprintf("%s: %s; its target is now %v instead of %v", mv.tp(), j.Why, next.Target, mv.Target)})
			*mv = next
			return Judgement{Ruling: Hold, Why: j.Why}
		}
		j.Why += ": " + why
	}
	mv.Dropped = j.Why
	m.emit(Event{Kind: "drop", Partitions: 1, Text: fmt.Sprintf("%s: %s", mv.tp(), j.Why)})
	return Judgement{Ruling: Drop, Why: j.Why}
}

// brokerLoads is the bytes that each broker holds or will.
func (m *Mover) brokerLoads() map[int]cluster.Bytes {
	load := map[int]cluster.Bytes{}
	for _, mv := range m.run.Moves {
		for _, b := range mv.Target {
			load[b] += mv.Size
		}
	}
	return load
}

// place puts one ruling where it will be acted on.
func (m *Mover) place(v *verdicts, i int, j Judgement, view View) {
	mv := m.run.Moves[i]
	tp := mv.tp()
	p, _ := view.Partition(tp)
	target := mv.target(m.run.Back)
	if j.Ruling == Submit && j.Add < 0 {
		// Seen twice, so that it is no move that began or ended between two
		// requests of one look.
		v.excess[tp] = true
		if !m.work.excess[tp] {
			return
		}
	}
	m.tell(tp, j)
	if j.Why != "" && v.waiting == "" {
		v.waiting = tp.String() + ": " + j.Why
	}
	size := max(mv.Size, m.leaderSize(tp, p))
	re, moving := view.Reassigning[tp]
	missing := without(target, p.Replicas)
	if moving {
		missing = without(target, re.Target())
	}
	v.left += size * cluster.Bytes(len(missing))
	c := copying{move: i, tp: tp, from: p.Leader, to: -1, left: size, incoming: m.work.growth.rate(tp), internal: mv.Internal, heals: j.Heals}
	switch j.Ruling {
	case Submit:
		v.steps[tp] = j
		if j.Add < 0 {
			v.reorder = append(v.reorder, Target{TP: tp, Replicas: j.Step, Shrinks: true})
			return
		}
		c.to = j.Add
		v.cands = append(v.cands, c)
		missing = without(missing, []int{j.Add})
	case Running:
		if len(re.Adding) > 0 {
			c.to = re.Adding[0]
			done, _ := m.work.sizes.of(tp, c.to)
			c.left = max(size-done, 0)
			v.left += c.left
			v.running = append(v.running, c)
		}
	case Revert:
		v.revert = append(v.revert, tp)
	case Reorder:
		v.reorder = append(v.reorder, Target{TP: tp, Replicas: j.Step})
	case Elect:
		v.elect = append(v.elect, Target{TP: tp, Replicas: target})
	}
	for _, b := range missing {
		later := c
		later.to, later.left = b, size
		v.later = append(v.later, later)
	}
}

// tell emits an event for a surprise, once per reason.
func (m *Mover) tell(tp TP, j Judgement) {
	if j.Why == m.work.surprise[tp] {
		return
	}
	m.work.surprise[tp] = j.Why
	if j.Why != "" {
		m.emit(Event{Kind: "hold", Partitions: 1, Text: fmt.Sprintf("%s: %s", tp, j.Why)})
	}
}

func (m *Mover) leaderSize(tp TP, p PartitionView) cluster.Bytes {
	n, _ := m.work.sizes.of(tp, p.Leader)
	return n
}
