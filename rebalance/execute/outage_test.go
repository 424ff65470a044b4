package execute

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/placement"
)

func TestBrokerThatDoesNotAnswerIsSaidToBeDownAndTheOthersGoOn(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	// One move to broker 3, one that has nothing to do with it.
	moves := []cluster.Move{
		{Topic: "hot", Partition: 0, To: []int{0, 1, 3}},
		{Topic: "hot", Partition: 1, To: []int{1, 2, 4}},
	}
	w.kafka.silent = map[int]bool{3: true}
	m := w.mover()
	w.start(m, moves, Options{})
	for range 40 {
		w.step(m)
	}
	want := "broker 3 is down: holding its 1 move; what is still on it goes to another broker if it stays away for 5m0s; " +
		"going on with 1 other without it"
	if !w.saw(EventHold, want) {
		t.Errorf("it does not say %q: %v", want, w.events)
	}
	for _, e := range w.events {
		if strings.Contains(e.Text, "setting") {
			t.Errorf("it talks of its errands: %s", e.Text)
		}
	}
	if s := w.state("hot", 1); !slices.Equal(s.Replicas, moves[1].To) {
		t.Errorf("the other move waits: hot-1 is on %v", s.Replicas)
	}
	if s := w.state("hot", 0); len(s.Adding) > 0 {
		t.Error("a copy to the silent broker was submitted")
	}
	w.kafka.silent = nil
	w.finish(m, 400)
	if !w.saw("hold", "broker 3 is back after ") {
		t.Errorf("it does not say that broker 3 is back: %v", w.events)
	}
	w.arrived(moves)
	w.clean()
}

func TestOutageIsToldByWhatTheBrokerIsToTheRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		broker int
		want   string
	}{
		{"destination", 3, "broker 3 is down: holding its 2 moves; what is still on it goes to another broker if it stays away for 5m0s"},
		{"source", 2, "broker 2 is down: going on with 2 moves away from it, which heal: the copies come from the leaders"},
		{"neither", 1, "broker 1 is down: 2 moves with a replica on it cannot end before it is back"},
		{"no part in it", 5, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, placement.SixBrokers())
			moves := []cluster.Move{
				{Topic: "hot", Partition: 0, To: []int{0, 1, 3}},
				{Topic: "hot", Partition: 1, To: []int{1, 3, 0}},
			}
			m := w.mover()
			w.start(m, moves, Options{})
			for range 3 {
				w.step(m)
			}
			w.kafka.c.Kill(c.broker)
			w.step(m)
			said := w.saw("hold", "is down")
			if c.want == "" && said || c.want != "" && !w.saw("hold", c.want) {
				t.Errorf("it says %v, want %q", w.events, c.want)
			}
			w.kafka.c.Restart(c.broker)
			w.finish(m, 400)
			w.arrived(moves)
		})
	}
}

func TestClusterThatDoesNotAnswerIsHeldForAndSaidToBeBack(t *testing.T) {
	w := newWorld(t, placement.SixBrokers())
	m := w.mover()
	moves := w.kafka.c.Spread()
	w.start(m, moves, Options{})
	w.step(m)
	w.kafka.fail = errors.New("the controller does not answer")
	for range 5 {
		w.step(m)
	}
	if !w.saw("hold", "the controller does not answer; nothing new begins, what is in flight goes on under its throttle") {
		t.Errorf("events %v", w.events)
	}
	w.kafka.fail = nil
	w.step(m)
	if want := "the cluster answers again after " + (5 * time.Second).String(); !w.saw("hold", want) {
		t.Errorf("it does not say %q: %v", want, w.events)
	}
	w.finish(m, 400)
	w.arrived(moves)
	w.clean()
}
