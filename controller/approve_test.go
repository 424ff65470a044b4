package controller_test

import (
	"context"
	"testing"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// slips are the IDs that somebody has approved.
type slips map[string]bool

func (s slips) Approved(_ context.Context, p decision.Proposal) (string, bool, error) {
	return "ada", s[p.ID], nil
}

// An approval is for one proposal while it stands, and is used once, even where
// nobody takes the slip away and even by the process that comes next.
func TestAnApprovalIsUsedOnce(t *testing.T) {
	w := newFakeWorld(1, 3, 12)
	w.rate = 6e6
	approved := slips{}
	p := actPolicy()
	p.Spec.Mode = policy.Approve
	p.Spec.Brokers.MaxStep = 2
	loop := func() *controller.Controller {
		c, err := controller.New(controller.Config{
			Policy: p, Observer: w, History: w, Forecaster: always(w), Planner: hastyPlanner{}, Mover: w, Admin: w, Store: w, Clock: w,
			Gates: gates.All(), Approvals: approved, Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := loop()
	tick := func() decision.Decision {
		t.Helper()
		d, err := c.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.advance()
		return d
	}
	first := tick()
	if len(first.Proposals) != 1 || first.Proposals[0].ID == "" || w.want != 3 {
		t.Fatalf("%d brokers, proposals %+v", w.want, first.Proposals)
	}
	id := first.Proposals[0].ID
	if again := tick(); again.Proposals[0].ID != id {
		t.Errorf("a proposal that stands is called %s, and then %s", id, again.Proposals[0].ID)
	}
	c = loop()
	if again := tick(); again.Proposals[0].ID != id {
		t.Errorf("the process that comes next calls it %s, and not %s", again.Proposals[0].ID, id)
	}
	approved[id] = true
	if tick(); w.want != 5 {
		t.Fatalf("%d brokers after the approval, want 5", w.want)
	}
	if len(w.stored.Used) != 1 || w.stored.Used[0].By != "ada" {
		t.Errorf("used approvals: %+v", w.stored.Used)
	}
	// The scale-out is undone by hand; the slip lies there still.
	w.stored.Operation, w.want, w.brokers = nil, 3, w.brokers[:3]
	c = loop()
	for range 10 {
		tick()
	}
	if w.want != 3 {
		t.Errorf("%d brokers: the approval was used twice", w.want)
	}
}
