package controller_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

func actPolicy() policy.Policy {
	p := policy.Policy{Metadata: policy.Metadata{Name: "act"}}
	s := &p.Spec
	s.Mode = policy.Act
	s.Brokers = policy.Brokers{
		Target:        policy.Target{Kind: "StatefulSet", Name: "kafka"},
		Min:           3,
		Max:           9,
		Stabilisation: policy.Duration(30 * time.Minute),
	}
	s.Gates.Cooldown = policy.Duration(5 * time.Minute)
	s.Gates.Budget.BrokerActions = 1000
	s.Forecast.Horizon = policy.Duration(10 * time.Minute)
	s.Forecast.History = policy.Duration(time.Hour)
	s.Rebalance.Throttle = "100MB/s"
	s.Cost = policy.Cost{BrokerHour: 1, Change: 0.01} // its days last hours
	return p
}

func (w *fakeWorld) loop(t *testing.T, p policy.Policy) *controller.Controller {
	t.Helper()
	c, err := controller.New(controller.Config{
		Policy: p, Observer: w, History: w, Forecaster: always(w), Planner: hastyPlanner{}, Mover: w, Admin: w, Store: w, Clock: w, Gates: gates.All(),
		Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run ticks every minute; a killed process is replaced by a new one that knows
// only what was stored.
func (w *fakeWorld) run(t *testing.T, p policy.Policy, minutes int, each func(minute int, d decision.Decision)) {
	t.Helper()
	c := w.loop(t, p)
	for m := range minutes {
		if w.dead {
			w.dead = false
			c = w.loop(t, p)
		}
		d, err := c.Tick(t.Context())
		if err != nil && !w.dead {
			t.Fatalf("minute %d: %v", m, err)
		}
		if w.want < p.Spec.Brokers.Min {
			t.Fatalf("minute %d: %d brokers are fewer than the minimum", m, w.want)
		}
		if each != nil {
			each(m, d)
		}
		w.advance()
	}
}

func (w *fakeWorld) check(t *testing.T) {
	t.Helper()
	for _, b := range w.broken {
		t.Error(b)
	}
}

func TestScalesOutFillsAndComesBackEmptyHanded(t *testing.T) {
	w := newFakeWorld(1, 3, 12)
	var phases []string
	p := actPolicy()
	p.Spec.Brokers.MaxStep = 2
	w.run(t, p, 500, func(m int, d decision.Decision) {
		switch m {
		case 420:
			if w.want != 3 {
				t.Errorf("%d brokers in the night, want 3", w.want)
			}
			w.rate = 6e6 // the brokers that left come back, with the configuration they had
		case 10:
			w.rate = 6e6 // 72 MB/s × 3 = 216 of 0.7 × 100 a broker: 4 left, which is 6 of 3 zones
		case 150:
			w.rate = 1e6
		}
		if d.Operation != nil {
			name := fmt.Sprintf("%d→%d %s", d.Operation.From, d.Operation.To, d.Operation.Phase)
			if len(phases) == 0 || phases[len(phases)-1] != name {
				phases = append(phases, name)
			}
		}
		if m == 149 {
			if w.want != 6 {
				t.Errorf("%d brokers at the peak, want 6: %s", w.want, d.Outcome)
			}
			for id := range 6 {
				if w.holds(id) == 0 {
					t.Errorf("broker %d was never filled", id)
				}
			}
		}
	})
	w.check(t)
	if w.want != 6 || w.holds(5) == 0 {
		t.Errorf("%d brokers on the second day, the last with %d replicas; want 6, filled", w.want, w.holds(5))
	}
	for _, want := range []string{"3→5 Joining", "3→5 Filling", "5→6 Filling", "6→4 Draining", "6→4 Shrinking", "4→3 Draining"} {
		if !slices.Contains(phases, want) {
			t.Errorf("%s is missing in %s", want, strings.Join(phases, ", "))
		}
	}
	if len(w.cordoned) > 0 {
		t.Errorf("brokers are left cordoned: %v", w.cordoned)
	}
}

func (w *fakeWorld) holds(id int) int {
	n := 0
	for _, replicas := range w.parts {
		if slices.Contains(replicas, id) {
			n++
		}
	}
	return n
}

// Killed before or after any call, the loop that comes next goes on from what
// was stored: never two operations, never a broker gone with data, and the
// size is right in the end.
func TestKilledAnywhereItCompletesAfterRestart(t *testing.T) {
	for seed := range uint64(8) {
		w := newFakeWorld(seed, 3, 12)
		w.crash = 0.02
		w.run(t, actPolicy(), 1000, func(m int, d decision.Decision) {
			switch m {
			case 10:
				w.rate = 6e6
			case 300:
				w.rate = 1e6
			case 800:
				w.crash = 0
			}
			if m == 299 && w.want != 6 {
				t.Errorf("seed %d: %d brokers at the peak, want 6: %s", seed, w.want, d.Outcome)
			}
		})
		w.check(t)
		if w.want != 3 || w.stored.Operation != nil {
			t.Errorf("seed %d: %d brokers in the end, want 3; operation %+v", seed, w.want, w.stored.Operation)
		}
	}
}

func TestNothingScalesInOnStaleSignals(t *testing.T) {
	w := newFakeWorld(3, 6, 12)
	w.stale = []cluster.StaleSignal{{Signal: "broker_cpu", Reason: "no series"}}
	w.run(t, actPolicy(), 120, nil)
	w.check(t)
	if w.want != 6 {
		t.Errorf("%d brokers, want the 6 there were", w.want)
	}
	// The signal goes stale in mid-drain: what is in flight may be moved, and
	// nothing is let go.
	w.stale = nil
	w.perTick = 0
	w.run(t, actPolicy(), 60, nil)
	if w.stored.Operation == nil || w.stored.Operation.Phase != decision.Draining {
		t.Fatalf("no drain after an hour: %+v", w.stored.Operation)
	}
	w.stale, w.perTick = []cluster.StaleSignal{{Signal: "broker_cpu", Reason: "no series"}}, 10
	w.run(t, actPolicy(), 60, nil)
	w.check(t)
	if w.want != 6 {
		t.Errorf("%d brokers, want 6 until the signal is back", w.want)
	}
	w.stale = nil
	w.run(t, actPolicy(), 60, nil)
	w.check(t)
	if w.want >= 6 {
		t.Error("the drain did not go on when the signal was back")
	}
}

// The invariant that others paid for: a drain that times out can only hold.
func TestDrainThatTimesOutOnlyHolds(t *testing.T) {
	w := newFakeWorld(4, 5, 12)
	w.perTick = 0 // nothing ever arrives
	p := actPolicy()
	p.Spec.Brokers.DrainTimeout = policy.Duration(time.Minute)
	noted := false
	w.run(t, p, 600, func(_ int, d decision.Decision) {
		noted = noted ||
			slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, "nothing is removed before they are empty") })
	})
	w.check(t)
	if w.want != 5 || w.stored.Operation == nil || !noted {
		t.Errorf("%d brokers, operation %+v, noted %v", w.want, w.stored.Operation, noted)
	}
	// Editing the policy is the way out.
	p.Spec.Brokers.Min = 5
	w.run(t, p, 10, nil)
	w.check(t)
	if w.stored.Operation != nil || len(w.moves) > 0 || len(w.cordoned) > 0 {
		t.Errorf("not cancelled: %+v, %d moves, cordoned %v", w.stored.Operation, len(w.moves), w.cordoned)
	}
}

// A pod that cannot be scheduled must not block the cluster for ever: the
// policy that no longer allows it turns the scale-out back.
func TestAScaleOutThatNeverArrivesIsTurnedBackByThePolicy(t *testing.T) {
	w := newFakeWorld(8, 3, 12)
	w.rate, w.never = 6e6, true
	p := actPolicy()
	w.run(t, p, 60, nil)
	if op := w.stored.Operation; op == nil || op.Phase != decision.Joining {
		t.Fatalf("no scale-out waits for its brokers: %+v", op)
	}
	p.Spec.Brokers.Max = 3
	said := false
	w.run(t, p, 60, func(_ int, d decision.Decision) {
		said = said || slices.ContainsFunc(d.Notes, func(n string) bool {
			return strings.Contains(n, "turned back: the policy now allows at most 3 brokers")
		})
		if d.Operation != nil && d.Operation.Phase == decision.Cancelling {
			t.Errorf("the way back was cancelled: %s", d.Outcome)
		}
	})
	w.check(t)
	if w.want != 3 || w.stored.Operation != nil || len(w.cordoned) > 0 || !said {
		t.Errorf("%d brokers, operation %+v, cordoned %v, said %v", w.want, w.stored.Operation, w.cordoned, said)
	}
}

// One of two brokers that were asked for has come: it has taken no replicas
// yet, and goes back like any other, drained and proven.
func TestAScaleOutThatHalfArrivedGoesBackEmpty(t *testing.T) {
	w := newFakeWorld(9, 3, 12)
	w.rate, w.never = 6e6, true
	p := actPolicy()
	w.run(t, p, 60, nil)
	w.brokers[3].alive = true
	w.parts[0] = []int{0, 1, 3} // a topic that was made meanwhile
	p.Spec.Brokers.Max = 3
	w.run(t, p, 60, nil)
	w.check(t)
	if w.want != 3 || w.stored.Operation != nil {
		t.Errorf("%d brokers, operation %+v", w.want, w.stored.Operation)
	}
}

func TestLoadThatComesBackCancelsTheDrain(t *testing.T) {
	w := newFakeWorld(5, 5, 12)
	w.perTick = 0
	w.run(t, actPolicy(), 60, nil)
	if w.stored.Operation == nil || w.stored.Operation.Phase != decision.Draining {
		t.Fatalf("no drain: %+v", w.stored.Operation)
	}
	w.rate, w.perTick = 6e6, 3
	w.run(t, actPolicy(), 40, nil)
	w.check(t)
	if w.want < 6 {
		t.Errorf("%d brokers, want the 6 that the load needs", w.want)
	}
}

// Metadata and the list of what moves are two readings: replicas that are only
// passing may look like a higher replication factor. No load asks for that.
func TestReplicasThatOnlyPassDoNotCancelTheDrain(t *testing.T) {
	w := newFakeWorld(14, 4, 12)
	p := actPolicy()
	p.Spec.Brokers.Survive = policy.Survive{Nothing: true}
	p.Spec.Brokers.Stabilisation = policy.Duration(5 * time.Minute)
	w.perTick = 0
	w.run(t, p, 20, nil)
	if w.stored.Operation == nil || w.stored.Operation.Phase != decision.Draining {
		t.Fatalf("no drain: %+v", w.stored.Operation)
	}
	id := w.stored.Operation.ID
	w.passing = true
	w.run(t, p, 3, nil)
	if op := w.stored.Operation; op == nil || op.ID != id || op.Phase != decision.Draining {
		t.Errorf("the drain did not go on: %+v", op)
	}
}

func TestHoldStopsEverythingAtOnce(t *testing.T) {
	w := newFakeWorld(6, 3, 12)
	w.rate = 6e6
	p := actPolicy()
	p.Metadata.Annotations = map[string]string{policy.HoldAnnotation: "maintenance"}
	w.run(t, p, 20, func(_ int, d decision.Decision) {
		if d.Reason != decision.ReasonHeld || !strings.Contains(d.Outcome, "maintenance") {
			t.Fatalf("%s: %s", d.Reason, d.Outcome)
		}
	})
	if w.want != 3 {
		t.Errorf("%d brokers", w.want)
	}
}

func TestFenceStopsEveryWrite(t *testing.T) {
	w := newFakeWorld(7, 3, 12)
	w.rate = 6e6
	c, err := controller.New(controller.Config{
		Policy: actPolicy(), Observer: w, History: w, Forecaster: always(w), Planner: hastyPlanner{}, Mover: w, Admin: w, Store: w, Clock: w, Gates: gates.All(),
		Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
		Fence:   func(context.Context) error { return fmt.Errorf("somebody else leads") },
	})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := c.Tick(t.Context())
	if w.want != 3 || w.stored.Operation != nil || d.Reason != decision.ReasonActionFailed {
		t.Errorf("%d brokers, operation %v, %s", w.want, w.stored.Operation, d.Outcome)
	}
}

// More brokers than the load needs are not the right size: they are kept
// because too little is known, and the outcome says what.
func TestBrokersKeptForWantOfAForecastAreSaidToBeKept(t *testing.T) {
	w := newFakeWorld(8, 6, 12)
	c, err := controller.New(controller.Config{
		Policy: actPolicy(), Observer: w, Planner: hastyPlanner{}, Mover: w, Admin: w, Store: w, Clock: w, Gates: gates.All(),
		Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Tick(t.Context())
	if err != nil || d.Reason != decision.ReasonUnknown ||
		!strings.Contains(d.Outcome, "kept at 6 brokers: there is no forecast to trust") {
		t.Errorf("%s: %s, %v", d.Reason, d.Outcome, err)
	}
}
