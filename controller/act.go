package controller

import (
	"cmp"
	"context"
	"fmt"

	"github.com/tidetable/tidetable/controller/gates"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// situation is what the gates judge by.
func (t *tick) situation() gates.Situation {
	return gates.Situation{
		Now: t.now, Policy: &t.c.cfg.Policy, Snapshot: &t.snap, Forecasts: t.d.Forecasts, Requirement: &t.d.Requirement,
		Observations: t.d.Seen.Observations, Operation: t.c.state.Operation, Past: t.c.state.Past, Scales: t.scales,
		Windows: t.c.windows.act, MoveWindows: t.c.windows.move, Needs: t.need,
	}
}

func (t *tick) gate(ctx context.Context) {
	if v := gates.Check(ctx, t.c.cfg.Gates, t.d.Proposals, t.situation()); v != nil {
		t.d.Verdicts = v
	}
}

// act carries out what every gate allowed, as far as the mode goes.
func (t *tick) act(ctx context.Context) {
	for i, p := range t.d.Proposals {
		if ok, _ := decision.Allowed(t.d.Verdicts, i); !ok {
			continue
		}
		a := decision.Action{Proposal: i, At: t.now}
		if why := t.mayAct(ctx, p); why != "" {
			a.DryRun, a.Done = true, "would "+p.Words()+" ("+why+")"
			t.d.Actions = append(t.d.Actions, a)
			continue
		}
		done, err := t.do(ctx, p)
		if done == "" && err == nil {
			continue // there was nothing to do after all, and a note says so
		}
		a.Done = done
		if err != nil {
			a.Error = err.Error()
			t.c.cfg.Logger.ErrorContext(ctx, "acting failed", "decision", t.d.ID, "proposal", p.Words(), "error", err)
		}
		t.d.Actions = append(t.d.Actions, a)
	}
}

// mayAct says why a proposal is not carried out in this mode; "" when it is.
func (t *tick) mayAct(ctx context.Context, p decision.Proposal) string {
	switch t.c.spec.Mode {
	case policy.Act:
		return ""
	case policy.Approve:
		if t.c.cfg.Approvals == nil {
			return "mode Approve, and nobody can approve"
		}
		by, ok, err := t.c.cfg.Approvals.Approved(ctx, p)
		switch {
		case err != nil:
			return "the approval could not be read: " + err.Error()
		case !ok:
			return "waits for approval"
		}
		t.note("approved by %s: %s", by, p.Words())
		return ""
	default:
		return "mode " + string(t.c.spec.Mode)
	}
}

func (t *tick) do(ctx context.Context, p decision.Proposal) (string, error) {
	if p.Kind == decision.ScaleConsumers {
		return t.scaleConsumers(ctx, p)
	}
	return t.startOperation(ctx, p)
}

// scaleConsumers sets a size. What was done is saved first: a crash in between
// counts an action too many, never one too few.
func (t *tick) scaleConsumers(ctx context.Context, p decision.Proposal) (string, error) {
	s := t.c.cfg.Scalers[p.Target]
	if s == nil {
		return "published the wish for " + fmt.Sprint(p.To) + " replicas", nil // via: metric
	}
	if err := t.c.fence(ctx); err != nil {
		return "", fmt.Errorf("scaling %s: %w", p.Target, err)
	}
	t.remember(p)
	if err := t.c.save(ctx); err != nil {
		return "", err
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: p.To}); err != nil {
		return "", fmt.Errorf("scaling %s: %w", p.Target, err)
	}
	return "scaled group " + p.Group + fmt.Sprintf(" from %d to %d replicas", p.From, p.To), nil
}

// remember puts a change among those of the last day.
func (t *tick) remember(p decision.Proposal) {
	past := decision.PastScale{Kind: p.Kind, Target: p.Target, From: p.From, To: p.To, At: t.now, Reactive: p.Reactive}
	for _, g := range t.groupsNow {
		if p.Kind == decision.ScaleConsumers && g.policy.Group == p.Group {
			past.Consumed, past.Lag = g.now.consumed, g.now.lag
		}
	}
	t.c.state.Past = append(t.c.state.Past, past)
}

// conclude puts the decision into one line and one word.
func (t *tick) conclude() {
	d := &t.d
	if op := t.c.state.Operation; op != nil {
		o := op.Clone()
		d.Operation = &o
	}
	d.Accuracy = t.c.accuracy()
	var failed, done, would string
	for _, a := range d.Actions {
		switch {
		case a.Error != "":
			failed = join(failed, a.Error)
		case a.DryRun:
			would = join(would, a.Done)
		default:
			done = join(done, a.Done)
		}
	}
	against, refused := t.standsInTheWay()
	switch {
	case failed != "":
		d.Reason, d.Outcome = decision.ReasonActionFailed, failed
	case done != "":
		d.Reason, d.Outcome = decision.ReasonScaled, done
	case d.Operation != nil && d.Operation.Blocked != "":
		d.Reason, d.Outcome = decision.ReasonHeld, "held: "+d.Operation.Words()
	case d.Operation != nil:
		d.Reason, d.Outcome = decision.ReasonMoving, d.Operation.Words()
	case refused:
		d.Reason, d.Outcome = decision.ReasonRefused, against
	case would != "":
		d.Reason, d.Outcome = decision.ReasonRecommended, would
	case against != "":
		d.Reason, d.Outcome = decision.ReasonHeld, against
	case t.c.spec.Mode == policy.Observe:
		d.Reason, d.Outcome = decision.ReasonObserved, "observed; mode Observe proposes nothing"
	case t.notFresh != "" || t.kept != "" || !d.Requirement.Complete:
		d.Reason, d.Outcome = decision.ReasonUnknown, fmt.Sprintf("kept at %d brokers: %s", t.currentBrokers(), cmp.Or(cmp.Or(t.notFresh, t.kept), d.Requirement.Explain()))
	default:
		d.Reason, d.Outcome = decision.ReasonSteady, "the size is right: "+d.Requirement.Explain()
	}
}

// standsInTheWay tells which gate held or refused what.
func (t *tick) standsInTheWay() (words string, refused bool) {
	for i, p := range t.d.Proposals {
		ok, v := decision.Allowed(t.d.Verdicts, i)
		if ok {
			continue
		}
		how := "held"
		if v.Ruling == decision.Refuse {
			how, refused = "refused", true
		}
		words = join(words, fmt.Sprintf("%s to %s: %s: %s", how, p.Words(), v.Gate, cmp.Or(v.Why, "could not tell")))
	}
	return words, refused
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
