package rebalance

import "github.com/tidetable/tidetable/cluster"

// networkOutGoal evens out sent bytes: the leader serves the consumers and one
// copy to each follower.
var networkOutGoal = goal{
	name: string(cluster.NetworkOut), unit: "bytesPerSecond", weight: 0.20, hard: true, rate: true,
	capacity: capacityOf(cluster.NetworkOut), follower: followerOf(cluster.NetworkOut), leader: leaderOf(cluster.NetworkOut),
}
