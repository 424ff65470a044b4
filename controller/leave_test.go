package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// said is a watcher that always says the same.
type said struct {
	observations []decision.Observation
	err          error
}

func (s said) Observations(context.Context, time.Time) ([]decision.Observation, error) {
	return s.observations, s.err
}

// Between two ticks the mover asks before everything that it starts. Whatever
// would keep the loop from starting moves keeps it from going on with them; the
// way back stays open to who leads.
func TestWhatHoldsTheLoopHoldsTheMoverAtOnce(t *testing.T) {
	lost := errors.New("the lease is lost")
	night := []policy.Window{{Schedule: "0 2 * * *", Duration: policy.Duration(2 * time.Hour)}} // it is noon
	for name, c := range map[string]struct {
		spoil    func(*Config)
		why      string
		backward bool // the way back is closed, too
	}{
		"nothing":                {func(*Config) {}, "", false},
		"gates.hold":             {func(c *Config) { c.Policy.Spec.Gates.Hold = true }, "gates.hold is set", false},
		"the annotation":         {func(c *Config) { c.Policy.Metadata.Annotations = map[string]string{policy.HoldAnnotation: "migration"} }, "migration", false},
		"a mode that only tells": {func(c *Config) { c.Policy.Spec.Mode = policy.Recommend }, "mode Recommend", false},
		"a freeze": {func(c *Config) {
			c.Watchers = []Watcher{said{[]decision.Observation{{Source: "page/ann", Effect: decision.EffectFreeze}}, nil}}
		}, "frozen by page/ann", false},
		"a freeze that is over": {func(c *Config) {
			c.Watchers = []Watcher{said{[]decision.Observation{{Effect: decision.EffectFreeze, Until: start}}, nil}}
		}, "", false},
		"a watcher without words": {func(c *Config) { c.Watchers = []Watcher{said{nil, errors.New("no answer")}} }, "not known: no answer", false},
		"gates.windows":           {func(c *Config) { c.Policy.Spec.Gates.Windows = night }, "gates.windows opens at 2026-03-03 02:00", false},
		"rebalance.windows":       {func(c *Config) { c.Policy.Spec.Rebalance.Windows = night }, "rebalance.windows opens at 2026-03-03 02:00", false},
		"a lost lease":            {func(c *Config) { c.Fence = func(context.Context) error { return lost } }, "the lease is lost", true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Policy: testPolicy(policy.Act), Observer: fixed(loaded(3, 1e6)), Clock: &testClock{start}, Leave: &Leave{}}
			c.spoil(&cfg)
			if cfg.Leave.May(t.Context(), false) == nil {
				t.Fatal("moves may start before there is a loop")
			}
			newLoop(t, cfg)
			err := cfg.Leave.May(t.Context(), false)
			if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("may: %v, want %q", err, c.why)
			}
			if err := cfg.Leave.May(t.Context(), true); (err != nil) != c.backward {
				t.Errorf("the way back: %v", err)
			}
		})
	}
}

func TestAHoldIsFeltWithinASecond(t *testing.T) {
	clock := &testClock{start}
	w := &said{}
	cfg := Config{Policy: testPolicy(policy.Act), Observer: fixed(loaded(3, 1e6)), Clock: clock, Leave: &Leave{}, Watchers: []Watcher{w}}
	newLoop(t, cfg)
	if err := cfg.Leave.May(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	w.observations = []decision.Observation{{Source: "page/ann", Effect: decision.EffectFreeze}}
	clock.now = clock.now.Add(time.Second)
	if cfg.Leave.May(t.Context(), false) == nil {
		t.Error("a second after the hold moves may still start")
	}
}

// A scale-out is for a load that does not ask what time it is: brokers that
// join are filled whatever windows say, and everything else keeps to them.
func TestWindowsConcernWhatMovesAreFor(t *testing.T) {
	night := []policy.Window{{Schedule: "0 2 * * *", Duration: policy.Duration(2 * time.Hour)}}
	for name, c := range map[string]struct {
		op         *decision.Operation
		gates, own bool // allowed while gates.windows, rebalance.windows alone are closed
	}{
		"unknown moves": {nil, false, false},
		"a rebalance":   {&decision.Operation{Kind: decision.Rebalance}, false, false},
		"a drain":       {&decision.Operation{Kind: decision.ScaleBrokers, From: 6, To: 5}, false, true},
		"a fill":        {&decision.Operation{Kind: decision.ScaleBrokers, From: 5, To: 6}, true, true},
	} {
		for _, closed := range []string{"gates", "rebalance"} {
			p := testPolicy(policy.Act)
			want := c.own
			if p.Spec.Rebalance.Windows = night; closed == "gates" {
				p.Spec.Gates.Windows, p.Spec.Rebalance.Windows, want = night, nil, c.gates
			}
			store := &operationStore{c.op}
			cfg := Config{Policy: p, Observer: fixed(loaded(3, 1e6)), Clock: &testClock{start}, Leave: &Leave{}, Store: store}
			loop := newLoop(t, cfg)
			if err := loop.machine.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := cfg.Leave.May(t.Context(), false); (err == nil) != want {
				t.Errorf("%s while %s.windows is closed: %v", name, closed, err)
			}
		}
	}
}

// operationStore has an operation in flight.
type operationStore struct{ op *decision.Operation }

func (s *operationStore) Load(context.Context) (operation.State, error) {
	return operation.State{Version: operation.StateVersion, Operation: s.op}, nil
}
func (*operationStore) Save(context.Context, operation.State) error { return nil }
