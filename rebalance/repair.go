package rebalance

import "math"

// A cluster that was balanced and has drifted a little needs a repair, not a
// new plan: leaders, which cost no data, and only as many bytes as bring every
// broker back within the band.
// repairSlack is how much more than the lower bound a repair moves at most, as
// a factor: the bound is fractional, and partitions move whole.
const repairSlack = 1.05

// repair tries to bring a cluster back into the band with next to no data, and
// tells whether that is the plan. If not, everything is as it was.
func (sr *search) repair(start saved, before float64) bool {
	// Who names a gain, an amount of work or wants consumers near asks for
	// more than the band.
	if sr.st.imbalancePoints(sr.st.load) > tuned.Repairable || sr.o.MinGain != 0 || sr.w.limit > 0 || sr.st.local != nil {
		return false
	}
	w := sr.w
	w.still, w.g.bytePrice, w.limit = true, sr.price, w.evaluations()+int64(tuned.RepairWork*float64(sr.st.np))
	defer func() { w.still, w.maxBytes, w.limit = false, inf, 0 }()
	for n, s := range repairLeaders {
		w.g.sharpness = s.sharp
		w.sweep(uint64(seedRepair + n))
	}
	sr.note("leaders")
	if !sr.inBand() {
		w.still, w.maxBytes = false, repairSlack*float64(sr.st.bounds(sr.st.currentLoad()).Bytes)
		for n, s := range repairMoves {
			sr.restAllButHot()
			w.g.bytePrice, w.g.sharpness = sr.price*s.price, s.sharp
			w.sweep(uint64(seedRepair + seedStep + n))
		}
		clear(w.rest)
		sr.note("repaired")
	}
	if sr.inBand() && before-sr.objective() >= sr.minGain {
		return true
	}
	// What was in the band and gains next to nothing stays as it was.
	sr.restore(start)
	return sr.inBand()
}

// restAllButHot leaves alone every partition that has no replica on a broker
// that is out of the band.
func (sr *search) restAllButHot() {
	hot := make([]bool, sr.st.nb)
	for r, d := range sr.st.dims {
		if !d.hard || sr.st.weight[r] == 0 {
			continue
		}
		for b := range hot {
			at := b*sr.st.nd + r
			top := max(sr.st.ideal[int(sr.st.zone[b])*sr.st.nd+r], sr.st.floor[r])
			hot[b] = hot[b] || sr.st.alive[b] && sr.st.load[at] > hotSpot*top*sr.st.capacity[at]
		}
	}
	for i := range sr.w.rest {
		sr.w.rest[i] = math.MaxInt8
		for _, b := range sr.st.replicas(sr.st.slots, i) {
			if hot[b] {
				sr.w.rest[i] = 0
			}
		}
	}
}

// inBand tells whether no broker is a hot spot.
func (sr *search) inBand() bool {
	for r, d := range sr.st.dims {
		if d.hard && sr.st.weight[r] > 0 && sr.st.measure(sr.st.load, r).over > hotSpot {
			return false
		}
	}
	return true
}
