package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// startOperation begins the one operation there may be. It is saved before
// anything is done, and its first steps are taken at once.
func (t *tick) startOperation(ctx context.Context, p decision.Proposal) (string, error) {
	if t.c.state.Operation != nil {
		return "", fmt.Errorf("starting an operation: %s is in flight", t.c.state.Operation.ID)
	}
	op := &decision.Operation{
		ID: t.d.ID, Kind: p.Kind, Target: p.Target, From: p.From, To: p.To, Started: t.now, PhaseSince: t.now, Reactive: p.Reactive, Why: p.Why,
		Before: aliveIDs(t.snap),
	}
	switch {
	case p.Kind == decision.Rebalance:
		return t.startRebalance(ctx, op)
	case t.c.cfg.Scalers[p.Target] == nil:
		return "", fmt.Errorf("scaling %s: nothing is set up that can scale it", p.Target)
	case p.To > p.From:
		op.Phase, op.HotFirst = decision.Scaling, p.Late
	default:
		leaving, err := t.leaving(ctx, op)
		if err != nil {
			return "", err
		}
		op.Brokers, op.Phase = leaving, decision.Cordoning
	}
	past := len(t.c.state.Past)
	t.remember(p)
	if err := t.begin(ctx, op); err != nil {
		t.c.state.Past = t.c.state.Past[:past]
		return "", err
	}
	t.steps(ctx)
	return "started " + p.Words(), nil
}

// begin makes op the operation in flight.
func (t *tick) begin(ctx context.Context, op *decision.Operation) error {
	if err := t.c.fence(ctx); err != nil {
		return fmt.Errorf("starting an operation: %w", err)
	}
	t.c.state.Operation = op
	if err := t.c.save(ctx); err != nil {
		t.c.state.Operation = nil
		return err
	}
	return nil
}

// proceed takes the operation in flight as far as it goes now.
func (t *tick) proceed(ctx context.Context) {
	if err := t.adopt(ctx); err != nil {
		t.note("whether moves are in flight could not be read: %v", err)
	}
	op := t.c.state.Operation
	if op == nil {
		return
	}
	if why := t.frozen(); why != "" {
		op.Note = "held: " + why
		return
	}
	if why := t.overtaken(op); why != "" {
		t.note("%s is cancelled: %s", op.Words(), why)
		if err := t.enter(ctx, op, decision.Cancelling); err != nil {
			op.Note = err.Error()
			return
		}
	}
	if why := t.unwanted(op); why != "" {
		t.note("%s is turned back: %s", op.Words(), why)
		if err := t.turnBack(ctx, op); err != nil {
			op.Note = err.Error()
			return
		}
	}
	t.steps(ctx)
}

// adopt takes over moves that a process before this one left running and wrote
// nothing down about.
func (t *tick) adopt(ctx context.Context) error {
	if t.c.adopted || t.c.cfg.Mover == nil || !t.c.spec.Mode.Acts() {
		return nil
	}
	progress, err := t.c.cfg.Mover.Progress(ctx)
	if err != nil {
		return err
	}
	t.c.adopted = true
	if t.c.state.Operation != nil || !progress.State.Active() {
		return nil
	}
	return t.begin(ctx, &decision.Operation{
		ID: t.d.ID, Kind: decision.Rebalance, Target: t.c.spec.Brokers.Key(), From: t.currentBrokers(), To: t.currentBrokers(),
		Phase: decision.Moving, Started: t.now, PhaseSince: t.now, Why: "adopted: moves were in flight when this process began", Plans: 1,
	})
}

// frozen says why an operation in flight may not take another step; "" when it may.
func (t *tick) frozen() string {
	if !t.c.spec.Mode.Acts() {
		return "mode " + string(t.c.spec.Mode) + " changes nothing"
	}
	if t.c.spec.Gates.Hold {
		return "gates.hold is set"
	}
	if why := t.c.cfg.Policy.Held(); why != "" {
		return why
	}
	for _, o := range t.d.Seen.Observations {
		if o.Effect == decision.EffectFreeze {
			return "frozen by " + o.Source
		}
	}
	return ""
}

// overtaken says why an operation should be given up; "" when it should not.
// Once the pods of empty brokers have been let go there is no way back.
func (t *tick) overtaken(op *decision.Operation) string {
	if op.Phase == decision.Cancelling || op.Phase == decision.Shrinking || op.Phase == decision.Unregistering {
		return ""
	}
	switch {
	case op.In() && op.To < t.c.spec.Brokers.Min:
		return fmt.Sprintf("the policy now asks for at least %d brokers", t.c.spec.Brokers.Min)
	case op.In() && t.demand.LoadUnknown == "" && t.allowed(t.loadNeeds) > op.To:
		return fmt.Sprintf("the load has come back: it needs %d brokers", t.loadNeeds)
	case op.Kind == decision.Rebalance && t.demand.LoadUnknown == "" && t.allowed(t.loadNeeds) > t.currentBrokers():
		return fmt.Sprintf("the load needs %d brokers, which comes first", t.loadNeeds)
	default:
		return ""
	}
}

// allowed is a need as far as the policy lets it be met.
func (t *tick) allowed(need int) int {
	if most := t.c.spec.Brokers.Max; most > 0 {
		return min(need, most)
	}
	return need
}

// steps goes from phase to phase for as long as each is done.
func (t *tick) steps(ctx context.Context) {
	const phases = 10 // more than any operation has
	for range phases {
		op := t.c.state.Operation
		if op == nil {
			return
		}
		next, err := t.step(ctx, op)
		if err != nil {
			op.Note = err.Error()
			t.c.cfg.Logger.WarnContext(ctx, "an operation waits", "operation", op.ID, "phase", op.Phase, "error", err)
			return
		}
		if next == op.Phase {
			return
		}
		if next == "" {
			t.finish(ctx)
			return
		}
		if err := t.enter(ctx, op, next); err != nil {
			op.Note = err.Error()
			return
		}
	}
}

// enter saves a phase before anything is done in it.
func (t *tick) enter(ctx context.Context, op *decision.Operation, next decision.Phase) error {
	before := *op
	op.Phase, op.PhaseSince, op.Note, op.Blocked = next, t.now, "", ""
	tryAtOnce(op, t.now)
	if err := t.c.save(ctx); err != nil {
		*op = before
		return err
	}
	return nil
}

// step does what a phase asks for, and says which phase is next; the same one
// while it lasts, none when the operation is done.
func (t *tick) step(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if err := t.c.fence(ctx); err != nil {
		return op.Phase, err
	}
	switch op.Phase {
	case decision.Scaling:
		return t.scaling(ctx, op)
	case decision.Joining:
		return t.joining(ctx, op)
	case decision.Filling:
		return t.filling(ctx, op)
	case decision.Cordoning:
		return t.cordoning(ctx, op)
	case decision.Draining:
		return t.draining(ctx, op)
	case decision.Proving:
		return t.proving(ctx, op)
	case decision.Shrinking:
		return t.shrinking(ctx, op)
	case decision.Unregistering:
		return t.unregistering(ctx, op)
	case decision.Moving:
		return t.movingOn(ctx, op)
	case decision.Cancelling:
		return t.cancelling(ctx, op)
	default:
		return op.Phase, fmt.Errorf("phase %q is not known to this version", op.Phase)
	}
}

// finish clears the operation. If that cannot be saved, the last phase is
// simply found done again.
func (t *tick) finish(ctx context.Context) {
	op := t.c.state.Operation
	for i := len(t.c.state.Past) - 1; i >= 0; i-- {
		if p := &t.c.state.Past[i]; p.Target == op.Target && p.Kind == op.Kind {
			p.Ended, p.Cancelled = t.now, op.Phase == decision.Cancelling
			break
		}
	}
	how := "done"
	if op.Phase == decision.Cancelling {
		how = "cancelled, and everything is as it was,"
	}
	t.note("%s in %s: %s", how, decision.Rounded(t.now.Sub(op.Started)), decision.Operation{Kind: op.Kind, Target: op.Target, From: op.From, To: op.To, Phase: op.Phase}.Words())
	t.c.state.Operation = nil
	if err := t.c.save(ctx); err != nil {
		t.c.state.Operation = op
		op.Note = err.Error()
	}
}

func aliveIDs(s cluster.Snapshot) []int {
	var ids []int
	for i := range s.Brokers {
		if s.Brokers[i].State == cluster.BrokerAlive {
			ids = append(ids, s.Brokers[i].ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// tryAtOnce lets the next plan be made without waiting.
func tryAtOnce(op *decision.Operation, now time.Time) { op.Tried = now.AddDate(-1, 0, 0) }
