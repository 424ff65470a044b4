// Package capacity turns a demand into a size: how many brokers each
// constraint needs, which one binds, what is kept free for losing a broker or
// a zone, and how long getting there takes. It is pure arithmetic; every
// formula and constant is in docs/formulas.md with its source.
package capacity

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Constraint is one resource's answer: how many brokers it needs.
type Constraint struct {
	Name        string        `json:"name"`      // such as "network-out"; see docs/formulas.md
	Brokers     int           `json:"brokers"`   // needed, headroom included
	Demand      float64       `json:"demand"`    // in Unit, over the whole cluster
	PerBroker   float64       `json:"perBroker"` // what one broker may carry, in Unit
	Unit        string        `json:"unit"`
	Utilisation cluster.Ratio `json:"utilisation"` // at the present number of brokers
	Formula     string        `json:"formula"`     // with the numbers put in
	// Unknown says why the constraint could not be computed; Brokers is then 0
	// and the constraint must not be used to scale in.
	Unknown string `json:"unknown,omitempty"`
	// Advisory constraints are reported and never bind.
	Advisory bool `json:"advisory,omitempty"`
}

// Requirement is the size a demand needs.
type Requirement struct {
	Brokers     int          `json:"brokers"`
	Bottleneck  string       `json:"bottleneck"`  // the constraint that binds
	Constraints []Constraint `json:"constraints"` // sorted by name
	Headroom    string       `json:"headroom"`    // in words: what may be lost
	// Consumers, sorted by group.
	Consumers []ConsumerRequirement `json:"consumers,omitempty"`
	LeadTime  time.Duration         `json:"leadTimeNanoseconds"`
	// Complete is false when a constraint is unknown: then the requirement is
	// a lower bound, and may only hold or raise.
	Complete bool `json:"complete"`
	// CrossZone is the traffic that crosses zones at the demand.
	CrossZone CrossZoneBytes `json:"crossZone"`
}

// ConsumerRequirement is the replicas one group needs.
type ConsumerRequirement struct {
	Group      string  `json:"group"`
	Replicas   int     `json:"replicas"`
	Partitions int     `json:"partitions"` // the cap
	Demand     float64 `json:"demandRecordsPerSecond"`
	PerReplica float64 `json:"perReplicaRecordsPerSecond"`
	Lag        int64   `json:"lagRecords"`
	Why        string  `json:"why"`
	Unknown    string  `json:"unknown,omitempty"`
}
