package controller

import (
	"context"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// risesAfter forecasts the last value times a factor from a while on.
type risesAfter struct {
	after  time.Duration
	factor float64
}

func (f risesAfter) Forecast(_ context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	last := s.Values[len(s.Values)-1]
	p := forecast.Prediction{Origin: s.End(), Step: s.Step, Quantiles: h.Quantiles, Trusted: true}
	for d := s.Step; d <= h.Ahead; d += s.Step {
		v := last
		if d >= f.after {
			v *= f.factor
		}
		pt := forecast.Point{Time: s.End().Add(d)}
		for range h.Quantiles {
			pt.Values = append(pt.Values, v)
		}
		p.Points = append(p.Points, pt)
	}
	return p, nil
}

// sizedGroup is what one tick proposes for a group of the given size. 16,000
// records arrive a second and a replica does 1,000, 80 % of them on average: 20
// replicas now, and 30 once the load is half as much again.
func sizedGroup(t *testing.T, current int, f forecast.Forecaster) (to int) {
	t.Helper()
	snap := loaded(6, 1e6)
	topic, group := &snap.Topics[0], &snap.Groups[0]
	one := topic.Partitions[0]
	one.Load.MessagesInPerSecond = 40
	topic.Partitions, group.Partitions = nil, nil
	for p := range 400 {
		one.Partition = p
		topic.Partitions = append(topic.Partitions, one)
		group.Partitions = append(group.Partitions, cluster.GroupPartition{Topic: "orders", Partition: p, ConsumedPerSecond: 40})
	}
	p := testPolicy(policy.Recommend)
	p.Spec.Consumers = []policy.Consumer{{Group: "billing", Target: policy.Target{Kind: "Deployment", Name: "billing"}, PerReplica: 1000}}
	d, err := newLoop(t, Config{
		Policy: p, Observer: fixed(snap), History: flatHistory{func() cluster.Snapshot { return snap }}, Forecaster: always(f), Clock: &testClock{start},
		Scalers: map[string]actuators.Scaler{p.Spec.Consumers[0].Key(): &fixedScaler{current}},
	}).Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range d.Proposals {
		if x.Kind == decision.ScaleConsumers {
			return x.To
		}
	}
	return current
}

func TestGroupIsSizedForWhatTheForecastWantsSoon(t *testing.T) {
	soon, muchLater := 20*time.Minute, 2*time.Hour
	for name, c := range map[string]struct {
		current int
		after   time.Duration
		want    int
	}{
		"scaled in to the need":                        {40, muchLater, 20},
		"what is wanted back soon is not let go":       {40, soon, 30},
		"scaled out to the need":                       {10, muchLater, 20},
		"what is wanted soon is asked for in one step": {10, soon, 22},
		"and keeps what is there":                      {21, soon, 21},
		"a little too many stay":                       {22, muchLater, 22},
	} {
		if to := sizedGroup(t, c.current, risesAfter{c.after, 1.5}); to != c.want {
			t.Errorf("%s: %d replicas become %d, want %d", name, c.current, to, c.want)
		}
	}
}

type fixedScaler struct{ n int }

func (s *fixedScaler) Current(context.Context) (actuators.Scale, error) {
	return actuators.Scale{Replicas: s.n, Ready: s.n}, nil
}
func (*fixedScaler) Set(context.Context, actuators.Scale) error { return nil }

func TestBrokersThatGrowingDataWillNeedAreNotLetGo(t *testing.T) {
	for keep, want := range map[int]int{3: 3, 5: 5, 9: 6} {
		s := proposer{spec: policy.Spec{Mode: policy.Recommend, Brokers: policy.Brokers{Min: 1, MaxStep: 9}}, needs: map[string]*needs{}}
		p := Proposed{Needs: map[string]gates.NeedWindow{}}
		s.brokers(readings{
			Facts:        &Facts{Now: start, Asked: 6},
			Expectations: &Expectations{Trusted: true},
			Requirement:  &Requirement{Requirement: capacity.Requirement{Brokers: 3, Complete: true}, Keep: keep},
		}, &p)
		if p.Recommended != want {
			t.Errorf("3 are needed now and %d within a week: %d of 6 are recommended, want %d", keep, p.Recommended, want)
		}
		if told := len(p.Notes) > 0; told != (keep > 3) {
			t.Errorf("notes %q", p.Notes)
		}
	}
}
