package forecast

import "math"

// knotsFor gives the steps ahead at which direct models are fitted, experts
// are scored and intervals are calibrated; between knots everything is
// interpolated. They are dense near the origin, where a forecast changes most.
//
// No knot lies at a whole season: there the last value is also yesterday's, and
// what is learned holds for no other step.
func knotsFor(day, ahead int) *knots {
	top := min(day*lastKnotEighths/8, ahead)
	var ks []int
	last := 0
	for i := 0; ; i++ {
		k := int(math.Round(math.Pow(knotGrowth, float64(i))))
		if k <= last {
			continue
		}
		if float64(k)*knotGap >= float64(top) {
			break
		}
		ks = append(ks, k)
		last = k
	}
	ks = append(ks, top)
	for _, halves := range farKnots {
		if k := halves * day / 2; k-day/2 < ahead {
			ks = append(ks, k)
		}
	}
	return newKnots(ks)
}

// knots are distances in steps, with a table of where each distance lies among
// them.
type knots struct {
	at    []int
	left  []uint8   // by distance: the knot at or before it
	share []float32 // by distance: how far it is on the way to the next one
}

func newKnots(at []int) *knots {
	top := at[len(at)-1]
	k := &knots{at: at, left: make([]uint8, top), share: make([]float32, top)}
	for a := 1; a < top; a++ {
		i := 0
		for i+1 < len(at) && at[i+1] <= a {
			i++
		}
		k.left[a] = uint8(i)
		x, y := math.Log(float64(at[i])), math.Log(float64(at[i+1]))
		k.share[a] = float32((math.Log(float64(a)) - x) / (y - x))
	}
	return k
}

// bracket finds the knots around ahead and how far it is on the way from the
// left to the right one. Past the last knot the last one holds.
func (k *knots) bracket(ahead int) (lo, hi int, share float64) {
	if ahead >= len(k.left) {
		n := len(k.at) - 1
		return n, n, 0
	}
	lo, share = int(k.left[ahead]), float64(k.share[ahead])
	if share == 0 {
		return lo, lo, 0
	}
	return lo, lo + 1, share
}
