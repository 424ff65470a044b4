package execute

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// Options say more about a run than its plan does.
type Options struct {
	// Drain names brokers that must end empty. Partitions on them that the plan
	// does not name are moved too, and the run is over when their log dirs are
	// empty.
	Drain []int
	// Unregister removes a drained broker's registration once it is proven
	// empty and has been stopped.
	Unregister bool
}

// Start begins a plan. It refuses, with every reason, when a check of the
// preflight says so; it returns nil when the same plan is already under way.
func (m *Mover) Start(ctx context.Context, p rebalance.Plan) error {
	return m.StartWith(ctx, p.Moves, Options{})
}

// StartWith begins moves with options.
func (m *Mover) StartWith(ctx context.Context, moves []cluster.Move, o Options) error {
	if err := m.turn.take(ctx); err != nil {
		return err
	}
	defer m.yield()
	if m.board.read().looping {
		if samePlan(m.run, moves, o) {
			return nil
		}
		return fmt.Errorf("%w: run %s, %s", ErrBusy, m.run.ID, m.run.State)
	}
	s, dropped, err := m.situation(ctx, moves, o)
	if err != nil {
		return err
	}
	if err := Refusal(preflight(s)); err != nil {
		return err
	}
	now := m.cfg.Now().UTC()
	run := Run{
		ID: now.Format("20060102T150405.000") + "-" + strconv.FormatInt(now.UnixNano()%1e6, 36), ClusterID: s.View.ClusterID,
		State: rebalance.Moving, StartedAt: now, Drain: slices.Sorted(slices.Values(o.Drain)), Unregister: o.Unregister,
		Moves: append(s.Moves, dropped...),
	}
	if err := m.cfg.Store.Claim(ctx, m.cfg.Owner); err != nil {
		return fmt.Errorf("claiming the mover's state: %w", err)
	}
	if err := m.books.whole(ctx, run); err != nil {
		return fmt.Errorf("writing the plan down: %w", err)
	}
	m.run = run
	m.board.edit(func(s *status) { s.progress = rebalance.Progress{MovesTotal: len(run.Moves)} })
	for _, d := range dropped {
		m.story.event(EventDrop, fmt.Sprintf("%s: %s", d.tp(), d.Dropped))
	}
	m.story.event(EventState, fmt.Sprintf("starting run %s with %d moves", run.ID, len(s.Moves)))
	m.begin(false)
	return nil
}

// Check runs the preflight for moves and begins nothing.
func (m *Mover) Check(ctx context.Context, moves []cluster.Move, o Options) ([]Finding, error) {
	if err := m.turn.take(ctx); err != nil {
		return nil, err
	}
	defer m.yield()
	s, _, err := m.situation(ctx, moves, o)
	if err != nil {
		return nil, err
	}
	return preflight(s), nil
}

// situation reads all that the preflight looks at, and matches the plan with
// what the cluster is now.
func (m *Mover) situation(ctx context.Context, moves []cluster.Move, o Options) (situation, []Move, error) {
	s := situation{Drain: o.Drain, Owned: m.books.owned}
	if m.cfg.May != nil {
		s.MayAsked, s.May = true, m.cfg.May(ctx, Forward)
	}
	var err error
	if m.cfg.TopicOperator != nil {
		if s.TopicOperator, err = m.cfg.TopicOperator(ctx); err != nil {
			s.TopicOperator, s.TopicOperatorErr = TopicOperatorUnknown, err
		}
	}
	if s.View, err = m.cfg.Kafka.View(ctx, nil); err != nil {
		return s, nil, err
	}
	alive := aliveBrokers(s.View)
	if s.Sizes, err = m.cfg.Kafka.Sizes(ctx, alive, nil); err != nil {
		return s, nil, fmt.Errorf("reading log dirs: %w", err)
	}
	if s.Throttles, err = m.cfg.Kafka.Throttles(ctx, alive, sortedTopics(s.View)); err != nil {
		return s, nil, fmt.Errorf("reading throttles: %w", err)
	}
	var dropped []Move
	s.Moves, dropped = match(moves, s.View, s.Sizes)
	s.Moves = append(s.Moves, extend(s.Moves, s.View, s.Sizes, o.Drain)...)
	return s, dropped, nil
}

// match turns planned moves into ours: the original is what the cluster has
// now, never what the plan believed. A move whose partition is gone, was
// recreated or was moved since the plan was made is dropped with the reason; a
// move that is true already disappears.
func match(moves []cluster.Move, v View, s Sizes) (out, dropped []Move) {
	for _, p := range moves {
		m := Move{Topic: p.Topic, TopicID: p.TopicID, Partition: p.Partition, Target: slices.Clone(p.To)}
		now, ok := v.Partition(m.tp())
		t := v.Topics[p.Topic]
		switch {
		case !ok:
			m.Dropped = "partition does not exist"
		case p.TopicID != "" && t.ID != "" && p.TopicID != t.ID:
			m.Dropped = "topic was deleted and created again since the plan was made"
		case len(p.From) > 0 && !sameSet(p.From, now.Replicas) && !sameSet(p.To, now.Replicas):
			m.Dropped = fmt.Sprintf("the plan was made for replicas %v and they are %v", p.From, now.Replicas)
		case slices.Equal(p.To, now.Replicas) && now.Leader == p.To[0]:
			continue
		}
		m.TopicID, m.Internal, m.Original = t.ID, t.Internal, slices.Clone(now.Replicas)
		if m.Dropped != "" {
			if len(m.Original) == 0 {
				m.Original = slices.Clone(m.Target)
			}
			dropped = append(dropped, m)
			continue
		}
		m.Size = leaderSize(m.tp(), now, s, p.SizeBytes)
		out = append(out, m)
	}
	sortMoves(out)
	return out, dropped
}

func sortMoves(ms []Move) {
	slices.SortFunc(ms, func(a, b Move) int { return compareTP(a.tp(), b.tp()) })
}

// leaderSize is what the leader's log dir says, the largest replica's where it
// does not, and the plan's word where nobody says anything.
func leaderSize(tp TP, p PartitionView, s Sizes, planned cluster.Bytes) cluster.Bytes {
	if n, ok := s.of(tp, p.Leader); ok {
		return n
	}
	best := cluster.Bytes(-1)
	for _, b := range p.Replicas {
		if n, ok := s.of(tp, b); ok {
			best = max(best, n)
		}
	}
	if best >= 0 {
		return best
	}
	return planned
}

// samePlan tells whether a run under way is this very plan.
func samePlan(r Run, moves []cluster.Move, o Options) bool {
	if r.Back || !slices.Equal(r.Drain, slices.Sorted(slices.Values(o.Drain))) || r.Unregister != o.Unregister {
		return false
	}
	targets := map[TP][]int{}
	for _, m := range r.Moves {
		targets[m.tp()] = m.Target
	}
	for _, m := range moves {
		// A move that was true when the run began is not in the run.
		if t, ok := targets[TP{m.Topic, m.Partition}]; ok && !slices.Equal(t, m.To) {
			return false
		}
	}
	return true
}

func aliveBrokers(v View) []int {
	var out []int
	for id, b := range v.Brokers {
		if b.Alive {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func sortedTopics(v View) []string {
	out := make([]string, 0, len(v.Topics))
	for t := range v.Topics {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}
