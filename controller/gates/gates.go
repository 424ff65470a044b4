// Package gates holds what may stand between a proposal and the act. One gate
// is one file, one test, one line in All, and one row in docs/formats/decision.md.
// A gate judges from the Situation alone: the same situation gives the same
// verdict. What a gate cannot tell, it leaves Undecided, which holds.
package gates

import (
	"fmt"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// All is every gate, sorted by name. Every one is asked about every proposal.
func All() []Gate {
	return []Gate{
		Alerts{},
		Bounds{},
		BrokersReady{},
		Budget{},
		Cooldown{},
		DiskAfter{},
		ForecastTrust{},
		HoldByHand{},
		Ineffective{},
		MaxStep{},
		OneOperation{},
		Ownership{},
		PartitionHealth{},
		Reassignments{},
		Stabilisation{},
		StaleSignals{},
		SurviveAfter{},
		Windows{},
		Workload{},
		Zones{},
	}
}

// Lasting is the gates that are asked again right before brokers are let go,
// hours after the proposal: those that judge how the cluster is, and what people
// want now. The rest judge whether something may begin. What the forecast asks
// for is not among them: the brokers are empty by then and serve nobody, so that
// to keep them for it only keeps the scale-out waiting that would fill them. A
// load that has come back gives the whole operation up instead.
func Lasting() []Gate {
	return []Gate{Alerts{}, HoldByHand{}, PartitionHealth{}, Windows{}, Workload{}, Zones{}}
}

func allow() decision.Verdict { return decision.Verdict{Ruling: decision.Allow} }

func hold(format string, args ...any) decision.Verdict {
	return decision.Verdict{Ruling: decision.Hold, Why: fmt.Sprintf(format, args...)}
}

func refuse(format string, args ...any) decision.Verdict {
	return decision.Verdict{Ruling: decision.Refuse, Why: fmt.Sprintf(format, args...)}
}

// brokersIn tells whether a proposal takes brokers away.
func brokersIn(p decision.Proposal) bool {
	return p.Kind == decision.ScaleBrokers && p.ScaleIn()
}

// movesData tells whether a proposal ends in moving replicas.
func movesData(p decision.Proposal) bool { return p.Kind != decision.ScaleConsumers }

// scaleOut tells whether a proposal makes something larger.
func scaleOut(p decision.Proposal) bool { return p.Kind != decision.Rebalance && p.To > p.From }

// ago is a time span as people say it.
func ago(d time.Duration) string { return d.Round(time.Second).String() }
