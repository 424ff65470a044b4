package controller_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
)

// bigWorld is 100 brokers and 20,000 partitions of 200 topics with 28 days of
// history at five minutes each.
type bigWorld struct {
	snap   cluster.Snapshot
	series map[metrics.Signal][]metrics.Series
}

func newBigWorld() *bigWorld {
	const brokers, topics, partitions = 100, 200, 100
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w := &bigWorld{series: map[metrics.Signal][]metrics.Series{}}
	w.snap = cluster.Snapshot{Version: 1, TakenAt: now, ClusterID: "big"}
	for i := range brokers {
		w.snap.Brokers = append(w.snap.Brokers, cluster.Broker{ID: i, Zone: string(rune('a' + i%3)), State: cluster.BrokerAlive,
			Usage: &cluster.Usage{CPUCores: 3},
			Capacity: cluster.Capacity{
				CPUCores:                 16,
				NetworkInBytesPerSecond:  1.25e9,
				NetworkOutBytesPerSecond: 1.25e9,
				DiskBytes:                8e12,
				DiskBytesPerSecond:       1e9,
			}})
	}
	group := cluster.Group{Name: "billing", Members: 20}
	for k := range topics {
		t := cluster.Topic{
			Name:   fmt.Sprintf("topic-%03d", k),
			Config: map[string]string{"retention.ms": "86400000", "min.insync.replicas": "2"},
		}
		for p := range partitions {
			at := k*partitions + p
			r := []int{at % brokers, (at + 1) % brokers, (at + 2) % brokers}
			t.Partitions = append(t.Partitions, cluster.Partition{Partition: p, Leader: r[0], Replicas: r, ISR: r,
				Load: cluster.Load{BytesInPerSecond: 0.5e6, BytesOutPerSecond: 1e6, MessagesInPerSecond: 500, SizeBytes: 4e10}})
			if k < 4 {
				group.Partitions = append(group.Partitions, cluster.GroupPartition{Topic: t.Name, Partition: p, ConsumedPerSecond: 500})
			}
		}
		w.snap.Topics = append(w.snap.Topics, t)
		for signal, level := range map[metrics.Signal]float64{metrics.TopicBytesIn: 5e7, metrics.TopicBytesOut: 1e8, metrics.TopicMessagesIn: 5e4} {
			s := metrics.Series{
				Signal: signal,
				Labels: metrics.Labels{"topic": t.Name},
				Start:  now.Add(-28 * 24 * time.Hour),
				Step:   5 * time.Minute,
			}
			for i := range 28*288 + 1 {
				s.Values = append(s.Values, level*(1+0.5*math.Sin(2*math.Pi*float64(i)/288)+0.05*math.Sin(float64(i*(k+1)))))
			}
			w.series[signal] = append(w.series[signal], s)
		}
	}
	w.snap.Groups = []cluster.Group{group}
	return w
}

func (w *bigWorld) Observe(context.Context) (cluster.Snapshot, error) { return w.snap, nil }
func (w *bigWorld) Now() time.Time                                    { return w.snap.TakenAt }
func (w *bigWorld) History(_ context.Context, s metrics.Signal, _ metrics.Window) ([]metrics.Series, error) {
	return w.series[s], nil
}

func (w *bigWorld) config() controller.Config {
	p := policy.Policy{Metadata: policy.Metadata{Name: "big"}}
	p.Spec.Brokers.Max = 200
	p.Spec.Consumers = []policy.Consumer{{Group: "billing"}}
	return controller.Config{
		Policy:     p,
		Observer:   w,
		History:    w,
		Clock:      w,
		Forecaster: controller.NewForecaster,
		Planner:    rebalance.Planner{},
		Gates:      gates.All(),
	}
}

// BenchmarkDecisionCold is one full decision of a process that has just begun:
// 28 days of history are replayed for every series that is forecast.
func BenchmarkDecisionCold(b *testing.B) {
	w := newBigWorld()
	b.ReportAllocs()
	for b.Loop() {
		c, err := controller.New(w.config())
		if err != nil {
			b.Fatal(err)
		}
		if d, err := c.Tick(b.Context()); err != nil || len(d.Forecasts) != 3 {
			b.Fatal(err, d.Forecasts)
		}
	}
}

// BenchmarkDecisionWarm is one of the decisions that follow.
func BenchmarkDecisionWarm(b *testing.B) {
	w := newBigWorld()
	c, err := controller.New(w.config())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.Tick(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Tick(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
