package operation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

func (w *walk) cordoning(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if w.cfg.Planner == nil || w.cfg.Mover == nil {
		return op.Phase, fmt.Errorf("brokers %v cannot be drained: no mover is set up", op.Brokers)
	}
	if w.cfg.Admin != nil {
		if err := w.willCordon(ctx, op.Brokers); err != nil {
			return op.Phase, err
		}
		if err := w.cfg.Admin.Cordon(ctx, op.Brokers); err != nil {
			return op.Phase, fmt.Errorf("cordoning brokers %v: %w", op.Brokers, err)
		}
	}
	return decision.Draining, nil
}

func (w *walk) draining(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	w.recordon(ctx, op)
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
		w.concern(
			op,
			decision.DrainCannotFinish,
			decision.Warning,
			"the drain has taken %s, longer than the %s that brokers.drainTimeout allows for: %s",
			decision.Rounded(late),
			w.Spec.Brokers.DrainTimeout,
			cmp.Or(op.Blocked, op.Note),
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

// recordon sets the cordon again where somebody took it away: Strimzi's operator
// does at every reconciliation. A cordon that cannot be set keeps nothing from
// going on: what lands on a broker that leaves is moved off it, too.
func (w *walk) recordon(ctx context.Context, op *decision.Operation) {
	if w.cfg.Admin == nil || w.lacksCordon(op) == 0 {
		return
	}
	if err := w.cfg.Admin.Cordon(ctx, op.Brokers); err != nil {
		w.note("the cordon of brokers %v is gone, and could not be set again: %v", op.Brokers, err)
	}
}

// lacksCordon counts the brokers that leave and take new replicas.
func (v *View) lacksCordon(op *decision.Operation) int {
	n := 0
	for _, id := range op.Brokers {
		if b := v.broker(id); b != nil && b.State == cluster.BrokerAlive {
			n++
		}
	}
	return n
}

func (w *walk) shrinking(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	scale, known := w.Scales[op.Target]
	if !known {
		op.Note = "the size of " + op.Target + " could not be read"
		return op.Phase, nil
	}
	if scale.Replicas > op.To {
		return w.letGo(ctx, op)
	}
	if why := w.takenBack(op, scale); why != "" {
		return w.takeBack(ctx, op, why)
	}
	for _, id := range op.Brokers {
		if b := w.broker(id); b != nil && b.State != cluster.BrokerDead && b.State != cluster.BrokerFenced {
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

// letGo lowers the replicas: only here, and only after the proof has been given
// again in this very round, for the very brokers that the workload will let go.
func (w *walk) letGo(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	leaving, err := w.leaving(op)
	if err != nil {
		return op.Phase, w.cannotShrink(op, err)
	}
	if !slices.Equal(identity.Brokers(leaving), op.Brokers) {
		op.Brokers, op.Leaving = identity.Brokers(leaving), leaving
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
	if w.Again != nil && !op.TurnedBack { // what it undoes, the cluster never had
		p := decision.Proposal{Kind: op.Kind, Target: op.Target, From: op.From, To: op.To, Reactive: op.Reactive}
		if why := w.Again(ctx, p); why != "" {
			op.Note = "proven empty, and not let go: " + why
			return op.Phase, nil
		}
	}
	if err := w.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.To, From: op.From}); err != nil {
		return op.Phase, w.cannotShrink(op, fmt.Errorf("scaling %s to %d: %w", op.Target, op.To, err))
	}
	op.Note = fmt.Sprintf("waiting until brokers %v are gone", op.Brokers)
	return op.Phase, nil
}

// cannotShrink tells people that empty brokers cannot be let go: until somebody
// mends it they cost money, and the operation stands in the way of others.
func (w *walk) cannotShrink(op *decision.Operation, err error) error {
	op.Blocked = err.Error()
	w.concern(op, decision.DrainCannotFinish, decision.Critical, "brokers %v are empty and cannot be let go: %v", op.Brokers, err)
	return err
}

// takenBack says why a scale-in that was asked for has to be taken back: the
// operator refuses it, or a replica has landed on a broker that goes, as of a
// topic that was made after the proof.
func (v *View) takenBack(op *decision.Operation, scale actuators.Scale) string {
	if v.NotFresh == "" {
		if n := v.replicasOn(op.Brokers...); n > 0 {
			return fmt.Sprintf("%d replicas have landed on brokers %v since they were proven empty", n, op.Brokers)
		}
	}
	if scale.Refused != "" {
		return "the operator refuses: " + scale.Refused
	}
	return ""
}

// takeBack asks for the replicas again that were let go: their volumes are still
// there. Then the brokers are drained anew.
func (w *walk) takeBack(ctx context.Context, op *decision.Operation, why string) (decision.Phase, error) {
	w.concern(op, decision.ScaleInTakenBack, decision.Critical, "the scale-in from %d to %d is taken back: %s", op.From, op.To, why)
	if err := w.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.From, From: op.To}); err != nil {
		return op.Phase, fmt.Errorf("scaling %s back to %d: %w", op.Target, op.From, err)
	}
	w.note("%s is scaled back to %d: %s", op.Target, op.From, why)
	// What was seen of the workload is of the past now: go on at the next look.
	return decision.Cordoning, w.enter(ctx, op, decision.Cordoning)
}

// concern tells people about the brokers that leave.
func (w *walk) concern(op *decision.Operation, kind decision.ConcernKind, severity decision.Severity, format string, args ...any) {
	w.Concerns = append(w.Concerns, decision.Concern{
		Kind: kind, Subject: fmt.Sprintf("brokers %v", op.Brokers), Severity: severity, Detail: fmt.Sprintf(format, args...),
	})
}

func (w *walk) unregistering(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if w.NotFresh != "" {
		op.Note = w.NotFresh // a broker with replicas is never forgotten
		return op.Phase, nil
	}
	if n := w.replicasOn(op.Brokers...); n > 0 {
		return w.takeBack(ctx, op, fmt.Sprintf("%d replicas are on brokers %v, which are gone", n, op.Brokers))
	}
	if w.cfg.Admin == nil {
		return done, nil
	}
	if err := w.cfg.Admin.Unregister(ctx, op.Brokers); err != nil {
		return op.Phase, fmt.Errorf("unregistering brokers %v: %w", op.Brokers, err)
	}
	return done, nil
}
