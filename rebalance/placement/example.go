package placement

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// SixBrokers is the cluster that tests of moves begin with: six brokers in three
// zones, and a topic, hot, on the first three.
func SixBrokers() *Cluster {
	c := New("model")
	for b := range 6 {
		c.AddBroker(b, string(rune('a'+b%3)), 100e9)
	}
	var lists [][]int
	for i := range 12 {
		lists = append(lists, []int{i % 3, (i + 1) % 3, (i + 2) % 3})
	}
	c.AddTopic("hot", 2, 100e6, lists...)
	return c
}

// Spread moves every second partition of SixBrokers to brokers 3 to 5.
func (c *Cluster) Spread() []cluster.Move {
	var out []cluster.Move
	for i, s := range c.Topics["hot"].Partitions {
		if i%2 == 0 {
			continue
		}
		to := make([]int, 0, 3)
		for _, b := range s.Replicas {
			to = append(to, b+3)
		}
		out = append(out, cluster.Move{Topic: "hot", Partition: i, From: slices.Clone(s.Replicas), To: to, SizeBytes: s.Size})
	}
	return out
}
