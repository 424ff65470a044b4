package world

import "time"

// faults is what is broken now. A counter, not a switch: faults overlap.
type faults struct {
	metrics, loop, pods int
	metricsSince        time.Time
	down                map[int]int // by broker: faults that hold it dead
	outages             []outage    // of the metrics, that are over
}

// outage is a stretch of time whose measurements are missing.
type outage struct{ from, to time.Time }

// begin notes a fault that is of no broker.
func (f *faults) begin(k EventKind, now time.Time) {
	switch k {
	case MetricsOutage:
		if f.metrics == 0 {
			f.metricsSince = now
		}
		f.metrics++
	case LoopOutage:
		f.loop++
	case PodStartFails:
		f.pods++
	}
}

// end notes that such a fault is over.
func (f *faults) end(k EventKind, now time.Time) {
	switch k {
	case MetricsOutage:
		if f.metrics--; f.metrics == 0 {
			f.outages = append(f.outages, outage{f.metricsSince, now})
		}
	case LoopOutage:
		f.loop--
	case PodStartFails:
		f.pods--
	}
}

// forget drops the faults of brokers that no longer exist, so that a new one
// with the same ordinal starts well.
func (f *faults) forget(from int) {
	for id := range f.down {
		if id >= from {
			delete(f.down, id)
		}
	}
}
