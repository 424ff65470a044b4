package execute

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// eta forecasts the end of a run along its busiest broker, since that one
// decides: the bytes per second that the busiest broker's queue went down by
// so far, and what is left in it. An average over all brokers would promise
// too much as soon as the first ones are done.
type eta struct {
	begin time.Time
	first cluster.Bytes // busiest queue when the run (or this process) began
}

// leastSeen is the share of the busiest queue that must have moved before the
// rate so far says anything: by then a run has left the first seconds behind, in
// which Kafka's quota lets through more than later. With it the forecast of the
// end was right after a tenth of the bytes in the runs of make soak-mover.
const leastSeen = 1.0 / 50

// estimate returns the time left; false before enough has moved to tell.
func (e eta) estimate(now time.Time, busiest cluster.Bytes, held time.Duration) (time.Duration, bool) {
	done := e.first - busiest
	spent := now.Sub(e.begin) - held
	if busiest <= 0 {
		return 0, true
	}
	if done < e.first*leastSeen || spent <= 0 {
		return 0, false
	}
	return time.Duration(float64(spent) * float64(busiest) / float64(done)), true
}

// schedule is the shortest time in which queues can be worked off.
func schedule(busiest cluster.Bytes, rate cluster.BytesPerSecond) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(busiest) / float64(rate) * float64(time.Second))
}
