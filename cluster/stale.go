package cluster

import "time"

// Signal names one thing that is read of a cluster: a measured series, which
// package metrics names, or one of the parts below.
type Signal string

// What is read beside measured series.
const (
	SignalPlacement     Signal = "placement" // brokers, replicas and leaders
	SignalISR           Signal = "isr"
	SignalTopicConfigs  Signal = "topic_configs"
	SignalFencedBrokers Signal = "fenced_brokers"
	SignalQuorum        Signal = "quorum" // who votes among the controllers
	SignalReassignments Signal = "reassignments"
	SignalSnapshot      Signal = "snapshot" // all of it, when it is too old
	SignalAlerts        Signal = "alerts"   // what is said from outside
)

// SignalScaleOf is the size that a workload is asked to have.
func SignalScaleOf(target string) Signal { return Signal("scale of " + target) }

// Source is by what signals were read.
type Source struct {
	Catalogue string   `json:"catalogue"` // of queries
	Signals   []Signal `json:"signals"`   // sorted
	// Remarks are what a person should know of it, such as that brokers are scraped
	// twice and taken once.
	Remarks []string `json:"remarks,omitempty"`
}

// Cause says why a signal is stale.
type Cause string

// The causes.
const (
	CauseNotRead     Cause = "notRead"     // its source did not answer, or said no
	CauseNotExported Cause = "notExported" // its source has nothing under that name
	CauseMissing     Cause = "missing"     // the named brokers are left out of it
	CausePartial     Cause = "partial"     // it is a sum that lacks the share of the named brokers
	CauseInferred    Cause = "inferred"    // it was taken from something else
	CauseMismatch    Cause = "mismatch"    // what came is of another cluster
	CauseImpossible  Cause = "impossible"  // no machine can have given it
	CauseOld         Cause = "old"         // it was read too long ago
)

// StaleSignal is a reading that is missing or old. Whoever decides must treat
// it as unknown, and unknown never scales in.
type StaleSignal struct {
	Signal Signal `json:"signal"`
	Cause  Cause  `json:"cause,omitempty"` // absent in files of earlier versions
	// Brokers are those that Cause speaks of, sorted.
	Brokers []int  `json:"brokers,omitempty"`
	Reason  string `json:"reason"` // for people
	// LastSeen is zero when the signal was never seen.
	LastSeen time.Time `json:"lastSeen,omitzero"`
}
