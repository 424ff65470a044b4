package controller_test

import (
	"context"
	"errors"
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
	"github.com/tidetable/tidetable/rebalance"
)

// hotAndCold is four partitions with nearly all of the load in a hundredth of
// the bytes, and twenty with the rest.
func hotAndCold(partition int) (load, bytes float64) {
	if partition < 4 {
		return 5, 1e8
	}
	return 0.2, 2e9
}

// When the load needs the brokers before they can be filled, what relieves most
// for its bytes goes first, in a plan of its own; the rest follows.
func TestALateScaleOutMovesHotPartitionsFirst(t *testing.T) {
	w := newFakeWorld(11, 3, 24)
	w.weight = hotAndCold
	var words []string
	w.run(t, actPolicy(), 60, func(m int, d decision.Decision) {
		if m == 5 {
			w.rate = 4e6 // 96 MB/s × 3 of 0.7 × 100 a broker
		}
		words = append(words, d.Notes...)
		if d.Operation != nil {
			words = append(words, d.Operation.Note)
		}
	})
	w.check(t)
	if len(w.plans) < 2 {
		t.Fatalf("%d plans were started, want a first one and the rest", len(w.plans))
	}
	first, rest := w.plans[0], w.plans[1]
	relief := 0.0
	for _, m := range first.Moves {
		load, _ := w.weigh(m.Partition)
		if slices.ContainsFunc(m.To, func(id int) bool { return id >= 3 }) {
			relief += load
		}
	}
	t.Logf("the first plan moves %s for %.1f of %.1f of load, the rest %s", first.BytesToMove, relief, w.total()/w.rate, rest.BytesToMove)
	if share := first.BytesToMove / rest.BytesToMove; share > 0.25 || relief < 10 {
		t.Errorf("the first plan moves %s for %.1f of load, the rest %s", first.BytesToMove, relief, rest.BytesToMove)
	}
	if !slices.ContainsFunc(words, func(s string) bool { return strings.HasPrefix(s, "leaders and hot partitions first: moving") }) {
		t.Errorf("no decision says that hot partitions go first: %q", slices.Compact(words))
	}
	for id := range w.want {
		if w.holds(id) == 0 {
			t.Errorf("broker %d was never filled", id)
		}
	}
	if w.stored.Operation != nil && w.stored.Operation.HotFirst {
		t.Errorf("the first plan never ended: %+v", w.stored.Operation)
	}
}

// Brokers that only the policy asks for are in nobody's hurry.
func TestAScaleOutThatIsNotLateHasOnePlan(t *testing.T) {
	w := newFakeWorld(12, 3, 24)
	w.weight = hotAndCold
	w.rate = 1e5
	p := actPolicy()
	p.Spec.Brokers.Min = 4
	c := w.loop(t, p)
	for range 40 {
		d, err := c.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, "prediction cannot help") }) {
			t.Fatalf("late for no load: %q", d.Notes)
		}
		w.advance()
	}
	if len(w.plans) != 1 || w.want != 4 || w.stored.Operation != nil {
		t.Errorf("%d plans, %d brokers, operation %+v; want one plan and four brokers", len(w.plans), w.want, w.stored.Operation)
	}
}

// planless is a planner that cannot.
type planless struct{}

func (planless) Plan(context.Context, cluster.Snapshot, rebalance.Options) (rebalance.Plan, error) {
	return rebalance.Plan{}, errors.New("the snapshot cannot be planned from")
}

// Brokers that joined and cannot be filled are told of, and not waited for in silence.
func TestAFillWithoutAPlanIsHeldAndTold(t *testing.T) {
	w := newFakeWorld(12, 3, 24)
	w.rate = 1e5
	p := actPolicy()
	p.Spec.Brokers.Min = 4
	c, err := controller.New(controller.Config{
		Policy: p, Observer: w, History: w, Forecaster: always(w), Planner: planless{}, Mover: w, Admin: w, Store: w, Clock: w, Gates: gates.All(),
		Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
	})
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for range 30 {
		d, err := c.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told := slices.ContainsFunc(decision.Concerns(d), func(c decision.Concern) bool {
			return c.Kind == decision.RebalanceStalled && strings.Contains(c.Detail, "cannot be planned from")
		})
		if d.Operation != nil && d.Operation.Phase == decision.Filling && told {
			held++
		}
		w.advance()
	}
	if held < 10 {
		t.Errorf("told in %d ticks: %+v", held, w.stored.Operation)
	}
}

// Three brokers hold half of what they can, and the fourth's half fits on none
// of them: nothing is begun that could not be finished, the hold says why, and
// editing the policy takes it back.
func TestADrainWithoutSpaceMovesNothingAndSaysWhy(t *testing.T) {
	w := newFakeWorld(13, 4, 4)
	w.disk = 100e9
	w.parts = [][]int{{0}, {1}, {2}, {3}}
	w.weight = func(int) (load, bytes float64) { return 0.1, 55e9 }
	before := slices.Clone(w.parts)
	p := actPolicy()
	p.Spec.Brokers.Stabilisation = policy.Duration(10 * time.Minute)
	p.Spec.Brokers.Survive = policy.Survive{Nothing: true}
	p.Spec.Brokers.Utilisation.Disk = 0.95
	held := 0
	w.run(t, p, 240, func(_ int, d decision.Decision) {
		if d.Operation == nil || d.Operation.Blocked == "" {
			return
		}
		if held++; held == 1 {
			return // the tick that began it says so first
		}
		if d.Reason != decision.ReasonHeld || !strings.Contains(d.Outcome, "cannot be emptied") || !strings.Contains(d.Outcome, "disk") {
			t.Fatalf("%s: %s", d.Reason, d.Outcome)
		}
		if !slices.ContainsFunc(decision.Concerns(d), func(c decision.Concern) bool { return c.Kind == decision.DrainCannotFinish }) {
			t.Fatalf("nobody is told: %+v", decision.Concerns(d))
		}
	})
	w.check(t)
	if held < 200 || w.want != 4 || len(w.plans) > 0 || !w.cordoned[3] {
		t.Errorf("held in %d of 240 ticks, %d brokers, %d plans, cordoned %v", held, w.want, len(w.plans), w.cordoned)
	}
	p.Spec.Brokers.Min = 4
	said := false
	w.run(t, p, 5, func(_ int, d decision.Decision) {
		said = said ||
			slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, "cancelled, and everything is as it was") })
	})
	if w.stored.Operation != nil || len(w.cordoned) > 0 || !slices.EqualFunc(before, w.parts, slices.Equal) || !said {
		t.Errorf("not taken back: %+v, cordoned %v, parts %v, said %v", w.stored.Operation, w.cordoned, w.parts, said)
	}
	last := w.stored.Past[len(w.stored.Past)-1]
	if !last.Cancelled || last.To != 3 {
		t.Errorf("the last change is not told as cancelled: %+v", last)
	}
}
