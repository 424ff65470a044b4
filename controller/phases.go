package controller

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// retryPlan is how long a plan that could not be made or started is left alone.
const retryPlan = time.Minute

func (t *tick) scaling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if err := t.c.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.To}); err != nil {
		return op.Phase, fmt.Errorf("scaling %s to %d: %w", op.Target, op.To, err)
	}
	return decision.Joining, nil
}

// joining waits for brokers that take part. One that comes back after a
// scale-in is still cordoned: Kafka keeps a broker's configuration when it is
// unregistered.
func (t *tick) joining(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if ids := t.cordonedAmong(op); len(ids) > 0 && t.c.cfg.Admin != nil {
		if err := t.c.cfg.Admin.Uncordon(ctx, ids); err != nil {
			return op.Phase, fmt.Errorf("uncordoning brokers %v: %w", ids, err)
		}
	}
	var joined []int
	for _, id := range aliveIDs(t.snap) {
		if !slices.Contains(op.Before, id) {
			joined = append(joined, id)
		}
	}
	if want := op.To - op.From; len(joined) < want {
		op.Note = fmt.Sprintf("%d of %d brokers have joined after %s", len(joined), want, decision.Rounded(t.now.Sub(op.PhaseSince)))
		return op.Phase, nil
	}
	op.Brokers = joined
	t.c.state.Learned.Start = blend(t.c.state.Learned.Start, t.now.Sub(op.PhaseSince))
	return decision.Filling, nil
}

// cordonedAmong is the brokers that joined and are cordoned.
func (t *tick) cordonedAmong(op *decision.Operation) []int {
	var ids []int
	for _, b := range t.snap.Brokers {
		if b.State == cluster.BrokerDraining && !slices.Contains(op.Before, b.ID) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// poll asks the mover how far it is; busy means that it is at work.
func (t *tick) poll(ctx context.Context, op *decision.Operation) (busy bool, err error) {
	p, err := t.c.cfg.Mover.Progress(ctx)
	if err != nil {
		return false, fmt.Errorf("asking how far the moves are: %w", err)
	}
	t.d.Moving = &p
	if p.State.Active() {
		op.BytesMoved = p.BytesMoved
		op.Note = fmt.Sprintf("%s: %s of %s moved, %d of %d moves, about %s left", p.State, p.BytesMoved, p.BytesTotal, p.MovesDone, p.MovesTotal, decision.Rounded(p.ETA()))
		if p.Why != "" {
			op.Note += ": " + p.Why
		}
		if op.HotFirst {
			op.Note = hotFirst + op.Note
		}
		return true, nil
	}
	if p.State == rebalance.Done {
		op.BytesMoved = max(op.BytesMoved, p.BytesMoved)
	}
	if p.State == rebalance.Failed {
		op.Note = "the moves failed and are planned anew: " + p.Why
	}
	return false, nil
}

// start plans and starts moves. It is tried at most once a minute. A plan with
// a violation that impossible tells is not started: what cannot be finished is
// better not begun.
func (t *tick) start(ctx context.Context, op *decision.Operation, o rebalance.Options) (*rebalance.Plan, bool, error) {
	if t.now.Sub(op.Tried) < retryPlan {
		return nil, false, nil
	}
	op.Tried = t.now
	plan, err := t.c.cfg.Planner.Plan(ctx, t.snap, o)
	if err != nil {
		return nil, false, fmt.Errorf("planning moves: %w", err)
	}
	if len(plan.Moves) == 0 || op.In() && impossible(plan.Violations) {
		return &plan, false, nil
	}
	op.Plans++
	if err := t.c.save(ctx); err != nil {
		return nil, false, err
	}
	if err := t.c.cfg.Mover.Start(ctx, plan); err != nil {
		return nil, false, fmt.Errorf("starting moves: %w", err)
	}
	op.Note, op.Blocked = fmt.Sprintf("moving %s in %d moves", plan.BytesToMove, len(plan.Moves)), ""
	return &plan, true, nil
}

// impossible tells whether a plan would leave a broker over its capacity, or a
// replica on a broker that must end up empty.
func impossible(vs []rebalance.Violation) bool {
	return slices.ContainsFunc(vs, func(v rebalance.Violation) bool { return v.Constraint != "zoneRule" })
}

// planOptions are what the policy says about any plan.
func (t *tick) planOptions() rebalance.Options {
	r := t.c.spec.Rebalance
	o := rebalance.Options{ExcludeBrokers: r.Exclude.Brokers, Throttle: t.c.fillRate()}
	for _, e := range r.Exclude.Topics {
		if re, err := regexp.Compile(e); err == nil { // validated with the policy
			o.ExcludeTopics = append(o.ExcludeTopics, re)
		}
	}
	if most, err := r.MaxPlanBytes(); err == nil && most > 0 {
		o.Budget = &rebalance.Budget{Bytes: most}
	}
	return o
}

func (t *tick) cordoning(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if t.scales[op.Target].Delegated {
		return decision.Shrinking, nil // the operator drains, and refuses while it has not
	}
	if t.c.cfg.Planner == nil || t.c.cfg.Mover == nil {
		return op.Phase, fmt.Errorf("brokers %v cannot be drained: no mover is set up", op.Brokers)
	}
	if t.c.cfg.Admin != nil {
		if err := t.c.cfg.Admin.Cordon(ctx, op.Brokers); err != nil {
			return op.Phase, fmt.Errorf("cordoning brokers %v: %w", op.Brokers, err)
		}
	}
	return decision.Draining, nil
}

func (t *tick) draining(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	busy, err := t.poll(ctx, op)
	if err != nil {
		return op.Phase, err
	}
	if late := t.now.Sub(op.Started); late > t.c.spec.Brokers.DrainTimeout.D() {
		// Nothing but a word: a drain that takes long is a drain that goes on.
		t.note("the drain of brokers %v has taken %s; it goes on, and nothing is removed before they are empty", op.Brokers, decision.Rounded(late))
		t.d.Concerns = append(t.d.Concerns, decision.Concern{Kind: decision.DrainCannotFinish, Subject: fmt.Sprintf("brokers %v", op.Brokers), Severity: decision.Warning,
			Detail: fmt.Sprintf("the drain has taken %s, longer than the %s that brokers.drainTimeout allows for: %s", decision.Rounded(late), t.c.spec.Brokers.DrainTimeout, cmp.Or(op.Blocked, op.Note))})
	}
	if busy {
		return op.Phase, nil
	}
	if left := t.replicasOn(op.Brokers); left == 0 {
		return decision.Proving, nil
	}
	o := t.planOptions()
	o.Remove, o.Budget, o.MinGain = op.Brokers, nil, -1
	// Excluded topics may stay where they are, but not on a broker that leaves.
	o.ExcludeTopics = nil
	plan, started, err := t.start(ctx, op, o)
	if err != nil {
		op.Blocked = fmt.Sprintf("brokers %v are not emptied: %v", op.Brokers, err)
		return op.Phase, err
	}
	if plan != nil && !started {
		op.Blocked = fmt.Sprintf("brokers %v cannot be emptied: %s; they keep what they hold until there is room, or until the policy asks for %d brokers",
			op.Brokers, violations(plan.Violations), op.From)
	}
	return op.Phase, nil
}

func violations(vs []rebalance.Violation) string {
	var words []string
	for _, v := range vs {
		s := v.Constraint + ": " + v.Detail
		if v.Remedy != "" {
			s += " (" + v.Remedy + ")"
		}
		words = append(words, s)
	}
	if len(words) == 0 {
		return "no plan moves what is left on them"
	}
	return strings.Join(words, "; ")
}

// proven proves, here and now, that nothing is on the brokers that leave; why
// says what speaks against it.
func (t *tick) proven(ctx context.Context, op *decision.Operation) (why string, err error) {
	if t.notFresh != "" {
		return t.notFresh, nil
	}
	if n := t.replicasOn(op.Brokers); n > 0 {
		return fmt.Sprintf("%d replicas are on brokers %v", n, op.Brokers), nil
	}
	for _, r := range t.snap.Reassignments {
		for _, id := range op.Brokers {
			if slices.Contains(r.Replicas, id) || slices.Contains(r.Adding, id) || slices.Contains(r.Removing, id) {
				return fmt.Sprintf("%s-%d is being moved on broker %d", r.Topic, r.Partition, id), nil
			}
		}
	}
	if t.c.cfg.Admin == nil {
		return "", nil
	}
	empty, left, err := t.c.cfg.Admin.Empty(ctx, op.Brokers)
	if err != nil {
		return "", fmt.Errorf("proving brokers %v empty: %w", op.Brokers, err)
	}
	if !empty {
		return cmp.Or(left, "their log directories are not empty"), nil
	}
	return "", nil
}

func (t *tick) proving(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	why, err := t.proven(ctx, op)
	if err != nil {
		return op.Phase, err
	}
	if why == "" {
		return decision.Shrinking, nil
	}
	op.Note = "not proven empty: " + why
	if t.notFresh == "" && t.replicasOn(op.Brokers) > 0 {
		return decision.Draining, nil
	}
	return op.Phase, nil
}

func (t *tick) shrinking(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	scale, known := t.scales[op.Target]
	if !known {
		op.Note = "the size of " + op.Target + " could not be read"
		return op.Phase, nil
	}
	if scale.Replicas > op.To {
		return t.letGo(ctx, op, scale)
	}
	for _, id := range op.Brokers {
		if slices.Contains(aliveIDs(t.snap), id) {
			op.Note = fmt.Sprintf("waiting until broker %d is gone", id)
			return op.Phase, nil
		}
	}
	if scale.Ready > op.To {
		op.Note = fmt.Sprintf("waiting until %d pods are left of %d", op.To, scale.Ready)
		return op.Phase, nil
	}
	return decision.Unregistering, nil
}

// letGo lowers the replicas: only here, and only after the proof has been
// given again in this very tick, for the very brokers that the workload will
// let go.
func (t *tick) letGo(ctx context.Context, op *decision.Operation, scale actuators.Scale) (decision.Phase, error) {
	if !scale.Delegated {
		leaving, err := t.leaving(ctx, op)
		if err != nil {
			return op.Phase, err
		}
		if !slices.Equal(leaving, op.Brokers) {
			op.Brokers = leaving
			return decision.Cordoning, nil
		}
		why, err := t.proven(ctx, op)
		if err != nil {
			return op.Phase, err
		}
		if why != "" {
			op.Note = "not proven empty: " + why
			return decision.Proving, nil
		}
	} else if t.notFresh != "" {
		op.Note = t.notFresh
		return op.Phase, nil
	}
	if err := t.c.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.To}); err != nil {
		return op.Phase, fmt.Errorf("scaling %s to %d: %w", op.Target, op.To, err)
	}
	op.Note = fmt.Sprintf("waiting until brokers %v are gone", op.Brokers)
	return op.Phase, nil
}

func (t *tick) unregistering(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if t.c.cfg.Admin == nil || t.scales[op.Target].Delegated {
		return "", nil
	}
	if err := t.c.cfg.Admin.Unregister(ctx, op.Brokers); err != nil {
		return op.Phase, fmt.Errorf("unregistering brokers %v: %w", op.Brokers, err)
	}
	return "", nil
}

// cancelling lets replicas come back first: a cordoned broker says that it has
// no room, and moves that are taken back would wait for it for ever.
func (t *tick) cancelling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if t.c.cfg.Admin != nil && op.In() {
		if err := t.c.cfg.Admin.Uncordon(ctx, op.Brokers); err != nil {
			return op.Phase, fmt.Errorf("uncordoning brokers %v: %w", op.Brokers, err)
		}
	}
	if t.c.cfg.Mover == nil {
		return "", nil
	}
	busy, err := t.poll(ctx, op)
	if err != nil || !busy {
		return phaseWhile(err != nil, op), err
	}
	if err := t.c.cfg.Mover.Cancel(ctx); err != nil {
		return op.Phase, fmt.Errorf("cancelling moves: %w", err)
	}
	busy, err = t.poll(ctx, op)
	return phaseWhile(busy || err != nil, op), err
}

// phaseWhile is the present phase while it lasts, and none after.
func phaseWhile(lasts bool, op *decision.Operation) decision.Phase {
	if lasts {
		return op.Phase
	}
	return ""
}

// leaving is which brokers go when the workload shrinks to op.To.
func (t *tick) leaving(ctx context.Context, op *decision.Operation) ([]int, error) {
	s := t.c.cfg.Scalers[op.Target]
	for s != nil {
		if l, ok := s.(actuators.Leaver); ok {
			ids, err := l.Leaving(ctx, op.To)
			if err != nil {
				return nil, fmt.Errorf("asking which brokers would leave %s: %w", op.Target, err)
			}
			slices.Sort(ids)
			return ids, nil
		}
		u, ok := s.(actuators.Unwrapper)
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	// A dead broker without replicas is one that has left already; one with
	// replicas still has its pod, and its turn.
	ids := make([]int, 0, len(t.snap.Brokers))
	for i := range t.snap.Brokers {
		if b := &t.snap.Brokers[i]; b.State != cluster.BrokerDead || t.replicasOn([]int{b.ID}) > 0 {
			ids = append(ids, b.ID)
		}
	}
	slices.Sort(ids)
	// Pods that never became brokers are the newest, and leave first.
	n := max(0, op.From-op.To-max(0, op.From-len(ids)))
	if len(ids) <= n {
		return nil, fmt.Errorf("choosing %d brokers to leave: there are only %d", n, len(ids))
	}
	return ids[len(ids)-n:], nil
}

// replicasOn counts the replicas on brokers, internal topics' too.
func (t *tick) replicasOn(ids []int) int {
	n := 0
	for i := range t.snap.Topics {
		for j := range t.snap.Topics[i].Partitions {
			for _, id := range t.snap.Topics[i].Partitions[j].Replicas {
				if slices.Contains(ids, id) {
					n++
				}
			}
		}
	}
	return n
}
