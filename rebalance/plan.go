// Package rebalance plans moves of replicas and leaders: which, why, at what
// cost in bytes. It is pure: the same snapshot and options give the same plan,
// byte for byte, on any machine. Carrying a plan out is package execute's work.
package rebalance

import (
	"github.com/tidetable/tidetable/cluster"
)

// PlanVersion is the version of a plan's JSON. 1, which was not written out,
// called the network nwIn and nwOut.
const PlanVersion = 2

// Plan is a set of moves, and what they do. Moves are sorted by topic and
// partition; every one changes something.
type Plan struct {
	Version   int     `json:"version"` // PlanVersion
	ClusterID string  `json:"clusterId"`
	Before    Balance `json:"before"` // with the leaders of now
	After     Balance `json:"after"`  // with the preferred leaders elected
	// BytesToMove is what is copied: the size of every replica that changes
	// broker.
	BytesToMove  cluster.Bytes `json:"bytesToMove"`
	ReplicaMoves int           `json:"replicaMoves"`
	// LeaderMoves counts the partitions led by another broker afterwards.
	// LeaderOnlyMoves of them are named in the plan and move no data;
	// PreferredElections are not named, as electing the preferred leader is
	// all they need.
	LeaderMoves        int     `json:"leaderMoves"`
	LeaderOnlyMoves    int     `json:"leaderOnlyMoves"`
	PreferredElections int     `json:"preferredElections"`
	DurationSeconds    float64 `json:"durationSeconds"` // at the throttle
	// ThrottleBytesPerSecond is the rate that the duration is at.
	ThrottleBytesPerSecond cluster.BytesPerSecond `json:"throttleBytesPerSecond"`
	// GainPoints is how much better the objective gets, bytes and all.
	GainPoints  float64         `json:"gainPoints"`
	Violations  []Violation     `json:"violations"` // what no plan can mend; see Violation
	Warnings    []string        `json:"warnings,omitempty"`
	LowerBounds Bounds          `json:"lowerBounds"`
	Brokers     []BrokerChange  `json:"brokers"` // sorted by id
	Frontier    []FrontierPoint `json:"frontier,omitempty"`
	// Locality and PartitionAdvice are there when they were asked for.
	Locality        *LocalityReport   `json:"locality,omitempty"`
	PartitionAdvice []PartitionAdvice `json:"partitionAdvice,omitempty"`
	Evaluations     int64             `json:"evaluations"`
	Moves           []cluster.Move    `json:"-"`
}

// Rule is one that no plan may break.
type Rule string

// The rules.
const (
	RuleEvacuation    Rule = "evacuation"        // brokers that must be empty are
	RuleInFlight      Rule = "inFlight"          // what is being moved already is left alone
	RuleLive          Rule = "noLiveReplica"     // a partition has a replica to copy from
	RuleZones         Rule = "zoneRule"          // a partition is in as many zones as it can be, and evenly
	RuleCapacity      Rule = "capacity"          // no broker goes over what it has
	RulePartitionFits Rule = "partitionTooLarge" // every partition fits on some broker
)

// Violation is a rule that the plan cannot meet, and what would.
type Violation struct {
	Constraint Rule   `json:"constraint"`
	Detail     string `json:"detail"`
	// Partitions are the first few of those concerned; Count is how many.
	Partitions []string `json:"partitions,omitempty"`
	Count      int      `json:"count,omitempty"`
	Remedy     string   `json:"remedy,omitempty"`
}

// Balance says how even a placement is: per resource, the utilisation of the
// fullest broker over the average, and so on.
type Balance struct {
	// ImbalancePoints is the weighted sum over resources; 0 is perfect.
	ImbalancePoints float64                    `json:"imbalancePoints"`
	Resources       map[string]ResourceBalance `json:"resources"`
}

// ResourceBalance is one resource over all alive brokers.
type ResourceBalance struct {
	Average    cluster.Ratio `json:"average"`
	Max        cluster.Ratio `json:"max"`
	Min        cluster.Ratio `json:"min"`
	MaxOverAvg float64       `json:"maxOverAvg"`
	OverIdeal  float64       `json:"overIdeal"`  // max over what the zone rule allows at best
	UnderIdeal float64       `json:"underIdeal"` // min over the same
	Spread     float64       `json:"spread"`     // standard deviation around it
}

// BrokerChange is one broker before and after. Used holds utilisations, except
// for replicas and leaders, which are counted.
type BrokerChange struct {
	ID         int                `json:"id"`
	Zone       string             `json:"zone"`
	State      string             `json:"state"`
	UsedBefore map[string]float64 `json:"usedBefore"`
	UsedAfter  map[string]float64 `json:"usedAfter"`
	BytesIn    cluster.Bytes      `json:"bytesIn"`
	BytesOut   cluster.Bytes      `json:"bytesOut"` // sent as the leader of what moves
}
