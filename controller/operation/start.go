package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// Begun is what came of a proposal.
type Begun struct {
	Told
	Done string // in words; "" when there was nothing to do after all
	// Planned is set when a rebalance was planned, and Worth when it was worth
	// carrying out.
	Planned, Worth bool
}

// Begin starts the one operation there may be. It is saved before anything is
// done, and its first steps are taken at once.
func (m *Machine) Begin(ctx context.Context, v View, p decision.Proposal) (Begun, error) {
	w := &walk{Machine: m, View: v}
	b := Begun{}
	err := w.startOperation(ctx, p, &b)
	b.Told = w.Told
	return b, err
}

func (w *walk) startOperation(ctx context.Context, p decision.Proposal, b *Begun) error {
	if w.state.Operation != nil {
		return fmt.Errorf("starting an operation: %s is in flight", w.state.Operation.ID)
	}
	op := &decision.Operation{
		ID: w.ID, Kind: p.Kind, Target: p.Target, From: p.From, To: p.To,
		Started: w.Now, PhaseSince: w.Now, Reactive: p.Reactive, Why: p.Why,
		Before: w.alive(),
	}
	switch {
	case p.Kind == decision.Rebalance:
		return w.startRebalance(ctx, op, b)
	case w.cfg.Scalers[p.Target] == nil:
		return fmt.Errorf("scaling %s: nothing is set up that can scale it", p.Target)
	case p.To > p.From:
		op.Phase, op.HotFirst = decision.Scaling, p.Late
	default:
		leaving, err := w.leaving(op)
		if err != nil {
			return err
		}
		op.Brokers, op.Leaving, op.Phase = identity.Brokers(leaving), leaving, decision.Cordoning
	}
	past := len(w.state.Past)
	w.remember(p, 0, 0)
	if err := w.begin(ctx, op); err != nil {
		w.state.Past = w.state.Past[:past]
		return err
	}
	w.steps(ctx)
	b.Done = "started " + p.Words()
	return nil
}

// startRebalance plans first: a plan that gains too little is not started.
func (w *walk) startRebalance(ctx context.Context, op *decision.Operation, b *Begun) error {
	if w.cfg.Mover == nil {
		return errors.New("rebalancing: no mover is set up")
	}
	plan, err := w.cfg.Planner.Plan(ctx, *w.Snapshot, w.moves())
	if err != nil {
		return fmt.Errorf("planning moves: %w", err)
	}
	gain := gainOf(plan)
	b.Planned = true
	if len(plan.Moves) == 0 || plan.BytesToMove > 0 && gain < float64(w.Spec.Rebalance.MinGain) {
		w.note("nothing is worth moving: the best plan gains %.1f %%", 100*gain)
		return nil
	}
	b.Worth = true
	op.Phase, op.Plans, op.Tried = decision.Moving, 1, w.Now
	if err := w.begin(ctx, op); err != nil {
		return err
	}
	if err := w.cfg.Mover.Start(ctx, plan); err != nil {
		return fmt.Errorf("starting moves: %w", err)
	}
	work := fmt.Sprintf("%s in %d moves", plan.BytesToMove, len(plan.Moves))
	op.Note = "moving " + work
	b.Done = "started to move " + work + ", to even out the load"
	return nil
}

// gainOf is by how much a plan lowers the fullest broker of the resource it
// helps most, over the average.
func gainOf(p rebalance.Plan) float64 {
	gain := 0.0
	for name, before := range p.Before.Resources {
		gain = max(gain, before.MaxOverAvg-p.After.Resources[name].MaxOverAvg)
	}
	return gain
}

// ScaleConsumers sets a group's size, in records a second and records as they
// were then. What was done is saved first: a crash in between counts an action
// too many, never one too few.
func (m *Machine) ScaleConsumers(ctx context.Context, v View, p decision.Proposal, consumed float64, lag int64) (string, error) {
	s := m.cfg.Scalers[p.Target]
	if s == nil {
		return "published the wish for " + fmt.Sprint(p.To) + " replicas", nil // via: metric
	}
	if err := m.fence(ctx); err != nil {
		return "", fmt.Errorf("scaling %s: %w", p.Target, err)
	}
	w := &walk{Machine: m, View: v}
	w.remember(p, consumed, lag)
	if err := m.save(ctx); err != nil {
		return "", err
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: p.To}); err != nil {
		return "", fmt.Errorf("scaling %s: %w", p.Target, err)
	}
	return "scaled group " + p.Group + fmt.Sprintf(" from %d to %d replicas", p.From, p.To), nil
}

// remember puts a change among those of the last day.
func (w *walk) remember(p decision.Proposal, consumed float64, lag int64) {
	w.state.Past = append(w.state.Past, decision.PastScale{
		Kind: p.Kind, Target: p.Target, From: p.From, To: p.To, At: w.Now, Reactive: p.Reactive, Consumed: consumed, Lag: lag,
	})
}
