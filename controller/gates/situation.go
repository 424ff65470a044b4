package gates

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Gate says whether a proposal may go on. It never edits the proposal, and
// decides from what it is given alone: no I/O, no clock.
type Gate interface {
	Name() string
	Check(ctx context.Context, p decision.Proposal, s Situation) decision.Verdict
}

// Situation is everything a gate may judge by.
type Situation struct {
	Now          time.Time
	Policy       *policy.Policy
	Snapshot     *cluster.Snapshot
	Others       int // brokers of the cluster that are other workloads'
	Forecasts    []decision.ForecastSummary
	Requirement  *capacity.Requirement
	Observations []decision.Observation
	Operation    *decision.Operation // in flight, or nil
	Past         []decision.PastScale
	Scales       map[string]actuators.Scale // by target; absent when it could not be read
	Unread       map[string]string          // why it could not be
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

// LastScale is the last change of a target; false if there was none.
func (s Situation) LastScale(target string) (decision.PastScale, bool) {
	for i := len(s.Past) - 1; i >= 0; i-- {
		if s.Past[i].Target == target {
			return s.Past[i], true
		}
	}
	return decision.PastScale{}, false
}

// Check asks every gate about every proposal. A gate that panics or gives no
// name is a gate that could not tell.
func Check(ctx context.Context, gates []Gate, proposals []decision.Proposal, s Situation) []decision.Verdict {
	var out []decision.Verdict
	for i, p := range proposals {
		for _, g := range gates {
			v := ask(ctx, g, p, s)
			v.Gate, v.Proposal = g.Name(), i
			out = append(out, v)
		}
	}
	return out
}

func ask(ctx context.Context, g Gate, p decision.Proposal, s Situation) (v decision.Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = decision.Verdict{Ruling: decision.Undecided, Why: fmt.Sprintf("the gate failed: %v", r)}
		}
	}()
	return g.Check(ctx, p, s)
}
