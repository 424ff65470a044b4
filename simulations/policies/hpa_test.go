package policies

import (
	"testing"
	"time"
)

// The HPA looks every 15 seconds, however fine the simulation's tick is.
func TestTheHPALooksAtItsOwnTimes(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var a autoscaler
	n := 2
	for i := range 46 {
		was := n
		if now := start.Add(time.Duration(i) * time.Second); a.due(now) {
			n = a.bounded(now, n, wish(n, n, 10), time.Second)
		}
		if (n != was) != (i%15 == 0) {
			t.Errorf("after %d s it goes from %d to %d", i, was, n)
		}
	}
	if n != 48 { // 2, 6, 12, 24, 48: twice as many or four more at a time
		t.Errorf("it ends with %d", n)
	}
}

// Pods that are not ready count as using nothing when that would scale out, and
// are left out when it scales in: five pods of which two are ready at 90 % of a
// target of 60 % ask for no more, and at 30 % for one. They were multiplied by
// what the ready ones use.
func TestTheHPALeavesOutPodsThatAreNotReady(t *testing.T) {
	for _, x := range []struct {
		current, ready int
		ratio          float64
		want           int
	}{
		{5, 5, 1.5, 8}, {5, 2, 1.5, 5}, {5, 4, 1.5, 6}, {5, 2, 0.5, 1}, {5, 5, 1.05, 5}, {5, 0, 3, 5},
	} {
		if n := wish(x.current, x.ready, x.ratio); n != x.want {
			t.Errorf("%d pods, %d of them ready at %g of the target: %d wished, want %d", x.current, x.ready, x.ratio, n, x.want)
		}
	}
}
