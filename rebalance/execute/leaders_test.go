package execute

import (
	"reflect"
	"testing"
)

func TestNoRoundOfElectionsMakesABrokerTheLeaderOfTwo(t *testing.T) {
	of := func(n int, replicas ...int) Target { return Target{TP: TP{"t", n}, Replicas: replicas} }
	targets := []Target{of(0, 1, 2), of(1, 1, 3), of(2, 2, 1), of(3, 1, 2), of(4, 3, 1)}
	got := electionRounds(targets, 2)
	want := [][]TP{{{"t", 0}, {"t", 2}, {"t", 4}}, {{"t", 1}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rounds %v, want %v: the third of broker 1 waits for the next poll", got, want)
	}
}
