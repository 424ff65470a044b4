package adminclient

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/rebalance/placement"
)

// The controller lowers the replicas of a workload on this proof alone, in the
// tick in which it is given.
func TestABrokerIsProvenEmptyByMetadataMovesAndLogDirs(t *testing.T) {
	part := placement.Partition{Topic: "hot", Number: 0}
	for _, c := range []struct {
		name string
		do   func(*testing.T, *placement.Cluster, int)
		want string // empty: it is proven
	}{
		{"nothing is on it", func(*testing.T, *placement.Cluster, int) {}, ""},
		{"a stray is left by a cancelled move", func(_ *testing.T, m *placement.Cluster, b int) {
			m.Topics["hot"].Partitions[0].Held[b] = 1e6
		}, "still holds hot-0 in its log dirs"},
		{"a replica is on its way to it", func(t *testing.T, m *placement.Cluster, b int) {
			if err := m.Reassign(part, []int{0, 1, b}, false); err != nil {
				t.Fatal(err)
			}
		}, "on their way to or from it"},
		{"it does not answer", func(_ *testing.T, m *placement.Cluster, b int) { m.Kill(b) }, "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t, placement.SixBrokers())
			cl, err := kgo.NewClient(kgo.SeedBrokers(w.fake.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cl.Close)
			b := 5
			if w.controller == 5 { // the one that the client asks for all the rest
				b = 4
			}
			c.do(t, w.model, b)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			empty, why, err := NewBrokerAdmin(New(cl)).Empty(ctx, []int{b})
			if err != nil {
				t.Fatal(err)
			}
			if empty != (c.want == "") || !strings.Contains(why, c.want) {
				t.Errorf("empty %v, %q; want %q", empty, why, c.want)
			}
		})
	}
}
