package rebalance

import "math"

// Shares of the objective within one dimension: how far the fullest broker is
// over what zones allow, how far the emptiest is under it, and the spread. A
// judgement: the fullest broker is what a cluster is sized by, the emptiest is
// what was paid for in vain, and the spread tells the brokers between them apart.
const (
	overShare   = 0.5
	underShare  = 0.2
	spreadShare = 0.3
	points      = 100.0 // per one: the objective is printed in points
)

// imbalance is one dimension's part of the objective and what it is made of.
type imbalance struct {
	over, under, spread float64
}

func (m imbalance) value() float64 {
	return float64(overShare*max(0, m.over-1)) + float64(underShare*max(0, 1-m.under)) + float64(spreadShare*m.spread)
}

// measure computes the dimension's imbalance over the alive brokers.
func (p *problem) measure(load []float64, r int) imbalance {
	if p.total[r] <= 0 {
		return imbalance{over: 1, under: 1}
	}
	m := imbalance{over: 0, under: inf}
	var square, capacity float64
	for b := 0; b < p.nb; b++ {
		if !p.alive[b] {
			continue
		}
		c := p.capacity[b*p.nd+r]
		u := load[b*p.nd+r] / c
		ideal := p.ideal[int(p.zone[b])*p.nd+r]
		capacity += c
		if top := max(ideal, p.floor[r]); top > 0 {
			m.over = max(m.over, u/top)
		}
		if ideal > 0 {
			m.under = min(m.under, u/ideal)
			d := u/ideal - 1
			square += float64(c * d * d)
		}
	}
	if math.IsInf(m.under, 1) {
		m.under = 1
	}
	m.spread = math.Sqrt(square / capacity)
	return m
}

// imbalancePoints is the balance part of the objective, in points.
func (p *problem) imbalancePoints(load []float64) float64 {
	sum := 0.0
	for r := range p.weight {
		sum += float64(p.weight[r] * p.measure(load, r).value())
	}
	return points * sum
}
