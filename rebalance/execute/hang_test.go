package execute

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// mute is a cluster that takes every question and, while it is mute, answers
// none: who asked waits until its context ends.
type mute struct {
	Kafka
	on    atomic.Bool
	asked chan struct{}
}

func (k *mute) View(ctx context.Context, topics []string) (View, error) {
	if k.on.Load() {
		k.asked <- struct{}{}
		<-ctx.Done()
		return View{}, ctx.Err()
	}
	return k.Kafka.View(ctx, topics)
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

// hanging is a run whose Step is waiting for an answer that never comes; the
// returned function ends the Step's context and waits for it.
func hanging(t *testing.T, w *world) (m *Mover, end func()) {
	t.Helper()
	k := &mute{Kafka: w.kafka, asked: make(chan struct{})}
	w.tune = func(c *Config) { c.Kafka = k }
	m = w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	w.step(m)
	k.on.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan bool, 1)
	go func() { over <- m.Step(ctx) }()
	<-k.asked
	return m, func() {
		t.Helper()
		cancel()
		promptly(t, "Step", func() {
			if <-over {
				t.Error("a Step that was not answered ends the run")
			}
		})
		k.on.Store(false)
	}
}

func TestProgressAndCancelAnswerWhileABrokerNeverDoes(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m, end := hanging(t, w)
	promptly(t, "Progress", func() {
		p, err := m.Progress(t.Context())
		if err != nil || p.State != rebalance.Moving || p.MovesTotal != 6 {
			t.Errorf("progress %+v, %v", p, err)
		}
	})
	promptly(t, "Run", func() {
		if r := m.Run(); !r.Active() {
			t.Errorf("run %+v", r)
		}
	})
	promptly(t, "Dropped", func() { m.Dropped() })
	promptly(t, "Cancel", func() {
		if err := m.Cancel(t.Context()); err != nil {
			t.Errorf("cancelling: %v", err)
		}
	})
	end()
	w.finish(m, 400)
	if p, _ := m.Progress(t.Context()); p.State != rebalance.Cancelled {
		t.Errorf("the cancel was lost: %+v", p)
	}
	w.clean()
}

func TestWhoWaitsForTheMoverWaitsNoLongerThanItsContext(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m, end := hanging(t, w)
	for name, call := range map[string]func(context.Context) error{
		"Start": func(ctx context.Context) error { return m.StartWith(ctx, nil, Options{Drain: []int{1}}) },
		"Check": func(ctx context.Context) error {
			_, err := m.Check(ctx, nil, Options{})
			return err
		},
		"Wait": m.Wait,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		promptly(t, name, func() {
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		})
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	promptly(t, "a second Step", func() {
		if m.Step(ctx) {
			t.Error("a Step that never had its turn ends the run")
		}
	})
	end()
	w.finish(m, 400)
	w.clean()
}

// A callback may ask for anything, even what needs the mover's turn.
func TestEventsAreToldWithNoLockHeld(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	var m *Mover
	told := 0
	w.tune = func(c *Config) {
		c.OnEvent = func(e Event) {
			if m == nil {
				return
			}
			told++
			if _, err := m.Progress(t.Context()); err != nil {
				t.Errorf("progress: %v", err)
			}
			if _, err := m.Check(t.Context(), nil, Options{}); err != nil {
				t.Errorf("check: %v", err)
			}
		}
	}
	m = w.mover()
	promptly(t, "a run", func() {
		w.start(m, w.kafka.c.Spread(), Options{})
		w.finish(m, 400)
	})
	if told == 0 {
		t.Error("nothing was told")
	}
	w.clean()
}
