package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

var start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// testClock is a clock that a test moves.
type testClock struct{ now time.Time }

func (c *testClock) Now() time.Time { return c.now }

// observerFunc reads a cluster.
type observerFunc func(context.Context) (cluster.Snapshot, error)

func (f observerFunc) Observe(ctx context.Context) (cluster.Snapshot, error) { return f(ctx) }

// flatForecaster predicts a multiple of the last value, for ever.
type flatForecaster struct{ factor float64 }

func (f flatForecaster) Forecast(_ context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	v, i := s.Last()
	if i < 0 {
		return forecast.Prediction{}, forecast.ErrTooShort
	}
	p := forecast.Prediction{Origin: s.End(), Step: s.Step, Model: "flat", Quantiles: h.Quantiles, Trusted: true}
	for at := s.Step; at <= h.Ahead; at += s.Step {
		values := make([]float64, len(h.Quantiles))
		for k := range values {
			values[k] = v * f.factor
		}
		p.Points = append(p.Points, forecast.Point{Time: p.Origin.Add(at), Values: values})
	}
	return p, nil
}

// always is a forecaster that no policy changes.
func always(f forecast.Forecaster) Forecaster {
	return func(forecast.Options) forecast.Forecaster { return f }
}

// flatHistory has had the load of the snapshot for ever.
type flatHistory struct{ observe func() cluster.Snapshot }

func (h flatHistory) History(_ context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	var out []metrics.Series
	for _, topic := range h.observe().Topics {
		sum := 0.0
		for _, p := range topic.Partitions {
			switch signal {
			case metrics.TopicBytesIn:
				sum += float64(p.Load.BytesInPerSecond)
			case metrics.TopicBytesOut:
				sum += float64(p.Load.BytesOutPerSecond)
			case metrics.TopicMessagesIn:
				sum += float64(p.Load.MessagesInPerSecond)
			default:
				return nil, nil
			}
		}
		s := metrics.Series{Signal: signal, Labels: metrics.Labels{"topic": topic.Name}, Start: w.From, Step: w.Step}
		for range int(w.To.Sub(w.From)/w.Step) + 1 {
			s.Values = append(s.Values, sum)
		}
		out = append(out, s)
	}
	return out, nil
}

// loaded is a cluster of n brokers in three zones with one topic of 12
// partitions and RF 3, each partition carrying rate in and out.
func loaded(n int, rate float64) cluster.Snapshot {
	s := cluster.Snapshot{Version: 1, TakenAt: start, ClusterID: "test"}
	for i := range n {
		s.Brokers = append(
			s.Brokers,
			cluster.Broker{ID: i, Zone: string(rune('a' + i%3)), State: cluster.BrokerAlive, Capacity: cluster.Capacity{
				CPUCores: 8, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 100e6, DiskBytes: 1e12, DiskBytesPerSecond: 200e6,
			}},
		)
	}
	t := cluster.Topic{Name: "orders", Config: map[string]string{}}
	g := cluster.Group{Name: "billing", Members: 2}
	for p := range 12 {
		part := cluster.Partition{Partition: p, Leader: p % n, Load: cluster.Load{
			BytesInPerSecond: cluster.BytesPerSecond(
				rate,
			), BytesOutPerSecond: cluster.BytesPerSecond(rate), MessagesInPerSecond: cluster.MessagesPerSecond(rate / 1000), SizeBytes: 1e9,
		}}
		for k := range min(3, n) {
			part.Replicas = append(part.Replicas, (p+k)%n)
		}
		part.ISR = part.Replicas
		t.Partitions = append(t.Partitions, part)
		g.Partitions = append(
			g.Partitions,
			cluster.GroupPartition{Topic: "orders", Partition: p, ConsumedPerSecond: cluster.MessagesPerSecond(rate / 1000)},
		)
	}
	s.Topics, s.Groups = []cluster.Topic{t}, []cluster.Group{g}
	return s
}

func testPolicy(mode policy.Mode) policy.Policy {
	p := policy.Policy{Metadata: policy.Metadata{Name: "test"}}
	p.Spec.Mode = mode
	p.Spec.Brokers.Target = policy.Target{Kind: "StatefulSet", Name: "kafka"}
	p.Spec.Brokers.Max = 12
	return p
}

func newLoop(t *testing.T, cfg Config) *Controller {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fixed(s cluster.Snapshot) observerFunc {
	return func(context.Context) (cluster.Snapshot, error) { return s, nil }
}

// By hand: W = 12 × 5 MB/s = 60 MB/s now, 120 MB/s within the horizon.
// Network in: 120 × 3 = 360 MB/s ÷ (0.7 × 100 MB/s) = 5.14 → 6 left, which is
// 9 of 3 zones. Network out: 120 × (1 + 2) = 360 MB/s: the same, and the first
// by name is told. CPU: 12 cores ÷ (0.6 × 8) = 2.5 → 3 left of 5.
func TestRecommendsTheSizeThatTheFormulasGive(t *testing.T) {
	snap := loaded(6, 5e6)
	for i := range snap.Brokers {
		snap.Brokers[i].Usage = &cluster.Usage{CPUCores: 1} // 6 cores now, 12 at the peak
	}
	p := testPolicy(policy.Recommend)
	p.Spec.Brokers.MaxStep = 2
	c := newLoop(
		t,
		Config{
			Policy:     p,
			Observer:   fixed(snap),
			History:    flatHistory{func() cluster.Snapshot { return snap }},
			Forecaster: always(flatForecaster{2}),
			Clock:      &testClock{start},
		},
	)
	d, err := c.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Requirement.Brokers != 9 || d.Requirement.Bottleneck != "networkOut" || d.Recommended != 9 {
		t.Errorf(
			"requires %d by %s, recommends %d; want 9 by networkOut\n%+v",
			d.Requirement.Brokers,
			d.Requirement.Bottleneck,
			d.Recommended,
			d.Requirement.Constraints,
		)
	}
	if len(d.Proposals) != 1 || d.Proposals[0].To != 8 || d.Proposals[0].From != 6 {
		t.Errorf("proposes %+v; want one step of two brokers", d.Proposals)
	}
	if d.Reason != decision.ReasonRecommended || !d.Actions[0].DryRun {
		t.Errorf("reason %s, actions %+v", d.Reason, d.Actions)
	}
}

func TestUnknownNeverRecommendsFewer(t *testing.T) {
	full := loaded(6, 10e6)
	history := flatHistory{func() cluster.Snapshot { return full }}
	tests := map[string]func(*cluster.Snapshot, *Config){
		"prometheus gone": func(s *cluster.Snapshot, c *Config) {
			for i := range s.Topics[0].Partitions {
				s.Topics[0].Partitions[i].Load = cluster.Load{}
			}
			s.Stale = []cluster.StaleSignal{{Signal: metrics.TopicBytesIn, Reason: "connection refused"}}
		},
		"prometheus and history gone": func(s *cluster.Snapshot, c *Config) {
			for i := range s.Topics[0].Partitions {
				s.Topics[0].Partitions[i].Load = cluster.Load{}
			}
			s.Stale = []cluster.StaleSignal{{Signal: metrics.TopicBytesIn, Reason: "connection refused"}}
			c.History = nil
		},
		"no forecast": func(s *cluster.Snapshot, c *Config) { c.Forecaster = nil },
		"capacity unknown": func(s *cluster.Snapshot, c *Config) {
			s.Brokers[0].Capacity, s.Brokers[1].Capacity = cluster.Capacity{}, cluster.Capacity{}
		},
		"snapshot old": func(s *cluster.Snapshot, c *Config) { s.TakenAt = start.Add(-time.Hour) },
		"one signal stale": func(s *cluster.Snapshot, c *Config) {
			s.Stale = []cluster.StaleSignal{{Signal: metrics.BrokerDiskUsed, Reason: "no series"}}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			snap := loaded(6, 0.01e6) // far too many brokers, were everything known
			if name == "capacity unknown" {
				for i := range snap.Brokers {
					snap.Brokers[i].Capacity.NetworkOutBytesPerSecond = 0
				}
			}
			cfg := Config{
				Policy:     testPolicy(policy.Act),
				Observer:   nil,
				History:    history,
				Forecaster: always(flatForecaster{0.1}),
				Clock:      &testClock{start},
			}
			spoil(&snap, &cfg)
			cfg.Observer = fixed(snap)
			d, err := newLoop(t, cfg).Tick(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d.Recommended < 6 {
				t.Errorf("recommends %d of 6 brokers: %s", d.Recommended, d.Outcome)
			}
			for _, p := range d.Proposals {
				if p.ScaleIn() {
					t.Errorf("proposes %+v", p)
				}
			}
		})
	}
}

func TestObserverThatFailsHolds(t *testing.T) {
	c := newLoop(
		t,
		Config{
			Policy: testPolicy(policy.Act),
			Clock:  &testClock{start},
			Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) {
				return cluster.Snapshot{}, errors.New("nobody answers")
			}),
		},
	)
	d, err := c.Tick(t.Context())
	if err == nil || d.Reason != decision.ReasonObservationFailed || len(d.Proposals) != 0 ||
		!strings.Contains(d.Outcome, "nobody answers") {
		t.Errorf("error %v, decision %+v", err, d)
	}
	if c.Ready() == nil {
		t.Error("ready without ever having seen the cluster")
	}
}

func TestSurgeAboveTheForecastActsWithinTwoTicks(t *testing.T) {
	load, clock := 2e6, &testClock{start}
	observe := func() cluster.Snapshot { s := loaded(6, load); s.TakenAt = clock.now; return s }
	calm := observe()
	c := newLoop(t, Config{
		Policy: testPolicy(policy.Recommend), Clock: clock, Forecaster: always(flatForecaster{1}),
		Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) { return observe(), nil }),
		History:  flatHistory{func() cluster.Snapshot { return calm }},
	})
	if d, _ := c.Tick(t.Context()); len(d.Proposals) > 0 && !d.Proposals[0].ScaleIn() {
		t.Fatalf("proposes %+v before the surge", d.Proposals)
	}
	load *= 4
	for i := range 2 {
		clock.now = clock.now.Add(time.Minute)
		d, err := c.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Proposals) == 1 && d.Proposals[0].Reactive && d.Proposals[0].To > 6 {
			return
		}
		t.Logf("tick %d: %+v", i, d.Proposals)
	}
	t.Error("no reactive scale-out within two ticks")
}

func TestNeedWindowKeepsTheHighest(t *testing.T) {
	var n needs
	for i, v := range []int{3, 5, 4, 2, 2, 2, 2} {
		w := n.add(start.Add(time.Duration(i)*time.Hour), v, 3*time.Hour)
		want := []int{3, 5, 5, 5, 5, 4, 2}[i]
		if w.Highest != want || !w.Since.Equal(start) {
			t.Errorf("hour %d: %+v, want %d", i, w, want)
		}
	}
}

func ExampleController_Tick() {
	snap := loaded(3, 1e6)
	c, _ := New(Config{Policy: testPolicy(policy.Recommend), Observer: fixed(snap), Clock: &testClock{start}})
	d, _ := c.Tick(context.Background())
	fmt.Println(d.Reason, d.Seen.AliveBrokers)
	// Output: Steady 3
}
