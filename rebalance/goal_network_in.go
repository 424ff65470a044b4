package rebalance

import "github.com/tidetable/tidetable/cluster"

// networkInGoal evens out received bytes: every replica receives what is
// produced, from clients or from its leader.
var networkInGoal = goal{
	name: "nwIn", unit: "bytesPerSecond", weight: 0.15, hard: true, rate: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.NetworkInBytesPerSecond) },
	follower: func(l cluster.Load) float64 { return float64(l.BytesInPerSecond) },
	leader:   func(cluster.Load, int) float64 { return 0 },
}
