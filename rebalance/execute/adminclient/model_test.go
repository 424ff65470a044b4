package adminclient

import (
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// sixBrokers is six brokers in three zones; topic hot lies on the first three.
func sixBrokers() *placement.Cluster {
	c := placement.New("model")
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

// spread moves every second partition to brokers 3 to 5.
func spread(c *placement.Cluster) []cluster.Move {
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

// promptly fails when f waits for what never comes. It asserts no time: what
// it tells apart is an answer and none.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s waits for a broker that never answers", what)
	}
}
