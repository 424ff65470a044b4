package rebalance

import "github.com/tidetable/tidetable/cluster"

// cpuGoal evens out CPU: every replica costs its follower's cores, the leader
// the difference to its own on top.
var cpuGoal = goal{
	name: "cpu", unit: "cores", weight: 0.25, hard: true, rate: true,
	capacity: func(c cluster.Capacity) float64 { return float64(c.CPUCores) },
	follower: func(l cluster.Load) float64 { return float64(l.FollowerCPUCores) },
	leader: func(l cluster.Load, _ int) float64 {
		return float64(l.LeaderCPUCores) - float64(l.FollowerCPUCores)
	},
}
