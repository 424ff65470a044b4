package execute

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

type readings map[metrics.Signal]func(at time.Time) ([]metrics.Point, error)

func (r readings) Read(_ context.Context, s metrics.Signal, at time.Time) ([]metrics.Point, error) {
	if f := r[s]; f != nil {
		return f(at)
	}
	return nil, nil
}

func TestHealthComesFromLatencyAndIdleness(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	gives := func(v float64, age time.Duration) func(time.Time) ([]metrics.Point, error) {
		return func(at time.Time) ([]metrics.Point, error) {
			return []metrics.Point{{Labels: metrics.Labels{"broker": "1"}, Time: at.Add(-age), Value: v}}, nil
		}
	}
	fails := func(time.Time) ([]metrics.Point, error) { return nil, errors.New("no answer") }
	produce, idle := metrics.BrokerProduceLatencyP99, metrics.BrokerRequestHandlerIdle
	for _, c := range []struct {
		name string
		then readings
		want Health
	}{
		{"as before", readings{produce: gives(0.040, 0)}, Well},
		{"more than twice as slow", readings{produce: gives(0.090, 0)}, Hurt},
		{"between", readings{produce: gives(0.070, 0)}, Unknown},
		{"twice of next to nothing", readings{produce: gives(0.024, 0)}, Well},
		{"stale", readings{produce: gives(0.090, 2*time.Minute)}, Unknown},
		{"silent", readings{produce: fails}, Unknown},
		{"quick, but the handlers are busy", readings{produce: gives(0.040, 0), idle: gives(0.1, 0)}, Hurt},
		{"handlers idle", readings{idle: gives(0.9, 0)}, Well},
	} {
		s := NewSignals(readings{produce: gives(0.040, 0)}, func() time.Time { return begin })
		if _, err := s.Health(t.Context(), []int{1}); err != nil {
			t.Fatal(err)
		}
		s.from = c.then
		got, _ := s.Health(t.Context(), []int{1})
		if got[1] != c.want {
			t.Errorf("%s: %q, want %q", c.name, got[1], c.want)
		}
	}
}
