package rebalance

import "github.com/tidetable/tidetable/cluster"

// diskGoal evens out the share of the disk that is used.
var diskGoal = goal{
	name: "disk", unit: "bytes", weight: 0.25, hard: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.DiskBytes) },
	follower: func(l cluster.Load) float64 { return float64(l.SizeBytes) },
	leader:   func(cluster.Load, int) float64 { return 0 },
}
