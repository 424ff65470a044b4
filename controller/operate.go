package controller

import (
	"cmp"
	"context"
	"fmt"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Operated is what came of the proposals.
type Operated struct {
	operation.Told
	Actions []decision.Action
}

// operate carries out what every gate allowed, as far as the mode goes.
func (c *Controller) operate(
	ctx context.Context,
	v operation.View,
	r *Requirement,
	proposals []decision.Proposal,
	verdicts []decision.Verdict,
) Operated {
	var o Operated
	for i, p := range proposals {
		if ok, _ := decision.Allowed(verdicts, i); !ok {
			continue
		}
		a := decision.Action{Proposal: i, At: v.Now}
		if why := c.mayAct(ctx, p, &o); why != "" {
			a.DryRun, a.Done = true, "would "+p.Words()+" ("+why+")"
			o.Actions = append(o.Actions, a)
			continue
		}
		done, err := c.do(ctx, v, r, p, &o)
		if done == "" && err == nil {
			continue // there was nothing to do after all, and a note says so
		}
		a.Done = done
		if err != nil {
			a.Error = err.Error()
			c.cfg.Logger.ErrorContext(ctx, "acting failed", "decision", v.ID, "proposal", p.Words(), "error", err)
		}
		o.Actions = append(o.Actions, a)
	}
	return o
}

// mayAct says why a proposal is not carried out in this mode; "" when it is.
func (c *Controller) mayAct(ctx context.Context, p decision.Proposal, o *Operated) string {
	switch c.spec.Mode {
	case policy.Act:
		return ""
	case policy.Approve:
		if c.cfg.Approvals == nil {
			return "mode Approve, and nobody can approve"
		}
		if c.machine.Used(p.ID) {
			return "its approval has been used"
		}
		by, ok, err := c.cfg.Approvals.Approved(ctx, p)
		switch {
		case err != nil:
			return "the approval could not be read: " + err.Error()
		case !ok:
			return "waits for approval"
		}
		if err := c.machine.Use(ctx, p.ID, by); err != nil {
			return "that its approval is used could not be saved: " + err.Error()
		}
		o.Notes = append(o.Notes, fmt.Sprintf("approved by %s: %s (%s)", by, p.Words(), p.ID))
		return ""
	default:
		return "mode " + string(c.spec.Mode)
	}
}

func (c *Controller) do(ctx context.Context, v operation.View, r *Requirement, p decision.Proposal, o *Operated) (string, error) {
	if p.Kind == decision.ScaleConsumers {
		consumed, lag := r.lately(p.Group)
		return c.machine.ScaleConsumers(ctx, v, p, consumed, lag)
	}
	b, err := c.machine.Begin(ctx, v, p)
	o.Notes = append(o.Notes, b.Notes...)
	o.Concerns = append(o.Concerns, b.Concerns...)
	if b.Moving != nil {
		o.Moving = b.Moving
	}
	if b.Planned {
		c.proposer.balance.planned(v.Now, b.Worth)
	}
	return b.Done, err
}

// lately is what a group consumes, in records a second, and its lag in records.
func (r *Requirement) lately(group string) (consumed float64, lag int64) {
	for i := range r.Groups {
		if g := &r.Groups[i]; g.Policy.Group == group {
			return g.consumed, g.lag
		}
	}
	return 0, 0
}

// view is what the operation in flight may judge by.
func (c *Controller) view(id string, f *Facts, e *Expectations, r *Requirement) operation.View {
	frozen := c.frozen(f)
	said := frozen
	if !c.spec.Mode.Acts() {
		said = decision.FrozenBy(f.Seen.Observations, f.Now) // that the mode takes no step is no news
	}
	c.frozenBy.Store(&said)
	v := operation.View{
		ID: id, Now: f.Now, Spec: &c.spec, Snapshot: &f.Snapshot, Scales: f.Scales, NotFresh: f.NotFresh, Frozen: frozen,
		Brokers: f.Asked, Others: f.Others, Stored: f.Demand.Stored, Moves: c.parts.Moves, MoveRate: c.parts.Model.MoveRate,
		NeededAt: c.neededAt(f, e, r), Again: c.again(f, e, r),
	}
	if f.Demand.LoadUnknown == "" {
		v.LoadNeeds = max(0, r.Load-f.Others)
	}
	return v
}

// again asks the gates that judge what would be left once more.
func (c *Controller) again(f *Facts, e *Expectations, r *Requirement) func(context.Context, decision.Proposal) string {
	return func(ctx context.Context, p decision.Proposal) string {
		if len(c.cfg.Gates) == 0 {
			return ""
		}
		verdicts := gates.Check(ctx, gates.Lasting(), []decision.Proposal{p}, c.situation(f, e.Summaries, &r.Requirement, nil))
		ok, against := decision.Allowed(verdicts, 0)
		if ok {
			return ""
		}
		return against.Gate + ": " + cmp.Or(against.Why, "could not tell")
	}
}

// frozen says why an operation in flight may not take another step; "" when it may.
func (c *Controller) frozen(f *Facts) string {
	if why := c.heldByPolicy(); why != "" {
		return why
	}
	return decision.FrozenBy(f.Seen.Observations, f.Now)
}

// situation is what the gates judge by.
func (c *Controller) situation(
	f *Facts, forecasts []decision.ForecastSummary, r *capacity.Requirement, needs map[string]gates.NeedWindow,
) gates.Situation {
	state := c.machine.State()
	return gates.Situation{
		Now: f.Now, Policy: &c.cfg.Policy, Snapshot: &f.Snapshot, Others: f.Others, Forecasts: forecasts, Requirement: r,
		Observations: f.Seen.Observations, Operation: state.Operation, Past: state.Past, Scales: f.Scales, Unread: f.Unread,
		Windows: c.parts.Act, MoveWindows: c.parts.Move, Needs: needs,
	}
}
