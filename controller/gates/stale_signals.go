package gates

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
)

// StaleSignals holds what rests on a signal that is missing or too old: any
// scale-in, and any move of data. Scaling out on what is known goes on.
type StaleSignals struct{}

// Name is the gate's name.
func (StaleSignals) Name() string { return "stale-signals" }

// Check names the stale signals that speak against the proposal.
func (StaleSignals) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	stale := s.Snapshot.Stale
	if len(stale) == 0 || scaleOut(p) {
		return allow()
	}
	if p.Kind == decision.Rebalance {
		// A plan needs to know where replicas are and what they weigh.
		if stale = placement(stale); len(stale) == 0 {
			return allow()
		}
	}
	more := ""
	if len(stale) > 1 {
		more = ", and more"
	}
	return hold("%s: %s%s", stale[0].Signal, stale[0].Reason, more)
}

// NotOfPlacement are the signals that a plan of moves does without.
var NotOfPlacement = []cluster.Signal{metrics.GroupLag, metrics.GroupConsumed, cluster.SignalAlerts}

func placement(stale []cluster.StaleSignal) []cluster.StaleSignal {
	var out []cluster.StaleSignal
	for _, x := range stale {
		if !slices.Contains(NotOfPlacement, x.Signal) {
			out = append(out, x)
		}
	}
	return out
}
