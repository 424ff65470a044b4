package web

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// How long what people ask for lasts.
const (
	DefaultHold = 4 * time.Hour
	MaxHold     = 7 * 24 * time.Hour
	// ApprovalAge is how long an approval may wait to be used: the world that
	// was approved for is not there for ever.
	ApprovalAge = time.Hour
)

// Desk holds what people asked for on the page, for the loop to read: a hold
// is an observation that freezes, an approval lets one proposal go on. It is an
// Operator, and gives a controller.Watcher and controller.Approvals a policy.
type Desk struct {
	now    func() time.Time
	record func(ctx context.Context, op Operation, at time.Time) error

	mu        sync.Mutex
	holds     map[string]decision.Observation // by policy
	approvals map[approvalKey]approval
}

// approvalKey names a proposal by its ID: the change, and when it was proposed.
type approvalKey struct{ policy, proposal string }

type approval struct {
	by     string
	until  time.Time
	change decision.Proposal // without its wording
}

// NewDesk makes a desk. record writes an operation into the journal before it
// takes effect: what is not on record does not happen.
func NewDesk(now func() time.Time, record func(ctx context.Context, op Operation, at time.Time) error) *Desk {
	if now == nil {
		now = time.Now
	}
	return &Desk{now: now, record: record, holds: map[string]decision.Observation{}, approvals: map[approvalKey]approval{}}
}

// Operate does what a person asked for.
func (k *Desk) Operate(ctx context.Context, op Operation) error {
	at := k.now().UTC()
	k.mu.Lock()
	_, held := k.holds[op.Policy]
	k.mu.Unlock()
	if op.Name == Resume && !held {
		return fmt.Errorf("%w: nobody holds %s on this page", ErrRefused, op.Policy)
	}
	if k.record != nil {
		if err := k.record(ctx, op, at); err != nil {
			return fmt.Errorf("recording an operation: %w", err)
		}
	}
	k.Restore(op, at)
	return nil
}

// Restore puts an operation of the past into effect, as a controller does that
// starts and reads its journal. What has expired has no effect.
func (k *Desk) Restore(op Operation, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch op.Name {
	case Hold:
		lasts := decision.Span(op.ForSeconds)
		if lasts <= 0 {
			lasts = DefaultHold
		}
		k.holds[op.Policy] = decision.Observation{
			Source: "page/" + op.User.Name, Effect: decision.EffectFreeze, Subject: "", Until: at.Add(min(lasts, MaxHold)),
		}
	case Resume:
		delete(k.holds, op.Policy)
	case Approve:
		if op.Proposed.ID == "" {
			return // of a controller that named none: it approves nothing now
		}
		k.approvals[approvalKey{op.Policy, op.Proposed.ID}] = approval{
			by:     op.User.Name,
			until:  at.Add(ApprovalAge),
			change: op.Proposed.Change(),
		}
	}
}

// Policy gives what is on the desk for one policy.
func (k *Desk) Policy(name string) DeskOf { return DeskOf{k, name} }

// DeskOf is a desk seen by one policy's loop.
type DeskOf struct {
	desk   *Desk
	policy string
}

// Observations is controller.Watcher: the hold, while it lasts.
func (k DeskOf) Observations(_ context.Context, now time.Time) ([]decision.Observation, error) {
	k.desk.mu.Lock()
	defer k.desk.mu.Unlock()
	maps.DeleteFunc(k.desk.holds, func(_ string, o decision.Observation) bool { return !now.Before(o.Until) })
	if o, ok := k.desk.holds[k.policy]; ok {
		return []decision.Observation{o}, nil
	}
	return nil, nil
}

// Approved is controller.Approvals: whether somebody approved exactly this
// change within the last ApprovalAge.
func (k DeskOf) Approved(_ context.Context, p decision.Proposal) (by string, ok bool, err error) {
	now := k.desk.now()
	k.desk.mu.Lock()
	defer k.desk.mu.Unlock()
	maps.DeleteFunc(k.desk.approvals, func(_ approvalKey, a approval) bool { return !now.Before(a.until) })
	a, ok := k.desk.approvals[approvalKey{k.policy, p.ID}]
	if !ok || p.ID == "" || a.change != p.Change() {
		return "", false, nil
	}
	return a.by, true, nil
}

// Holders names who holds which policy, sorted, for metrics and tests.
func (k *Desk) Holders() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for p, o := range k.holds {
		out = append(out, p+" "+o.Source)
	}
	slices.Sort(out)
	return out
}
