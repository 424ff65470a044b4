package operation

import (
	"context"
	"fmt"

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
		return phaseWhile(err != nil, op), err
	}
	if err := w.cfg.Mover.Cancel(ctx); err != nil {
		return op.Phase, fmt.Errorf("cancelling moves: %w", err)
	}
	busy, err = w.poll(ctx, op)
	return phaseWhile(busy || err != nil, op), err
}

// phaseWhile is the present phase while it lasts, and none after.
func phaseWhile(lasts bool, op *decision.Operation) decision.Phase {
	if lasts {
		return op.Phase
	}
	return done
}

// overtaken says why an operation should be given up; "" when it should not.
// Once the pods of empty brokers have been let go there is no way back.
func (w *walk) overtaken(op *decision.Operation) string {
	if op.Phase == decision.Cancelling || op.Phase == decision.Shrinking || op.Phase == decision.Unregistering {
		return ""
	}
	switch {
	case op.In() && op.To < w.Spec.Brokers.Min:
		return fmt.Sprintf("the policy now asks for at least %d brokers", w.Spec.Brokers.Min)
	case op.In() && w.allowed(w.LoadNeeds) > op.To:
		return fmt.Sprintf("the load has come back: it needs %d brokers", w.LoadNeeds)
	case op.Kind == decision.Rebalance && w.allowed(w.LoadNeeds) > w.Brokers:
		return fmt.Sprintf("the load needs %d brokers, which comes first", w.LoadNeeds)
	default:
		return ""
	}
}

// allowed is a need as far as the policy lets it be met.
func (w *walk) allowed(need int) int {
	if most := w.Spec.Brokers.Max; most > 0 {
		return min(need, most)
	}
	return need
}

// unwanted says why a scale-out whose brokers have not all come should go back;
// "" when it should not. Once they have come, being filled is the safe way on,
// and what the policy wants less is scaled in after it.
func (w *walk) unwanted(op *decision.Operation) string {
	most := w.Spec.Brokers.Max
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
	op.From, op.To, op.HotFirst = op.To, max(op.From, w.Spec.Brokers.Max), false
	leaving, err := w.leaving(ctx, op)
	if err == nil {
		op.Brokers = leaving
		err = w.enter(ctx, op, decision.Cordoning)
	}
	if err != nil {
		*op = before
		return fmt.Errorf("turning back: %w", err)
	}
	return nil
}
