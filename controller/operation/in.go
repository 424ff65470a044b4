package operation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

func (w *walk) cordoning(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if w.Scales[op.Target].Delegated {
		return decision.Shrinking, nil // the operator drains, and refuses while it has not
	}
	if w.cfg.Planner == nil || w.cfg.Mover == nil {
		return op.Phase, fmt.Errorf("brokers %v cannot be drained: no mover is set up", op.Brokers)
	}
	if w.cfg.Admin != nil {
		if err := w.cfg.Admin.Cordon(ctx, op.Brokers); err != nil {
			return op.Phase, fmt.Errorf("cordoning brokers %v: %w", op.Brokers, err)
		}
	}
	return decision.Draining, nil
}

func (w *walk) draining(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	busy, err := w.poll(ctx, op)
	if err != nil {
		return op.Phase, err
	}
	if late := w.Now.Sub(op.Started); late > w.Spec.Brokers.DrainTimeout.D() {
		// Nothing but a word: a drain that takes long is a drain that goes on.
		w.note(
			"the drain of brokers %v has taken %s; it goes on, and nothing is removed before they are empty",
			op.Brokers,
			decision.Rounded(late),
		)
		w.Concerns = append(
			w.Concerns,
			decision.Concern{Kind: decision.DrainCannotFinish, Subject: fmt.Sprintf("brokers %v", op.Brokers), Severity: decision.Warning,
				Detail: fmt.Sprintf(
					"the drain has taken %s, longer than the %s that brokers.drainTimeout allows for: %s",
					decision.Rounded(late),
					w.Spec.Brokers.DrainTimeout,
					cmp.Or(op.Blocked, op.Note),
				)},
		)
	}
	if busy {
		return op.Phase, nil
	}
	if left := w.replicasOn(op.Brokers...); left == 0 {
		return decision.Proving, nil
	}
	o := w.moves()
	o.Remove, o.Budget, o.MinGain = op.Brokers, nil, -1
	// Excluded topics may stay where they are, but not on a broker that leaves.
	o.ExcludeTopics = nil
	plan, started, err := w.startMoves(ctx, op, o)
	if err != nil {
		op.Blocked = fmt.Sprintf("brokers %v are not emptied: %v", op.Brokers, err)
		return op.Phase, err
	}
	if plan != nil && !started {
		op.Blocked = fmt.Sprintf(
			"brokers %v cannot be emptied: %s; they keep what they hold until there is room, or until the policy asks for %d brokers",
			op.Brokers,
			violations(plan.Violations),
			op.From,
		)
	}
	return op.Phase, nil
}

func violations(vs []rebalance.Violation) string {
	var words []string
	for _, v := range vs {
		s := string(v.Constraint) + ": " + v.Detail
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
func (w *walk) proven(ctx context.Context, op *decision.Operation) (why string, err error) {
	if w.NotFresh != "" {
		return w.NotFresh, nil
	}
	if n := w.replicasOn(op.Brokers...); n > 0 {
		return fmt.Sprintf("%d replicas are on brokers %v", n, op.Brokers), nil
	}
	for _, r := range w.Snapshot.Reassignments {
		for _, id := range op.Brokers {
			if slices.Contains(r.Replicas, id) || slices.Contains(r.Adding, id) || slices.Contains(r.Removing, id) {
				return fmt.Sprintf("%s-%d is being moved on broker %d", r.Topic, r.Partition, id), nil
			}
		}
	}
	if w.cfg.Admin == nil {
		return "", nil
	}
	empty, left, err := w.cfg.Admin.Empty(ctx, op.Brokers)
	if err != nil {
		return "", fmt.Errorf("proving brokers %v empty: %w", op.Brokers, err)
	}
	if !empty {
		return cmp.Or(left, "their log directories are not empty"), nil
	}
	return "", nil
}

func (w *walk) proving(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	why, err := w.proven(ctx, op)
	if err != nil {
		return op.Phase, err
	}
	if why == "" {
		return decision.Shrinking, nil
	}
	op.Note = "not proven empty: " + why
	if w.NotFresh == "" && w.replicasOn(op.Brokers...) > 0 {
		return decision.Draining, nil
	}
	return op.Phase, nil
}

func (w *walk) shrinking(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	scale, known := w.Scales[op.Target]
	if !known {
		op.Note = "the size of " + op.Target + " could not be read"
		return op.Phase, nil
	}
	if scale.Replicas > op.To {
		return w.letGo(ctx, op, scale)
	}
	for _, id := range op.Brokers {
		if slices.Contains(w.alive(), id) {
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
func (w *walk) letGo(ctx context.Context, op *decision.Operation, scale actuators.Scale) (decision.Phase, error) {
	if !scale.Delegated {
		leaving, err := w.leaving(ctx, op)
		if err != nil {
			return op.Phase, err
		}
		if !slices.Equal(leaving, op.Brokers) {
			op.Brokers = leaving
			return decision.Cordoning, nil
		}
		why, err := w.proven(ctx, op)
		if err != nil {
			return op.Phase, err
		}
		if why != "" {
			op.Note = "not proven empty: " + why
			return decision.Proving, nil
		}
	} else if w.NotFresh != "" {
		op.Note = w.NotFresh
		return op.Phase, nil
	}
	if err := w.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.To}); err != nil {
		return op.Phase, fmt.Errorf("scaling %s to %d: %w", op.Target, op.To, err)
	}
	op.Note = fmt.Sprintf("waiting until brokers %v are gone", op.Brokers)
	return op.Phase, nil
}

func (w *walk) unregistering(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if w.cfg.Admin == nil || w.Scales[op.Target].Delegated {
		return done, nil
	}
	if err := w.cfg.Admin.Unregister(ctx, op.Brokers); err != nil {
		return op.Phase, fmt.Errorf("unregistering brokers %v: %w", op.Brokers, err)
	}
	return done, nil
}

// leaving is which brokers go when the workload shrinks to op.To.
func (w *walk) leaving(ctx context.Context, op *decision.Operation) ([]int, error) {
	s := w.cfg.Scalers[op.Target]
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
	ids := make([]int, 0, len(w.Snapshot.Brokers))
	for i := range w.Snapshot.Brokers {
		if b := &w.Snapshot.Brokers[i]; b.State != cluster.BrokerDead || w.replicasOn(b.ID) > 0 {
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
