// Package rebalance plans moves of replicas and leaders: which, why, at what
// cost in bytes. It is pure: the same snapshot and options give the same plan,
// byte for byte, on any machine. Carrying a plan out is package execute's work.
package rebalance

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Plan is a set of moves, and what they do. Moves are sorted by topic and
// partition; every one changes something.
type Plan struct {
	ClusterID       string         `json:"clusterId"`
	Before          Balance        `json:"before"`
	After           Balance        `json:"after"`
	BytesToMove     cluster.Bytes  `json:"bytesToMove"`
	ReplicaMoves    int            `json:"replicaMoves"`
	LeaderMoves     int            `json:"leaderMoves"`
	DurationSeconds float64        `json:"durationSeconds"` // at the throttle
	Violations      []Violation    `json:"violations"`      // what no plan can mend; see Violation
	Moves           []cluster.Move `json:"-"`
}

// Violation is a hard constraint that the plan cannot meet, and what would.
type Violation struct {
	Constraint string   `json:"constraint"`
	Detail     string   `json:"detail"`
	Partitions []string `json:"partitions,omitempty"`
	Remedy     string   `json:"remedy,omitempty"`
}

// Balance says how even a placement is: per resource, the utilisation of the
// fullest broker over the average, and so on.
type Balance struct {
	Resources map[string]ResourceBalance `json:"resources"`
}

// ResourceBalance is one resource over all alive brokers.
type ResourceBalance struct {
	Average    cluster.Ratio `json:"average"`
	Max        cluster.Ratio `json:"max"`
	Min        cluster.Ratio `json:"min"`
	MaxOverAvg float64       `json:"maxOverAvg"`
	OverIdeal  float64       `json:"overIdeal"` // max over what the zone rule allows at best
}

// Progress is how far a plan's execution is.
type Progress struct {
	State      string                 `json:"state"` // idle, moving, holding, cancelling, done, failed
	Why        string                 `json:"why,omitempty"`
	BytesTotal cluster.Bytes          `json:"bytesTotal"`
	BytesMoved cluster.Bytes          `json:"bytesMoved"`
	MovesTotal int                    `json:"movesTotal"`
	MovesDone  int                    `json:"movesDone"`
	Rate       cluster.BytesPerSecond `json:"bytesPerSecond"`
	ETA        time.Duration          `json:"etaNanoseconds"`
}
