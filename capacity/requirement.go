// Package capacity turns a demand into a size: how many brokers each
// constraint needs, which one binds, what is kept free for losing a broker or
// a zone, and how long getting there takes. It is pure arithmetic; every
// formula and constant is in docs/formulas.md with its source.
package capacity

import (
	"encoding/json"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Constraint is one resource's answer: how many brokers it needs.
type Constraint struct {
	Name        string        `json:"name"`      // such as "networkOut"; see docs/formulas.md
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
	// LeadTimeSeconds is until one more broker carries its share.
	LeadTimeSeconds float64 `json:"leadTimeSeconds"`
	// Complete is false when a constraint is unknown: then the requirement is
	// a lower bound, and may only hold or raise.
	Complete bool `json:"complete"`
	// CrossZone is the traffic that crosses zones at the demand.
	CrossZone CrossZoneBytes `json:"crossZone"`
}

// formerNames are the constraints' names before they were spelled as the
// policy spells resources. They are read, never written.
var formerNames = map[string]string{"catch-up": CatchUp, "page-cache": PageCache}

// constraintNamed reads a constraint's name, former spellings included.
func constraintNamed(name string) string {
	if now, ok := formerNames[name]; ok {
		return now
	}
	if r, ok := cluster.ResourceNamed(name); ok {
		return string(r)
	}
	return name
}

// UnmarshalJSON reads a constraint, former spellings included.
func (c *Constraint) UnmarshalJSON(text []byte) error {
	type plain Constraint
	if err := json.Unmarshal(text, (*plain)(c)); err != nil {
		return err
	}
	c.Name = constraintNamed(c.Name)
	return nil
}

// LeadTime is LeadTimeSeconds as a duration.
func (r Requirement) LeadTime() time.Duration {
	return time.Duration(r.LeadTimeSeconds * float64(time.Second))
}

// UnmarshalJSON reads a requirement, former spellings and units included.
func (r *Requirement) UnmarshalJSON(text []byte) error {
	type plain Requirement
	if err := json.Unmarshal(text, (*plain)(r)); err != nil {
		return err
	}
	var former struct {
		LeadTime time.Duration `json:"leadTimeNanoseconds"`
	}
	if err := json.Unmarshal(text, &former); err != nil {
		return err
	}
	if former.LeadTime != 0 {
		r.LeadTimeSeconds = former.LeadTime.Seconds()
	}
	r.Bottleneck = constraintNamed(r.Bottleneck)
	return nil
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
