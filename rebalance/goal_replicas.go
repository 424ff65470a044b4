package rebalance

import "github.com/tidetable/tidetable/cluster"

// replicasGoal evens out the number of replicas per core: each costs file
// handles, fetch sessions and recovery time whatever its traffic.
var replicasGoal = goal{
	name: "replicas", unit: "replicas", weight: 0.10, count: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.CPUCores) },
	follower: func(cluster.Load) float64 { return 1 },
	leader:   func(cluster.Load, int) float64 { return 0 },
}
