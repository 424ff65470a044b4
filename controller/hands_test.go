package controller_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
)

// A person takes the brokers back that a scale-out has asked for: the operation
// waited for them for ever, and nothing else could be done.
func TestAPersonWhoTakesBrokersBackGoesBeforeTheScaleOut(t *testing.T) {
	w := newFakeWorld(1, 3, 12)
	w.never = true
	asked := false
	w.run(t, actPolicy(), 60, func(m int, d decision.Decision) {
		switch {
		case m == 10:
			w.rate = 6e6
		case w.want > 3 && m < 20:
			asked = true
			w.brokers, w.want, w.rate = w.brokers[:3], 3, 1e6
		}
		if m == 59 && d.Operation != nil {
			t.Errorf("after all that time: %+v", d.Operation)
		}
	})
	if !asked {
		t.Error("no broker was asked for")
	}
	w.check(t)
}

// Kafka keeps the cordon of a broker that leaves. One that a person has come back
// took no replica for good.
func TestACordonOfOursIsTakenFromABrokerThatAPersonBringsBack(t *testing.T) {
	w := newFakeWorld(1, 4, 12)
	p := actPolicy()
	back := 0
	w.run(t, p, 300, func(m int, d decision.Decision) {
		switch {
		case back == 0 && w.want == 3 && d.Operation == nil:
			back = m
			if !w.cordoned[3] {
				t.Error("the broker that left has no cordon")
			}
			w.want = 4
			w.brokers = append(w.brokers, fakeBroker{id: 3, alive: true})
		case back > 0 && m == back+2 && w.cordoned[3]:
			t.Errorf("broker 3 is cordoned still: %v", d.Notes)
		}
	})
	if back == 0 {
		t.Error("no broker left")
	}
	w.check(t)
}

// deaf is a watcher that cannot be asked.
type deaf struct{}

func (deaf) Observations(context.Context, time.Time) ([]decision.Observation, error) {
	return nil, errors.New("the API server does not answer")
}

// A hold may be what could not be read: the size is set no more than copies are begun.
func TestNotKnowingWhetherSomebodyHoldsFreezes(t *testing.T) {
	w := newFakeWorld(1, 3, 12)
	w.rate = 6e6
	loop := func(watchers ...controller.Watcher) *controller.Controller {
		c, err := controller.New(controller.Config{
			Policy: actPolicy(), Observer: w, History: w, Forecaster: always(w), Planner: hastyPlanner{}, Mover: w, Admin: w, Store: w, Clock: w,
			Gates: gates.All(), Watchers: watchers, Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": w},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for c, n := loop(deaf{}), 0; n < 10; n++ {
		if _, err := c.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.advance()
	}
	if w.want != 3 {
		t.Errorf("%d brokers were asked for while nobody could be heard", w.want)
	}
	for c, n := loop(), 0; n < 10; n++ {
		if _, err := c.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.advance()
	}
	if w.want == 3 {
		t.Error("nothing was asked for without a watcher either: the test shows nothing")
	}
}
