package execute

import (
	"context"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// placed shows the loop what the model is.
type placed struct{ w *world }

func (p placed) Observe(context.Context) (cluster.Snapshot, error) {
	c := p.w.kafka.c
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, TakenAt: p.w.now, ClusterID: c.ID}
	for id := range len(c.Brokers) {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: id, Zone: c.Brokers[id].Zone, State: cluster.BrokerAlive, Capacity: cluster.Capacity{
			CPUCores: 8, NetworkInBytesPerSecond: 1e9, NetworkOutBytesPerSecond: 1e9, DiskBytes: 1e12, DiskBytesPerSecond: 4e8}})
	}
	t := cluster.Topic{Name: "hot", Config: map[string]string{}}
	for i, state := range c.Topics["hot"].Partitions {
		t.Partitions = append(t.Partitions, cluster.Partition{Partition: i, Replicas: state.Replicas, ISR: state.ISR, Leader: state.Leader,
			Load: cluster.Load{BytesInPerSecond: 1e6, SizeBytes: state.Size, LeaderCPUCores: 0.01}})
	}
	s.Topics = []cluster.Topic{t}
	return s, nil
}

func (p placed) Now() time.Time { return p.w.now }

// The loop adopts a mover that waits for a broker which never answers, and
// follows it: no tick waits for that broker.
func TestTickEndsInItsTimeThoughABrokerNeverAnswersTheMover(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m, end := hanging(t, w)
	p := policy.Policy{Metadata: policy.Metadata{Name: "act"}}
	p.Spec.Mode = policy.Act
	p.Spec.Brokers = policy.Brokers{Target: policy.Target{Kind: "StatefulSet", Name: "kafka"}, Min: 3, Max: 9}
	c, err := controller.New(controller.Config{Policy: p, Observer: placed{w}, Clock: placed{w}, Mover: m, Planner: rebalance.Planner{}})
	if err != nil {
		t.Fatal(err)
	}
	followed := false
	for range 3 {
		promptly(t, "a tick", func() {
			d, err := c.Tick(t.Context())
			if err != nil {
				t.Errorf("the tick fails: %v", err)
			}
			followed = followed || d.Moving != nil && d.Moving.State.Active()
		})
	}
	if !followed {
		t.Error("no tick followed the moves: nothing was shown")
	}
	end()
	w.finish(m, 400)
	w.clean()
}
