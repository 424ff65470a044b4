// Package scenario reads what-ifs: a cluster, its load, the policies to
// compare, faults, changes and what Monte Carlo varies, as one strict YAML
// document. Every mistake is reported at once, with its line and field path.
// docs/formats/scenario.md has the long form.
package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/world"
)

// Scenario is the document.
type Scenario struct {
	Version  int             `yaml:"version" json:"version"`
	Name     string          `yaml:"name" json:"name"`
	Seed     uint64          `yaml:"seed" json:"seed"`
	Start    Time            `yaml:"start" json:"start,omitzero"`
	Duration policy.Duration `yaml:"duration" json:"duration"`
	Tick     policy.Duration `yaml:"tick" json:"tick"`
	// History is the load before the start that policies may look back on.
	History policy.Duration `yaml:"history" json:"history"`

	Cluster Cluster `yaml:"cluster" json:"cluster"`
	Loads   []Load  `yaml:"loads" json:"loads"`
	Topics  []Topic `yaml:"topics" json:"topics,omitempty"`
	Groups  []Group `yaml:"groups" json:"groups,omitempty"`

	Policies   []string   `yaml:"policies" json:"policies"`
	Policy     Document   `yaml:"policy" json:"policy,omitzero"`
	Variants   []Variant  `yaml:"variants" json:"variants,omitempty"`
	SLO        SLO        `yaml:"slo" json:"slo,omitzero"`
	Comparison Comparison `yaml:"comparison" json:"comparison,omitzero"`
	Prices     string     `yaml:"prices" json:"prices,omitempty"`

	Faults     []Fault    `yaml:"faults" json:"faults,omitempty"`
	Changes    []Change   `yaml:"changes" json:"changes,omitempty"`
	MonteCarlo MonteCarlo `yaml:"monteCarlo" json:"monteCarlo,omitzero"`
}

// Cluster is where the simulation starts: a snapshot, or brokers to generate.
type Cluster struct {
	Snapshot string  `yaml:"snapshot" json:"snapshot,omitempty"`
	Load     string  `yaml:"load" json:"load,omitempty"` // the load that a snapshot's topics follow
	Brokers  Brokers `yaml:"brokers" json:"brokers,omitzero"`
	Startup  Startup `yaml:"startup" json:"startup,omitzero"`
	Throttle Bytes   `yaml:"throttle" json:"throttle"` // bytes per second into, and out of, one broker
	// Scrape is how often Prometheus scrapes the brokers; measured rates are
	// means over some scrapes, and behind by half of them. Zero is at once.
	Scrape policy.Duration `yaml:"scrapeInterval" json:"scrapeInterval,omitempty"`
}

// Brokers are generated brokers.
type Brokers struct {
	Count int      `yaml:"count" json:"count"`
	Zones []string `yaml:"zones" json:"zones,omitempty"`
	Shape Shape    `yaml:"shape" json:"shape,omitzero"`
}

// Shape is one machine.
type Shape struct {
	Name   string  `yaml:"name" json:"name,omitempty"`
	CPU    float64 `yaml:"cpuCores" json:"cpuCores"`
	Net    Bytes   `yaml:"network" json:"network"` // bytes per second, each way
	Disk   Bytes   `yaml:"disk" json:"disk"`
	DiskBW Bytes   `yaml:"diskBandwidth" json:"diskBandwidth"`
	Memory Bytes   `yaml:"memory" json:"memory,omitempty"`
	PerHr  float64 `yaml:"costPerHour" json:"costPerHour,omitempty"`
}

// Capacity is the shape in the house's words.
func (s Shape) Capacity() cluster.Capacity {
	return cluster.Capacity{
		CPUCores: cluster.Cores(s.CPU), NetworkInBytesPerSecond: cluster.BytesPerSecond(s.Net),
		NetworkOutBytesPerSecond: cluster.BytesPerSecond(s.Net),
		DiskBytes:                cluster.Bytes(s.Disk),
		DiskBytesPerSecond:       cluster.BytesPerSecond(s.DiskBW), MemoryBytes: cluster.Bytes(s.Memory),
	}
}

// Startup is how long things take.
type Startup struct {
	Pod            policy.Duration `yaml:"pod" json:"pod"`
	Join           policy.Duration `yaml:"join" json:"join"`
	Consumer       policy.Duration `yaml:"consumer" json:"consumer"`
	RebalancePause policy.Duration `yaml:"rebalancePause" json:"rebalancePause"`
}

// Load is a demand over time: a column of a trace, or generated.
type Load struct {
	Name   string `yaml:"name" json:"name"`
	CSV    string `yaml:"csv" json:"csv,omitempty"`
	Column string `yaml:"column" json:"column,omitempty"`
	Blocks string `yaml:"blocks" json:"blocks,omitempty"` // a Prometheus TSDB folder
	Signal string `yaml:"signal" json:"signal,omitempty"` // which signal of it; topic_bytes_in, all topics together
	// From is the trace's time that stands at the start minus the history; the
	// trace's first when it is absent.
	From   Time      `yaml:"from" json:"from,omitzero"`
	Repeat bool      `yaml:"repeat" json:"repeat,omitempty"` // over and over, when the trace is shorter
	Mean   Bytes     `yaml:"mean" json:"mean,omitempty"`     // scale so that this is the mean, in bytes per second
	Peak   Bytes     `yaml:"peak" json:"peak,omitempty"`
	Scale  float64   `yaml:"scale" json:"scale,omitempty"`
	Gen    *Generate `yaml:"generate" json:"generate,omitempty"`
}

// Generate describes a generated load.
type Generate struct {
	Base   Bytes           `yaml:"base" json:"base"`
	Day    float64         `yaml:"day" json:"day"`
	Week   float64         `yaml:"week" json:"week"`
	Trend  float64         `yaml:"trendPerYear" json:"trendPerYear"`
	Noise  float64         `yaml:"noise" json:"noise"`
	Memory float64         `yaml:"memory" json:"memory"`
	Phase  policy.Duration `yaml:"phase" json:"phase"`
	Step   policy.Duration `yaml:"step" json:"step"`
	Events []Event         `yaml:"events" json:"events,omitempty"`
}

// Event is a rise for a while, at a time after the start.
type Event struct {
	At       policy.Duration `yaml:"at" json:"at"`
	Duration policy.Duration `yaml:"duration" json:"duration"`
	Uplift   float64         `yaml:"uplift" json:"uplift"`
	Ramp     policy.Duration `yaml:"ramp" json:"ramp,omitempty"`
	Every    policy.Duration `yaml:"every" json:"every,omitempty"`
}

// Topic is one topic, or Count topics alike.
type Topic struct {
	Name           string          `yaml:"name" json:"name"`
	Count          int             `yaml:"count" json:"count,omitempty"`
	Partitions     int             `yaml:"partitions" json:"partitions"`
	Replication    int             `yaml:"replicationFactor" json:"replicationFactor"`
	MinISR         int             `yaml:"minInsyncReplicas" json:"minInsyncReplicas"`
	Retention      policy.Duration `yaml:"retention" json:"retention"`
	RetentionBytes Bytes           `yaml:"retentionBytes" json:"retentionBytes,omitempty"` // a partition
	MessageBytes   Bytes           `yaml:"messageBytes" json:"messageBytes"`
	Load           string          `yaml:"load" json:"load"`
	Share          float64         `yaml:"share" json:"share"` // of the load; topics without one share what is left
	Skew           float64         `yaml:"skew" json:"skew"`   // 0 even … 1: partition i has 1/(i+1) of the first's
}

// Group is one consumer group.
type Group struct {
	Name       string          `yaml:"name" json:"name"`
	Topics     []string        `yaml:"topics" json:"topics"`
	PerReplica float64         `yaml:"perReplica" json:"perReplica"` // records per second
	Replicas   int             `yaml:"replicas" json:"replicas"`
	Min        int             `yaml:"min" json:"min"`
	Max        int             `yaml:"max" json:"max"`
	MaxLag     policy.Duration `yaml:"maxLag" json:"maxLag"`
	// Commit is how often members commit their offsets, which lag is read from.
	Commit policy.Duration `yaml:"commitInterval" json:"commitInterval,omitempty"`
}

// Document is a policy: a file, or its spec in place.
type Document struct {
	File string       `yaml:"file" json:"file,omitempty"`
	Spec *policy.Spec `yaml:"spec" json:"spec,omitempty"`
}

// Variant is another policy to compare under its own name.
type Variant struct {
	Name string       `yaml:"name" json:"name"`
	File string       `yaml:"file" json:"file,omitempty"`
	Spec *policy.Spec `yaml:"spec" json:"spec,omitempty"`
}

// SLO is what clients were promised.
type SLO struct {
	ProduceP99 policy.Duration `yaml:"produceP99" json:"produceP99"`
}

// Comparison sets the policies that tidetable is compared with.
type Comparison struct {
	Target     float64         `yaml:"targetUtilisation" json:"targetUtilisation,omitempty"`
	CPU        float64         `yaml:"targetCPU" json:"targetCPU,omitempty"`
	LagSeconds float64         `yaml:"lagSeconds" json:"lagSeconds,omitempty"`
	ScaleIn    policy.Duration `yaml:"scaleInAfter" json:"scaleInAfter,omitempty"`
	Interval   policy.Duration `yaml:"interval" json:"interval,omitempty"`
}

// Fault is something that breaks for a while.
type Fault struct {
	Kind   world.EventKind `yaml:"kind" json:"kind"`
	At     policy.Duration `yaml:"at" json:"at"`
	For    policy.Duration `yaml:"for" json:"for"`
	Broker *int            `yaml:"broker" json:"broker,omitempty"`
	Zone   string          `yaml:"zone" json:"zone,omitempty"`
	Factor *float64        `yaml:"factor" json:"factor,omitempty"`
}

// ChangeKind says what is different.
type ChangeKind string

// The changes there are.
const (
	Growth            ChangeKind = "growth"
	Campaign          ChangeKind = "campaign"
	NewTopic          ChangeKind = "new-topic"
	NewGroup          ChangeKind = "new-group"
	Retention         ChangeKind = "retention"
	MachineShape      ChangeKind = "machine-shape"
	ReplicationFactor ChangeKind = "replication-factor"
)

// Change is something that is different from the start, or from a time on.
type Change struct {
	Kind     ChangeKind      `yaml:"kind" json:"kind"`
	At       policy.Duration `yaml:"at" json:"at,omitempty"`
	Factor   float64         `yaml:"factor" json:"factor,omitempty"`
	Load     string          `yaml:"load" json:"load,omitempty"`   // growth, campaign: which load; all when empty
	Topic    *Topic          `yaml:"topic" json:"topic,omitempty"` // new-topic
	Rate     Bytes           `yaml:"rate" json:"rate,omitempty"`   // new-topic: bytes per second
	Group    *Group          `yaml:"group" json:"group,omitempty"` // new-group
	Shape    *Shape          `yaml:"shape" json:"shape,omitempty"` // machine-shape
	Duration policy.Duration `yaml:"duration" json:"duration,omitempty"`
	Ramp     policy.Duration `yaml:"ramp" json:"ramp,omitempty"`
	Value    int             `yaml:"value" json:"value,omitempty"` // replication-factor
}

// MonteCarlo says what differs from run to run.
type MonteCarlo struct {
	Runs   int     `yaml:"runs" json:"runs"`
	Growth *Normal `yaml:"growth" json:"growth,omitempty"` // a share: 0.4 is +40 %
	Noise  *Normal `yaml:"noise" json:"noise,omitempty"`   // of generated loads
	Events *Random `yaml:"events" json:"events,omitempty"`
	Faults *Random `yaml:"brokerFailures" json:"brokerFailures,omitempty"`
	// Planner of tidetable's moves: greedy, the default, or production, which
	// takes about fifty times as long.
	Planner string `yaml:"planner" json:"planner,omitempty"`
}

// Planners are the words for monteCarlo.planner.
var Planners = []string{PlannerGreedy, PlannerProduction}

// The planners of a Monte Carlo.
const (
	PlannerGreedy     = "greedy"
	PlannerProduction = "production"
)

// Normal is a normal distribution, cut off where the value makes no sense.
type Normal struct {
	Mean float64 `yaml:"mean" json:"mean"`
	SD   float64 `yaml:"sd" json:"sd"`
}

// Random is something that happens at exponential intervals.
type Random struct {
	PerWeek  float64         `yaml:"perWeek" json:"perWeek"`
	Duration policy.Duration `yaml:"duration" json:"duration"`
	Uplift   Normal          `yaml:"uplift" json:"uplift,omitzero"`
}

// Bytes is an amount, or with a trailing /s a rate: 500GB, 64MiB, 20MB/s, 5e8.
type Bytes float64

// UnmarshalText reads the written form.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := policy.ParseBytes(strings.TrimSuffix(strings.TrimSpace(string(text)), "/s"))
	if err != nil {
		return fmt.Errorf("%q is not an amount or a rate of data; write one like 500GB or 20MB/s", text)
	}
	*b = Bytes(v)
	return nil
}

// Time is an instant in RFC 3339.
type Time struct{ time.Time }

// UnmarshalText reads the written form.
func (t *Time) UnmarshalText(text []byte) error {
	v, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time; write one like 2026-03-02T00:00:00Z", text)
	}
	t.Time = v
	return nil
}
