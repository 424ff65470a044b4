package controller

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/decision"
)

// unwanted says why a scale-out whose brokers have not all come should go back;
// "" when it should not. Once they have come, being filled is the safe way on,
// and what the policy wants less is scaled in after it.
func (t *tick) unwanted(op *decision.Operation) string {
	most := t.c.spec.Brokers.Max
	if !op.Out() || op.Phase != decision.Scaling && op.Phase != decision.Joining || most == 0 || op.To <= most {
		return ""
	}
	return fmt.Sprintf("the policy now allows at most %d brokers", most)
}

// turnBack makes a scale-out the scale-in that undoes it. A broker that came
// meanwhile may have been given replicas of new topics, so it leaves as every
// broker does: cordoned, drained and proven empty.
func (t *tick) turnBack(ctx context.Context, op *decision.Operation) error {
	before := op.Clone()
	op.From, op.To, op.HotFirst = op.To, max(op.From, t.c.spec.Brokers.Max), false
	leaving, err := t.leaving(ctx, op)
	if err == nil {
		op.Brokers = leaving
		err = t.enter(ctx, op, decision.Cordoning)
	}
	if err != nil {
		*op = before
		return fmt.Errorf("turning back: %w", err)
	}
	return nil
}
