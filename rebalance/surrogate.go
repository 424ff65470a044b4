package rebalance

import (
	"math"
	"slices"
)

// surrogate stands in for the objective during a search. The objective's
// maximum, minimum and standard deviation do not say where an improvement
// lies; the surrogate replaces each by a separable quadratic that bounds it
// from above and touches it at the present loads:
//
//	max x      ≤ M + K/2 · Σ (x − M)₊²   for the M with K·Σ (x − M)₊ = 1, to within 1/2K
//	sqrt(S)    ≤ S/(2·s) + s/2           with s = sqrt(S) now
//
// so a change's effect is the sum over the two to four brokers it touches.
// Both are convex, hence the gradient bounds every gain from above.
type surrogate struct {
	*state
	cells []cell    // nb*nd
	price []float64 // nb*nd: what one unit of load more costs there
	cost  []float64 // broker -> its sum over dimensions
	least []float64 // nz*nd: least price in a zone among brokers that receive
	// sharpness is K.
	sharpness float64
	// bytePrice and leadPrice are what one byte moved and one leader-only
	// change cost, in points.
	bytePrice, leadPrice float64
	evaluations          int64
	scratch              []float64
	memo                 memo
}

// memo holds what the partition at hand does to brokers that already have it:
// they are the same for all its destinations.
type memo struct {
	on   bool
	n    int
	keys [8]memoKey
	cost [8]float64
}

type memoKey struct {
	b    int32
	f, l int8
}

// cell holds a quadratic's coefficients for one broker and dimension, in terms
// of x = load·inv, 1 being the zone's ideal.
type cell struct {
	inv      float64
	spread   float64 // coefficient of (x-1)²
	top      float64 // M
	over     float64 // coefficient of (x-M)₊²
	low      float64
	under    float64 // coefficient of (m-x)₊²
	hot      float64 // what makes a hot spot, in x
	cool     float64 // coefficient of (x-hot)₊²
	hard     float64 // the capacity, in x
	overload float64 // coefficient of (x-hard)₊² and (x-hard)₊
}

// A hot spot is a broker more than a tenth over what zones allow at best. The
// price of one is high enough to move any byte for, so it stays only where
// nothing can be done; it comes in gradually, as it blocks the way for others.
const (
	hotSpot      = 1.095
	hotPrice     = 8000.0
	hotSharpness = 50.0
)

// overloadPrice makes a broken capacity dearer than any balance.
const overloadPrice = 1e4

func newSurrogate(s *state) *surrogate {
	g := &surrogate{state: s,
		cells: make([]cell, s.nb*s.nd),
		price: make([]float64, s.nb*s.nd),
		cost:  make([]float64, s.nb),
		least: make([]float64, s.nz*s.nd),
	}
	return g
}

// value is the cell's cost at a load.
func (c *cell) value(load float64) float64 {
	x := float64(load * c.inv)
	d := x - 1
	v := float64(c.spread * d * d)
	if o := x - c.top; o > 0 {
		v += float64(c.over * o * o)
	}
	if u := c.low - x; u > 0 {
		v += float64(c.under * u * u)
	}
	if h := x - c.hot; h > 0 {
		v += float64(c.cool * h * h)
		if h := x - c.hard; h > 0 {
			v += float64(c.overload * h * (h + 1))
		}
	}
	return v
}

// slope is the cost of one unit of load more.
func (c *cell) slope(load float64) float64 {
	x := float64(load * c.inv)
	v := 2 * float64(c.spread*(x-1))
	if o := x - c.top; o > 0 {
		v += 2 * float64(c.over*o)
	}
	if u := c.low - x; u > 0 {
		v -= 2 * float64(c.under*u)
	}
	if h := x - c.hot; h > 0 {
		v += 2 * float64(c.cool*h)
		if h := x - c.hard; h > 0 {
			v += float64(c.overload * (h + h + 1))
		}
	}
	return v * c.inv
}

// refresh fits the surrogate to the present loads.
func (g *surrogate) refresh() {
	for r := 0; r < g.nd; r++ {
		g.fit(r)
	}
	for b := 0; b < g.nb; b++ {
		g.reprice(int32(b))
	}
	g.leastPrices()
}

// fit sets the coefficients of one dimension.
func (g *surrogate) fit(r int) {
	m := g.measure(g.load, r)
	var capacity float64
	xs, tops := g.scratch[:0], make([]float64, 0, g.nb)
	for b := 0; b < g.nb; b++ {
		if !g.alive[b] {
			continue
		}
		at := b*g.nd + r
		capacity += g.capacity[at]
		ideal := g.ideal[int(g.zone[b])*g.nd+r]
		if ideal <= 0 {
			continue
		}
		x := g.load[at] / (g.capacity[at] * ideal)
		xs = append(xs, x)
		tops = append(tops, x*ideal/max(ideal, g.floor[r]))
	}
	top := max(1, softTop(tops, g.sharpness))
	low := min(1, -softTop(negate(xs), g.sharpness))
	g.scratch = xs
	w := points * g.weight[r]
	for b := 0; b < g.nb; b++ {
		at := b*g.nd + r
		c := &g.cells[at]
		*c = cell{}
		ideal := g.ideal[int(g.zone[b])*g.nd+r]
		if !g.alive[b] || ideal <= 0 || g.total[r] <= 0 {
			c.hard, c.hot = inf, inf
			continue
		}
		scale := ideal / max(ideal, g.floor[r])
		c.inv = 1 / (g.capacity[at] * ideal)
		c.spread = w * spreadShare * g.capacity[at] / capacity / (2 * math.Sqrt(float64(m.spread*m.spread)+float64(1/(g.sharpness*g.sharpness))))
		c.top = top / scale
		c.over = w * overShare * g.sharpness / 2 * scale * scale
		c.low = low
		c.under = w * underShare * g.sharpness / 2
		c.hard = g.hard[at] * c.inv
		c.hot = min(hotSpot/scale, c.hard)
		if g.dims[r].hard && g.weight[r] > 0 {
			c.cool = g.granularity() * hotPrice / float64(len(xs)) * min(1, g.sharpness/hotSharpness)
		}
		c.overload = overloadPrice
	}
}

func negate(xs []float64) []float64 {
	for i := range xs {
		xs[i] = -xs[i]
	}
	return xs
}

// softTop finds the M with k·Σ (x − M)₊ = 1, a little below the maximum. It
// sorts xs.
func softTop(xs []float64, k float64) float64 {
	slices.Sort(xs)
	sum := 0.0
	for n := 1; n <= len(xs); n++ {
		sum += xs[len(xs)-n]
		m := (sum - 1/k) / float64(n)
		if n == len(xs) || m >= xs[len(xs)-n-1] {
			return m
		}
	}
	return 0
}

// reprice recomputes a broker's cost and prices from its loads.
func (g *surrogate) reprice(b int32) {
	at := int(b) * g.nd
	sum := 0.0
	for r := 0; r < g.nd; r++ {
		c := &g.cells[at+r]
		sum += c.value(g.load[at+r])
		g.price[at+r] = c.slope(g.load[at+r])
	}
	g.cost[b] = sum
}

// leastPrices finds, per zone and dimension, the least price among brokers
// that may receive.
func (g *surrogate) leastPrices() {
	for i := range g.least {
		g.least[i] = inf
	}
	for b := 0; b < g.nb; b++ {
		if !g.alive[b] || g.frozen[b] {
			continue
		}
		z := int(g.zone[b]) * g.nd
		for r := 0; r < g.nd; r++ {
			g.least[z+r] = math.Min(g.least[z+r], g.price[b*g.nd+r])
		}
	}
}

// with is broker b's cost with f followers and l leaders of partition i more,
// less its cost now; +Inf when that newly breaks its capacity.
func (g *surrogate) with(b int32, i int, f, l float64) float64 {
	at := int(b) * g.nd
	cells := g.cells[at : at+g.nd]
	load := g.load[at : at+g.nd]
	fol, led := g.folRow(i), g.ledRow(i)
	if len(cells) != len(load) || len(fol) != len(load) || len(led) != len(load) {
		return inf
	}
	sum := 0.0
	for r := range load {
		d := float64(f*fol[r]) + float64(l*led[r])
		if d > 0 && load[r]+d > g.hard[at+r] {
			return inf
		}
		sum += cells[r].value(load[r] + d)
	}
	return sum - g.cost[b]
}

// member is with for a broker that has partition i, remembered while best
// looks at the partition.
func (g *surrogate) member(b int32, i int, f, l int8) float64 {
	m, key := &g.memo, memoKey{b, f, l}
	if !m.on {
		return g.with(b, i, float64(f), float64(l))
	}
	for n, k := range m.keys[:m.n] {
		if k == key {
			return m.cost[n]
		}
	}
	v := g.with(b, i, float64(f), float64(l))
	if m.n < len(m.keys) {
		m.keys[m.n], m.cost[m.n] = key, v
		m.n++
	}
	return v
}

// delta is what a change does to the surrogate, costs included.
func (g *surrogate) delta(c change) float64 {
	g.evaluations++
	md, ld := g.costDelta(c)
	v := float64(float64(md)*g.size[c.i]*g.bytePrice) + float64(float64(ld)*g.leadPrice) + g.localDelta(c)
	old := g.leader[c.i]
	if c.k < 0 {
		if old == c.lead {
			return v
		}
		return v + g.member(old, c.i, 0, -1) + g.member(c.lead, c.i, 0, 1)
	}
	from := g.slots[int(g.off[c.i])+c.k]
	var fromLead int8
	var toLead float64
	if from == old {
		fromLead = -1
	}
	if c.to == c.lead {
		toLead = 1
	}
	v += g.member(from, c.i, -1, fromLead) + g.with(c.to, c.i, 1, toLead)
	if old != from && old != c.lead {
		v += g.member(old, c.i, 0, -1)
	}
	if c.lead != c.to && old != c.lead {
		v += g.member(c.lead, c.i, 0, 1)
	}
	return v
}

// commit makes the change and updates the prices it touches.
func (g *surrogate) commit(c change) {
	old := g.leader[c.i]
	if c.k >= 0 {
		from := g.slots[int(g.off[c.i])+c.k]
		g.apply(c)
		g.repriceIn(from)
		g.repriceIn(c.to)
	} else {
		g.apply(c)
	}
	if old != c.lead {
		g.repriceIn(old)
		g.repriceIn(c.lead)
	}
}

// repriceIn reprices a broker and lowers its zone's least prices where needed.
// They may stay too low until the next refresh, which only prunes less.
func (g *surrogate) repriceIn(b int32) {
	g.reprice(b)
	if !g.alive[b] || g.frozen[b] {
		return
	}
	z, at := int(g.zone[b])*g.nd, int(b)*g.nd
	for r := 0; r < g.nd; r++ {
		g.least[z+r] = min(g.least[z+r], g.price[at+r])
	}
}
