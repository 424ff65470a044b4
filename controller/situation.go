package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// Situation is everything a gate may judge by.
type Situation struct {
	Now          time.Time
	Policy       *policy.Policy
	Snapshot     *cluster.Snapshot
	Forecasts    []ForecastSummary
	Requirement  *capacity.Requirement
	Observations []Observation
	Operation    *Operation // in flight, or nil
	Past         []PastScale
	Scales       map[string]Scale // by target; absent when it could not be read
	// Windows are the policy's, compiled once.
	Windows, MoveWindows policy.Windows
	// Needs is the need's recent history, by target.
	Needs map[string]NeedWindow
}

// NeedWindow is the highest need of the stabilisation window.
type NeedWindow struct {
	Highest int
	// Since is when the window's record begins: until it spans the whole
	// stabilisation the highest need is not known.
	Since time.Time
}

// Stale gives the stale signals whose name is in names, or all without names.
func (s Situation) Stale(names ...string) []cluster.StaleSignal {
	if len(names) == 0 {
		return s.Snapshot.Stale
	}
	var out []cluster.StaleSignal
	for _, x := range s.Snapshot.Stale {
		if slices.Contains(names, x.Signal) {
			out = append(out, x)
		}
	}
	return out
}

// LastScale is the last change of a target; false if there was none.
func (s Situation) LastScale(target string) (PastScale, bool) {
	for i := len(s.Past) - 1; i >= 0; i-- {
		if s.Past[i].Target == target {
			return s.Past[i], true
		}
	}
	return PastScale{}, false
}

// check asks every gate about every proposal. A gate that panics or gives no
// name is a gate that could not tell.
func check(ctx context.Context, gates []Gate, proposals []Proposal, s Situation) []Verdict {
	var out []Verdict
	for i, p := range proposals {
		for _, g := range gates {
			v := ask(ctx, g, p, s)
			v.Gate, v.Proposal = g.Name(), i
			out = append(out, v)
		}
	}
	return out
}

func ask(ctx context.Context, g Gate, p Proposal, s Situation) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = Verdict{Ruling: Undecided, Why: fmt.Sprintf("the gate failed: %v", r)}
		}
	}()
	return g.Check(ctx, p, s)
}

// Allowed tells whether every gate allowed proposal i, and otherwise which
// stood in the way; a refusal is told before a hold.
func Allowed(verdicts []Verdict, i int) (ok bool, against Verdict) {
	ok = true
	for _, v := range verdicts {
		if v.Proposal != i || v.Ruling == Allow {
			continue
		}
		if ok || v.Ruling == Refuse && against.Ruling != Refuse {
			against = v
		}
		ok = false
	}
	return ok, against
}
