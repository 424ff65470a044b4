package rebalance

import "github.com/tidetable/tidetable/cluster"

// networkOutGoal evens out sent bytes: the leader serves the consumers and one
// copy to each follower.
var networkOutGoal = goal{
	name: "nwOut", unit: "bytesPerSecond", weight: 0.20, hard: true, rate: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.NetworkOutBytesPerSecond) },
	follower: func(cluster.Load) float64 { return 0 },
	leader: func(l cluster.Load, rf int) float64 {
		return float64(l.BytesOutPerSecond) + float64(rf-1)*float64(l.BytesInPerSecond)
	},
}
