package rebalance

import "math"

var inf = math.Inf(1)

// findIdeals computes, for each dimension, the utilisation that each zone has
// in the best legal placement. The zone rule confines what a zone may hold:
// with as many replicas as zones every zone holds one of each partition, so
// its total is fixed; otherwise zone totals are levelled between the least and
// the most that the rule allows.
func (p *problem) findIdeals() {
	p.total = make([]float64, p.nd)
	p.ideal = make([]float64, p.nz*p.nd)
	p.floor = make([]float64, p.nd)
	nz := p.nzAlive
	if nz == 0 {
		return
	}
	zoneCap := make([]float64, nz)
	for r := 0; r < p.nd; r++ {
		lo, hi, largest := p.zoneRange(r)
		biggest := 0.0
		clear(zoneCap)
		for b := 0; b < p.nb; b++ {
			if p.alive[b] {
				c := p.capacity[b*p.nd+r]
				zoneCap[p.zone[b]] += c
				biggest = max(biggest, c)
			}
		}
		p.floor[r] = largest / biggest
		for z, u := range levelZones(p.total[r], zoneCap, lo, hi) {
			p.ideal[z*p.nd+r] = u
		}
	}
}

// zoneRange sums the dimension's load, and what one zone holds of it at least
// and at most; largest is the largest load of one replica.
func (p *problem) zoneRange(r int) (lo, hi, largest float64) {
	nz := p.nzAlive
	for i := 0; i < p.np; i++ {
		rf := p.rf(i)
		f, l := p.fol[i*p.nd+r], p.led[i*p.nd+r]
		p.total[r] += float64(float64(rf)*f) + l
		least, most := 0, 1
		if rf >= nz {
			least = 1
			most = rf - nz + 1
		}
		lo += float64(float64(least) * f)
		hi += float64(float64(most)*f) + max(0, l)
		largest = max(largest, f, f+l)
	}
	if nz == 1 {
		lo, hi = p.total[r], p.total[r]
	}
	return lo, hi, largest
}

// bisections halve an interval beyond what a float64 tells apart.
const bisections = 100

// levelZones finds zone totals within [lo, hi] that add up to total with the
// lowest possible maximum utilisation, and returns the utilisations.
func levelZones(total float64, zoneCap []float64, lo, hi float64) []float64 {
	top := 0.0
	for _, c := range zoneCap {
		top = max(top, total/c)
	}
	clamp := func(m, c float64) float64 { return min(max(m*c, lo), hi) }
	a, b := 0.0, top+noGain
	for range bisections {
		m := (a + b) / 2
		sum := 0.0
		for _, c := range zoneCap {
			sum += clamp(m, c)
		}
		if sum < total {
			a = m
		} else {
			b = m
		}
	}
	out := make([]float64, len(zoneCap))
	for z, c := range zoneCap {
		out[z] = clamp(b, c) / c
	}
	return out
}
