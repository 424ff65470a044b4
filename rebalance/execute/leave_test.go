package execute

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// guarded fails the test when something is begun for which nobody was asked
// since the last thing that was.
type guarded struct {
	Kafka
	t     *testing.T
	asked int
	begun int
}

func (k *guarded) begin(what string) {
	k.t.Helper()
	if k.asked == 0 {
		k.t.Errorf("%s without asking first", what)
	}
	k.asked = 0
	k.begun++
}

func (k *guarded) Reassign(ctx context.Context, targets []Target) (map[TP]error, error) {
	if slices.ContainsFunc(targets, func(t Target) bool { return t.Replicas != nil }) {
		k.begin("a reassignment")
	}
	return k.Kafka.Reassign(ctx, targets)
}

func (k *guarded) Elect(ctx context.Context, tps []TP) (map[TP]error, error) {
	k.begin("an election")
	return k.Kafka.Elect(ctx, tps)
}

func (k *guarded) Unregister(ctx context.Context, b int) error {
	k.begin("an unregistration")
	return k.Kafka.Unregister(ctx, b)
}

func TestLeaveIsAskedRightBeforeEverythingThatBegins(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	k := &guarded{Kafka: w.kafka, t: t}
	w.tune = func(c *Config) {
		c.Kafka = k
		c.May = func(_ context.Context, to Direction) error {
			if to != Forward {
				t.Errorf("asked for direction %d", to)
			}
			k.asked++
			return nil
		}
	}
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{Drain: []int{2}, Unregister: true})
	for range 400 {
		if w.saw(EventProof, "broker 2 is empty") {
			w.kafka.c.Kill(2)
		}
		if w.step(m) {
			break
		}
	}
	if w.kafka.c.Brokers[2] != nil || k.begun < 20 {
		t.Errorf("%d things were begun, broker 2 registered: %v", k.begun, w.kafka.c.Brokers[2] != nil)
	}
	w.clean()
}

func TestNothingNewBeginsWithoutLeaveAndWhatIsInFlightEnds(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	closed := errors.New("the window closed at 04:00")
	var answer error
	w.tune = func(c *Config) {
		c.May = func(context.Context, Direction) error { return answer }
	}
	moves := w.kafka.c.Spread()
	m := w.mover()
	w.start(m, moves, Options{})
	for range 4 {
		w.step(m)
	}
	if len(inFlight(w.kafka.c)) == 0 {
		t.Fatal("nothing is in flight to end")
	}
	answer = closed
	sent, elected := len(w.kafka.requests), w.kafka.elected
	for range 60 {
		w.step(m)
	}
	if len(w.kafka.requests) > sent || w.kafka.elected > elected {
		t.Errorf("%d requests and %d elections without leave", len(w.kafka.requests)-sent, w.kafka.elected-elected)
	}
	if left := inFlight(w.kafka.c); len(left) > 0 {
		t.Errorf("what was in flight did not end: %v", left)
	}
	if hot := w.kafka.c.Topics["hot"]; len(hot.LeaderThrottled)+len(hot.FollowerThrottled) > 0 {
		t.Errorf("throttles stay on what has arrived: %v %v", hot.LeaderThrottled, hot.FollowerThrottled)
	}
	if p, _ := m.Progress(t.Context()); p.State != rebalance.Holding || p.Why != closed.Error() {
		t.Errorf("progress %+v", p)
	}
	if !w.saw(EventHold, closed.Error()+": nothing new begins") {
		t.Errorf("it does not say that it holds: %v", w.events)
	}
	answer = nil
	w.finish(m, 400)
	w.arrived(moves)
	w.clean()
}

func inFlight(c *placement.Cluster) (out []placement.Partition) {
	for _, p := range c.Partitions() {
		if s := c.Topics[p.Topic].Partitions[p.Number]; len(s.Adding)+len(s.Removing) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// Leave may end between the look and the request.
func TestBatchIsNotSentWhenLeaveEndsBeforeTheRequest(t *testing.T) {
	for last := range 6 {
		w := newWorld(t, placement.SixBrokers())
		asked := 0
		w.tune = func(c *Config) {
			c.May = func(context.Context, Direction) error {
				if asked++; asked > last {
					return errors.New("another process leads")
				}
				return nil
			}
		}
		asked = -1 // the preflight asks as well
		m := w.mover()
		w.start(m, w.kafka.c.Spread(), Options{})
		for range 10 {
			w.step(m)
		}
		if begun := len(w.kafka.requests) + w.kafka.elected; begun > last {
			t.Errorf("with leave for %d, %d requests went out", last, begun)
		}
	}
}

func TestTheWayBackAsksForItself(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	w.tune = func(c *Config) {
		c.May = func(_ context.Context, to Direction) error {
			if to == Forward && w.now.Sub(begin) > 5*time.Second {
				return errors.New("the window is closed")
			}
			return nil
		}
	}
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	for range 8 {
		w.step(m)
	}
	if err := m.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.finish(m, 400)
	if p, _ := m.Progress(t.Context()); p.State != rebalance.Cancelled {
		t.Errorf("progress %+v", p)
	}
	w.clean()
}

func TestStartAsksForLeaveAndWhatTheTopicOperatorWouldDo(t *testing.T) {
	operator := func(o TopicOperator, err error) func(*Config) {
		return func(c *Config) { c.TopicOperator = func(context.Context) (TopicOperator, error) { return o, err } }
	}
	for name, c := range map[string]struct {
		tune func(*Config)
		want string // of the refusal; empty: it begins
	}{
		"leave":              {func(c *Config) { c.May = func(context.Context, Direction) error { return nil } }, ""},
		"no leave":           {func(c *Config) { c.May = func(context.Context, Direction) error { return errors.New("held") } }, "leave: held"},
		"an operator allows": {operator(TopicOperatorAllows, nil), ""},
		"none was seen":      {operator(TopicOperatorUnseen, nil), ""},
		"it would revert":    {operator(TopicOperatorReverts, nil), "would revert"},
		"nobody knows":       {operator(TopicOperatorUnseen, errors.New("forbidden")), "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, placement.SixBrokers())
			w.tune = c.tune
			err := w.mover().StartWith(t.Context(), w.kafka.c.Spread(), Options{})
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want a refusal for %q", err, c.want)
			}
		})
	}
}

// healthy is clients whose health takes its time to be found out.
type healthy func()

func (h healthy) Health(context.Context, []int) (map[int]Health, error) {
	h()
	return nil, nil
}

func TestNoThrottleIsSetForABatchThatMayNotBegin(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	var answer error
	w.tune = func(c *Config) {
		c.Clients = healthy(func() { answer = errors.New("the window has closed meanwhile") })
		c.May = func(context.Context, Direction) error { return answer }
	}
	m := w.mover()
	w.start(m, w.kafka.c.Spread(), Options{})
	w.step(m)
	if len(w.kafka.requests) > 0 || !m.books.owned.empty() {
		t.Errorf("%d requests, and throttles %+v", len(w.kafka.requests), m.books.owned)
	}
	if p, _ := m.Progress(t.Context()); p.Why != "the window has closed meanwhile" {
		t.Errorf("progress %+v", p)
	}
	w.clean()
}
