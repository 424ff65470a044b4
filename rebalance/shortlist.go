package rebalance

import "slices"

// A replica's best destination is nearly always among the cheapest brokers for
// some mix of resources, so in a large zone only those are looked at: the
// shortList cheapest for each of a few mixes, and a few others in turn.
const shortList = 5

// shortlist chooses the brokers of each zone that receive until the next
// refresh.
func (w *sweeper) shortlist() {
	w.turn++
	for z, all := range w.all {
		if len(all) <= int(tuned.ShortZone) {
			w.receivers[z] = all
			continue
		}
		list := w.receivers[z][:0]
		for _, mix := range w.mixes {
			list = w.cheapestFor(mix, all, list)
		}
		turn := int(tuned.ShortTurn)
		for k := range turn {
			list = append(list, all[(w.turn*turn+k)%len(all)])
		}
		slices.Sort(list)
		w.receivers[z] = slices.Compact(list)
	}
}

// cheapestFor appends the brokers where the mix costs least.
func (w *sweeper) cheapestFor(mix []float64, all, list []int32) []int32 {
	var top [shortList]int32
	var cost [shortList]float64
	n := 0
	for _, b := range all {
		v := w.dot(mix, b)
		if n == shortList && v >= cost[n-1] {
			continue
		}
		at := min(n, shortList-1)
		for at > 0 && v < cost[at-1] {
			at--
		}
		copy(top[at+1:], top[at:shortList-1])
		copy(cost[at+1:], cost[at:shortList-1])
		top[at], cost[at] = b, v
		n = min(n+1, shortList)
	}
	return append(list, top[:n]...)
}

// findMixes lists the load mixes: each dimension alone, the average follower,
// the average leader, and the average follower with each dimension doubled.
func (w *sweeper) findMixes() {
	follower, leader := make([]float64, w.p.nd), make([]float64, w.p.nd)
	for i := 0; i < w.p.np; i++ {
		for r := range follower {
			follower[r] += w.p.folRow(i)[r]
			leader[r] += w.p.folRow(i)[r] + w.p.ledRow(i)[r]
		}
	}
	w.mixes = append(w.mixes, follower, leader)
	for r := 0; r < w.p.nd; r++ {
		one := make([]float64, w.p.nd)
		one[r] = 1
		more := append([]float64(nil), follower...)
		more[r] *= 3
		w.mixes = append(w.mixes, one, more)
	}
}
