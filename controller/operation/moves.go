package operation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// retryPlan is how long a plan that could not be made or started is left alone.
const retryPlan = time.Minute

// poll asks the mover how far it is; busy means that it is at work.
func (w *walk) poll(ctx context.Context, op *decision.Operation) (busy bool, err error) {
	p, err := w.cfg.Mover.Progress(ctx)
	if err != nil {
		return false, fmt.Errorf("asking how far the moves are: %w", err)
	}
	w.Moving = &p
	if p.State.Active() {
		op.BytesMoved = p.BytesMoved
		op.Note = fmt.Sprintf(
			"%s: %s of %s moved, %d of %d moves, about %s left",
			p.State,
			p.BytesMoved,
			p.BytesTotal,
			p.MovesDone,
			p.MovesTotal,
			decision.Rounded(p.ETA()),
		)
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

// startMoves plans and starts moves. It is tried at most once a minute. A plan with
// a violation that impossible tells is not started: what cannot be finished is
// better not begun.
func (w *walk) startMoves(ctx context.Context, op *decision.Operation, o rebalance.Options) (*rebalance.Plan, bool, error) {
	if w.Now.Sub(op.Tried) < retryPlan {
		return nil, false, nil
	}
	op.Tried = w.Now
	plan, err := w.cfg.Planner.Plan(ctx, *w.Snapshot, o)
	if err != nil {
		op.Blocked = fmt.Sprintf("no plan can be made for brokers %v: %v", op.Brokers, err)
		return nil, false, fmt.Errorf("planning moves: %w", err)
	}
	if len(plan.Moves) == 0 || op.In() && impossible(plan.Violations) {
		return &plan, false, nil
	}
	op.Plans++
	if err := w.save(ctx); err != nil {
		return nil, false, err
	}
	if err := w.cfg.Mover.Start(ctx, plan); err != nil {
		return nil, false, fmt.Errorf("starting moves: %w", err)
	}
	op.Note, op.Blocked = fmt.Sprintf("moving %s in %d moves", plan.BytesToMove, len(plan.Moves)), ""
	return &plan, true, nil
}

// impossible tells whether a plan would leave a broker over its capacity, or a
// replica on a broker that must end up empty.
func impossible(vs []rebalance.Violation) bool {
	return slices.ContainsFunc(vs, func(v rebalance.Violation) bool { return v.Constraint != rebalance.RuleZones })
}

// moves are the policy's options of a plan, at the rate that brokers are filled.
func (w *walk) moves() rebalance.Options {
	o := w.Moves
	o.Throttle = w.fillRate()
	return o
}

// fillRate is how fast a broker that joins fills: what was seen, and what the
// policy allows until then.
func (w *walk) fillRate() cluster.BytesPerSecond {
	if r := w.state.Learned.MoveRate; r > 0 {
		return r
	}
	return w.MoveRate
}

// moving waits for a rebalance. One that a crash kept from starting is simply
// over: the next look at the balance plans it anew.
func (w *walk) moving(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	busy, err := w.poll(ctx, op)
	if busy || err != nil {
		return op.Phase, err
	}
	return done, nil
}
