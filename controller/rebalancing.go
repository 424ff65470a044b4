package controller

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// startRebalance plans first: a plan that gains too little is not started.
func (t *tick) startRebalance(ctx context.Context, op *decision.Operation) (string, error) {
	if t.c.cfg.Mover == nil {
		return "", errors.New("rebalancing: no mover is set up")
	}
	plan, err := t.c.cfg.Planner.Plan(ctx, t.snap, t.planOptions())
	if err != nil {
		return "", fmt.Errorf("planning moves: %w", err)
	}
	gain := Gain(plan)
	if len(plan.Moves) == 0 || plan.BytesToMove > 0 && gain < float64(t.c.spec.Rebalance.MinGain) {
		// Planning a large cluster is work; what is not worth moving now is
		// hardly worth it in ten minutes.
		t.c.balanceSeen = t.now.Add(rebalanceAgain - rebalanceEvery)
		t.note("nothing is worth moving: the best plan gains %.1f %%", 100*gain)
		t.c.balanceIdle = min(max(2*t.c.balanceIdle, rebalanceEvery), rebalanceIdle)
		return "", nil
	}
	t.c.balanceIdle = 0
	op.Phase, op.Plans, op.Tried = decision.Moving, 1, t.now
	if err := t.begin(ctx, op); err != nil {
		return "", err
	}
	if err := t.c.cfg.Mover.Start(ctx, plan); err != nil {
		return "", fmt.Errorf("starting moves: %w", err)
	}
	work := fmt.Sprintf("%s in %d moves", plan.BytesToMove, len(plan.Moves))
	op.Note = "moving " + work
	return "started to move " + work + ", to even out the load", nil
}

// Gain is by how much a plan lowers the fullest broker of the resource it
// helps most, over the average.
func Gain(p rebalance.Plan) float64 {
	gain := 0.0
	for name, before := range p.Before.Resources {
		gain = max(gain, before.MaxOverAvg-p.After.Resources[name].MaxOverAvg)
	}
	return gain
}

// movingOn waits for a rebalance. One that a crash kept from starting is simply
// over: the next look at the balance plans it anew.
func (t *tick) movingOn(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	busy, err := t.poll(ctx, op)
	if busy || err != nil {
		return op.Phase, err
	}
	return "", nil
}
