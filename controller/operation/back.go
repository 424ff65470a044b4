package operation

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
)

// cancelling lets replicas come back first: a cordoned broker says that it has
// no room, and moves that are taken back would wait for it for ever.
func (w *walk) cancelling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if w.cfg.Admin != nil && op.In() {
		if err := w.cfg.Admin.Uncordon(ctx, op.Brokers); err != nil {
			return op.Phase, fmt.Errorf("uncordoning brokers %v: %w", op.Brokers, err)
		}
	}
	if w.cfg.Mover == nil {
		return done, nil
	}
	busy, err := w.poll(ctx, op)
	if err != nil || !busy {
		return w.asBefore(ctx, op, err)
	}
	if err := w.cfg.Mover.Cancel(ctx); err != nil {
		return op.Phase, fmt.Errorf("cancelling moves: %w", err)
	}
	busy, err = w.poll(ctx, op)
	if busy {
		return op.Phase, err
	}
	return w.asBefore(ctx, op, err)
}

// asBefore ends an operation that is given up and moves nothing any more. The
// brokers of a scale-in that stand empty by then are filled first, as those of a
// scale-out are: nothing else would give them work, and a cluster with an empty
// broker does not scale out.
func (w *walk) asBefore(ctx context.Context, op *decision.Operation, err error) (decision.Phase, error) {
	if err != nil {
		return op.Phase, err
	}
	if w.cfg.Planner == nil || !op.In() || !w.anyEmpty(op.Brokers) || w.letGone(op) || w.setByOthers(op) != "" {
		return done, nil
	}
	before := op.Clone()
	op.From, op.To, op.GivenBack, op.TurnedBack, op.BytesMoved = op.To, op.From, true, false, 0
	if err := w.enter(ctx, op, decision.Filling); err != nil {
		*op = before
		return op.Phase, err
	}
	return op.Phase, nil
}

// overtaken says why an operation should be given up; "" when it should not.
// Once the pods of empty brokers have been let go there is no way back.
func (v *View) overtaken(op *decision.Operation) string {
	if op.Phase == decision.Cancelling || op.Phase == decision.Unregistering || op.Phase == decision.Shrinking && v.letGone(op) {
		return ""
	}
	if why := v.setByOthers(op); why != "" {
		return why
	}
	switch {
	case op.In() && op.To < v.Spec.Brokers.Min:
		return fmt.Sprintf("the policy now asks for at least %d brokers", v.Spec.Brokers.Min)
	case op.In() && v.allowed(v.LoadNeeds) > op.To:
		return fmt.Sprintf("the load has come back: it needs %d brokers", v.LoadNeeds)
	case op.Kind == decision.Rebalance && v.allowed(v.LoadNeeds) > v.Brokers:
		return fmt.Sprintf("the load needs %d brokers, which comes first", v.LoadNeeds)
	default:
		return ""
	}
}

// letGone tells whether pods may already have been let go.
func (v *View) letGone(op *decision.Operation) bool {
	scale, known := v.Scales[op.Target]
	return !known || scale.Replicas <= op.To
}

// settled is how long after a size was asked for the API server may still tell the
// one before: what it tells later is somebody's wish. A judgement.
const settled = 5 * time.Minute

// setByOthers says that somebody else has changed the size meanwhile, by hand or
// by another tool: what a person wants goes before what was planned on another size.
func (v *View) setByOthers(op *decision.Operation) string {
	scale, known := v.Scales[op.Target]
	asked := op.Out() && (op.Phase == decision.Joining || op.Phase == decision.Filling) && v.Now.Sub(op.PhaseSince) > settled
	if !known || op.Kind != decision.ScaleBrokers || scale.Replicas == op.To || scale.Replicas == op.From && !asked {
		return ""
	}
	return fmt.Sprintf(
		"somebody else set %s to %d meanwhile, which goes before the change from %d to %d",
		op.Target,
		scale.Replicas,
		op.From,
		op.To,
	)
}

// allowed is a need as far as the policy lets it be met.
func (v *View) allowed(need int) int {
	if most := v.Spec.Brokers.Max; most > 0 {
		return min(need, most)
	}
	return need
}

// unwanted says why a scale-out whose brokers have not all come should go back;
// "" when it should not. Once they have come, being filled is the safe way on,
// and what the policy wants less is scaled in after it.
func (v *View) unwanted(op *decision.Operation) string {
	most := v.Spec.Brokers.Max
	if !op.Out() || op.Phase != decision.Scaling && op.Phase != decision.Joining || most == 0 || op.To <= most {
		return ""
	}
	return fmt.Sprintf("the policy now allows at most %d brokers", most)
}

// turnBack makes a scale-out the scale-in that undoes it. A broker that came
// meanwhile may have been given replicas of new topics, so it leaves as every
// broker does: cordoned, drained and proven empty.
func (w *walk) turnBack(ctx context.Context, op *decision.Operation) error {
	before := op.Clone()
	op.From, op.To, op.HotFirst, op.TurnedBack = op.To, max(op.From, w.Spec.Brokers.Max), false, true
	leaving, err := w.leaving(op)
	if err == nil {
		op.Brokers, op.Leaving = identity.Brokers(leaving), leaving
		err = w.enter(ctx, op, decision.Cordoning)
	}
	if err != nil {
		*op = before
		return fmt.Errorf("turning back: %w", err)
	}
	return nil
}
