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
	p.least = make([]float64, p.nz*p.nd)
	p.floor = make([]float64, p.nd)
	nz := p.nzAlive
	if nz == 0 {
		return
	}
	zoneCap := make([]float64, nz)
	for r := 0; r < p.nd; r++ {
		lo, hi, total, largest := p.zoneRange(r)
		p.total[r] = total
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
		for z, u := range levelZones(total, zoneCap, lo, hi) {
			p.ideal[z*p.nd+r] = u
			p.least[z*p.nd+r] = lo[z]
		}
	}
}

// zoneRange sums the dimension's load, and what each zone holds of it at least
// and at most; largest is the largest load of one replica.
func (p *problem) zoneRange(r int) (lo, hi []float64, total, largest float64) {
	nz := p.nzAlive
	lo, hi = make([]float64, nz), make([]float64, nz)
	var same struct{ lo, hi float64 } // what is the same for all zones
	brokers := p.brokersOfZones()
	for i := 0; i < p.np; i++ {
		rf := p.rf(i)
		f, l := p.fol[i*p.nd+r], p.led[i*p.nd+r]
		total += float64(float64(rf)*f) + l
		largest = max(largest, f, f+l)
		most := int(p.rules[i].most)
		switch {
		case p.unzoned >= 0:
			same.hi += float64(float64(rf)*f) + max(0, l)
		case rf <= nz:
			if rf == nz {
				same.lo += f
			}
			same.hi += f + max(0, l)
		default:
			room := 0
			for _, n := range brokers {
				room += min(most, n)
			}
			for z, n := range brokers {
				here := min(most, n)
				lo[z] += float64(float64(max(0, rf-(room-here))) * f)
				hi[z] += float64(float64(min(rf, here))*f) + max(0, l)
			}
		}
	}
	for z := range lo {
		lo[z] += same.lo
		hi[z] += same.hi
	}
	if nz == 1 {
		lo[0], hi[0] = total, total
	}
	return lo, hi, total, largest
}

// brokersOfZones counts the brokers that may hold replicas, by zone.
func (p *problem) brokersOfZones() []int {
	out := make([]int, p.nzAlive)
	for b := range p.alive {
		if p.alive[b] {
			out[p.zone[b]]++
		}
	}
	return out
}

// bisections halve an interval beyond what a float64 tells apart.
const bisections = 100

// levelZones finds zone totals within lo and hi that add up to total with the
// lowest possible maximum utilisation, and returns the utilisations.
func levelZones(total float64, zoneCap, lo, hi []float64) []float64 {
	top := 0.0
	for _, c := range zoneCap {
		top = max(top, total/c)
	}
	clamp := func(m float64, z int) float64 { return min(max(m*zoneCap[z], lo[z]), hi[z]) }
	a, b := 0.0, top+noGain
	for range bisections {
		m := (a + b) / 2
		sum := 0.0
		for z := range zoneCap {
			sum += clamp(m, z)
		}
		if sum < total {
			a = m
		} else {
			b = m
		}
	}
	out := make([]float64, len(zoneCap))
	for z, c := range zoneCap {
		out[z] = clamp(b, z) / c
	}
	return out
}
