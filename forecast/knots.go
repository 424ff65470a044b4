package forecast

import "math"

// knotsFor gives the steps ahead at which direct models are fitted, experts
// are scored and intervals are calibrated; between knots everything is
// interpolated. They are dense near the origin, where a forecast changes most.
func knotsFor(day, ahead int) []int {
	if day <= 0 {
		day = ahead
	}
	var ks []int
	last := 0
	for i := 0; ; i++ {
		k := int(math.Round(math.Pow(1.55, float64(i))))
		if k <= last {
			continue
		}
		if k*4 >= day*3 || k >= ahead {
			break
		}
		ks = append(ks, k)
		last = k
	}
	ks = append(ks, min(day, ahead))
	for _, m := range []int{2, 4, 7} {
		if m*day < ahead*5/4 && ahead > day {
			ks = append(ks, m*day)
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
