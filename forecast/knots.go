package forecast

import "math"

// knotsFor gives the steps ahead at which direct models are fitted, experts
// are scored and intervals are calibrated; between knots everything is
// interpolated. They are dense near the origin, where a forecast changes most.
//
// No knot lies at a whole season: there the last value is also yesterday's, and
// what is learned holds for no other step.
func knotsFor(day, ahead int) []int {
	top := min(day*7/8, ahead)
	var ks []int
	last := 0
	for i := 0; ; i++ {
		k := int(math.Round(math.Pow(1.5, float64(i))))
		if k <= last {
			continue
		}
		if float64(k)*1.2 >= float64(top) {
			break
		}
		ks = append(ks, k)
		last = k
	}
	ks = append(ks, top)
	for _, halves := range []int{3, 7, 13} {
		if k := halves * day / 2; k-day/2 < ahead {
			ks = append(ks, k)
		}
	}
	return ks
}

// bracket finds the knots around ahead and the share of the right one.
func bracket(knots []int, ahead int) (lo, hi int, share float64) {
	if ahead <= knots[0] {
		return 0, 0, 0
	}
	for i := 1; i < len(knots); i++ {
		if ahead <= knots[i] {
			a, b := math.Log(float64(knots[i-1])), math.Log(float64(knots[i]))
			return i - 1, i, (math.Log(float64(ahead)) - a) / (b - a)
		}
	}
	n := len(knots) - 1
	return n, n, 0
}
