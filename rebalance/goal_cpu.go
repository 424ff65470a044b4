package rebalance

import "github.com/tidetable/tidetable/cluster"

// cpuGoal evens out CPU: every replica costs its follower's cores, the leader
// the difference to its own on top.
var cpuGoal = goal{
	name: string(cluster.CPU), unit: "cores", weight: 0.25, hard: true, rate: true,
	capacity: capacityOf(cluster.CPU), follower: followerOf(cluster.CPU), leader: leaderOf(cluster.CPU),
}
