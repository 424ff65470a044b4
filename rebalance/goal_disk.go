package rebalance

import "github.com/tidetable/tidetable/cluster"

// diskGoal evens out the share of the disk that is used.
var diskGoal = goal{
	name: string(cluster.Disk), unit: "bytes", weight: 0.25, hard: true,
	capacity: capacityOf(cluster.Disk), follower: followerOf(cluster.Disk), leader: leaderOf(cluster.Disk),
}
