package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/execute/adminclient"
)

// noted remembers when copies and elections were submitted to the brokers.
type noted struct {
	execute.Kafka
	mu sync.Mutex
	at []time.Time
}

func (k *noted) note() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = append(k.at, time.Now())
}

func (k *noted) Reassign(ctx context.Context, targets []execute.Target) (map[execute.TP]error, error) {
	if slices.ContainsFunc(targets, func(t execute.Target) bool { return t.Replicas != nil }) {
		k.note()
	}
	return k.Kafka.Reassign(ctx, targets)
}

func (k *noted) Elect(ctx context.Context, tps []execute.TP) (map[execute.TP]error, error) {
	k.note()
	return k.Kafka.Elect(ctx, tps)
}

// since counts what was submitted from a moment on.
func (k *noted) since(t time.Time) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, at := range k.at {
		if at.After(t) {
			n++
		}
	}
	return n
}

// onCall is a person who may hold, and the loop's clock.
type onCall struct {
	mu    sync.Mutex
	held  bool
	ahead time.Duration // of the machine's clock
}

func (o *onCall) hold(held bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = held
	return time.Now()
}

func (o *onCall) set(ahead time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ahead = ahead
}

func (o *onCall) Now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Add(o.ahead)
}

func (o *onCall) Observations(_ context.Context, now time.Time) ([]decision.Observation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.held {
		return nil, nil
	}
	return []decision.Observation{{Source: "a person", Effect: decision.EffectFreeze, Until: now.Add(time.Hour)}}, nil
}

func (o *onCall) Observe(context.Context) (cluster.Snapshot, error) {
	return cluster.Snapshot{}, errors.New("nobody looks in this test")
}

// holdLate is how long after a hold, or the end of a window, something may still
// be submitted.
const holdLate = time.Second

// holdAndWindow holds a run in the middle, lets it go on, and closes its window.
// The loop's leave and the mover are those of the controller, wired as it does.
func holdAndWindow(b *moverBed, r *result) {
	before := b.actual()
	after := evenPlacement()
	if slices.EqualFunc(before, after, slices.Equal) {
		after = hotPlacement()
	}
	person := &onCall{}
	open := time.Now().UTC().Truncate(time.Hour).Add(10 * time.Minute)
	person.set(time.Until(open))
	spec := policy.Policy{Metadata: policy.Metadata{Name: "hold"}}
	spec.Spec.Mode = policy.Act
	spec.Spec.Brokers = policy.Brokers{Target: policy.Target{Kind: "StatefulSet", Name: "kafka"}, Min: 3, Max: 6}
	spec.Spec.Gates.Windows = []policy.Window{{Schedule: "0 * * * *", Duration: policy.Duration(30 * time.Minute)}}
	leave := &controller.Leave{}
	_, err := controller.New(controller.Config{
		Policy: spec, Observer: person, Clock: person, Watchers: []controller.Watcher{person}, Leave: leave,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	conn, err := adminclient.Connect("tidetable-hold", kgo.SeedBrokers(b.Kafka.Bootstrap()...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	cfg := conn.Config(2e6)
	brokers := &noted{Kafka: cfg.Kafka}
	cfg.Kafka, cfg.Poll = brokers, 200*time.Millisecond
	cfg.May = func(ctx context.Context, to execute.Direction) error { return leave.May(ctx, to == execute.Back) }
	m, err := execute.New(b.ctx, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	defer m.Close()
	var moves []cluster.Move
	for i := range after {
		moves = append(moves, cluster.Move{Topic: b.topic, Partition: i, From: ints(before[i]), To: ints(after[i]), SizeBytes: 8 << 20})
	}
	if err := m.StartWith(b.ctx, moves, execute.Options{}); err != nil {
		b.t.Fatal(err)
	}
	goesOn := func(from time.Time) {
		b.t.Helper()
		b.poll("the run to go on", time.Minute, func(context.Context) error {
			if n := brokers.since(from); n < 2 {
				return fmt.Errorf("%d submits", n)
			}
			return nil
		})
	}
	stops := func(why string, at time.Time) {
		b.t.Helper()
		b.poll("the mover to say that it holds", 30*time.Second, func(ctx context.Context) error {
			p, err := m.Progress(ctx)
			if err == nil && p.State != rebalance.Holding {
				err = fmt.Errorf("it is %s", p.State)
			}
			return err
		})
		time.Sleep(4 * time.Second)
		if n := brokers.since(at.Add(holdLate)); n > 0 {
			b.t.Errorf("%d submits later than %s after %s", n, holdLate, why)
		}
	}
	goesOn(time.Time{})
	stops("the hold", person.hold(true))
	resumed := person.hold(false)
	goesOn(resumed)
	// The window closes now, by the loop's clock.
	closes := time.Now()
	person.set(time.Until(open.Add(20 * time.Minute)))
	stops("the window's end", closes)
	if err := m.Cancel(b.ctx); err != nil {
		b.t.Fatal(err)
	}
	if err := m.Wait(b.ctx); err != nil {
		b.t.Fatal(err)
	}
	b.settled(before)
	r.say("nothing was submitted later than %s after the hold and the window's end", holdLate)
}

func ints(ids []int32) (out []int) {
	for _, id := range ids {
		out = append(out, int(id))
	}
	return out
}
