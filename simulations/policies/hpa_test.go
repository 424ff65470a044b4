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
		n = a.desired(start.Add(time.Duration(i)*time.Second), n, 10, time.Second)
		if (n != was) != (i%15 == 0) {
			t.Errorf("after %d s it goes from %d to %d", i, was, n)
		}
	}
	if n != 48 { // 2, 6, 12, 24, 48: twice as many or four more at a time
		t.Errorf("it ends with %d", n)
	}
}
