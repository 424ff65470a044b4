package rebalance

import "github.com/tidetable/tidetable/cluster"

// networkInGoal evens out received bytes: every replica receives what is
// produced, from clients or from its leader.
var networkInGoal = goal{
	name: string(cluster.NetworkIn), unit: "bytesPerSecond", weight: 0.15, hard: true, rate: true,
	capacity: capacityOf(cluster.NetworkIn), follower: followerOf(cluster.NetworkIn), leader: leaderOf(cluster.NetworkIn),
}
