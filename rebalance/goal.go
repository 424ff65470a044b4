package rebalance

import "github.com/tidetable/tidetable/cluster"

// A goal is one quantity to be even over the brokers, relative to what each
// can carry. Adding one is a file with its value, a test, a line in goals, and
// a row in docs/rebalancing.md.
type goal struct {
	name string
	unit string
	// weight is the goal's share of the objective; the weights add up to 1.
	weight float64
	// count says that the quantity counts things, so that a share below one
	// thing cannot be moved.
	count bool
	// hard says that an alive broker may not exceed its capacity.
	hard bool
	// capacity is what a broker can carry.
	capacity func(cluster.Capacity) float64
	// follower is what every replica costs its broker, leader what the leader
	// costs on top, with rf replicas in all.
	follower func(cluster.Load) float64
	leader   func(l cluster.Load, rf int) float64
}

// goals is the registry, in the order in which they are printed.
var goals = []goal{
	cpuGoal,
	networkInGoal,
	networkOutGoal,
	diskGoal,
	replicasGoal,
	leadersGoal,
}

// Positions in goals that the hard rules refer to.
const (
	cpuIndex = iota
	networkInIndex
	networkOutIndex
	diskIndex
	replicasIndex
	leadersIndex
)
