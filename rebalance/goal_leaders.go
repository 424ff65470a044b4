package rebalance

import "github.com/tidetable/tidetable/cluster"

// leadersGoal evens out the number of leaders per core: they are what clients
// lose when the broker is lost.
var leadersGoal = goal{
	name: "leaders", unit: "leaders", weight: 0.05, count: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.CPUCores) },
	follower: func(cluster.Load) float64 { return 0 },
	leader:   func(cluster.Load, int) float64 { return 1 },
}
