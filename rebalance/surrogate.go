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
	p     *problem
	st    *state
	cells []cell    // nb*nd
	price []float64 // nb*nd: what one unit of load more costs there
	cost  []float64 // broker -> its sum over dimensions
	least []float64 // nz*nd: least price in a zone among brokers that receive
	// sharpness is K.
	sharpness float64
	// bytePrice and leadPrice are what one byte moved and one leader-only
	// change cost, in points.
	bytePrice, leadPrice float64
	scratch              []float64
}

// notes are what one thread writes while it looks at partitions; all else is
// only read meanwhile. They count the evaluations, and hold what the partition
// at hand does to brokers that already have it: that is the same for all its
// destinations.
type notes struct {
	evaluations int64
	keep        bool
	n           int
	keys        [8]memoKey
	cost        [8]float64
	_           [64]byte // a cache line apart from another thread's
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

// hotSpot is the utilisation over what zones allow at best from which on a
// broker is a hot spot: a hair under Cruise Control's default balance threshold
// of 1.10, so that what we call even is so for it too.
const hotSpot = 1.095

func newSurrogate(s *state) *surrogate {
	g := &surrogate{p: s.problem, st: s,
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
	for r := 0; r < g.p.nd; r++ {
		g.fit(r)
	}
	for b := 0; b < g.p.nb; b++ {
		g.reprice(int32(b))
	}
	g.leastPrices()
}

// fit sets the coefficients of one dimension.
func (g *surrogate) fit(r int) {
	m := g.p.measure(g.st.load, r)
	var capacity float64
	xs, tops := g.scratch[:0], make([]float64, 0, g.p.nb)
	for b := 0; b < g.p.nb; b++ {
		if !g.p.alive[b] {
			continue
		}
		at := b*g.p.nd + r
		capacity += g.p.capacity[at]
		ideal := g.p.ideal[int(g.p.zone[b])*g.p.nd+r]
		if ideal <= 0 {
			continue
		}
		x := g.st.load[at] / (g.p.capacity[at] * ideal)
		xs = append(xs, x)
		tops = append(tops, x*ideal/max(ideal, g.p.floor[r]))
	}
	top := max(1, softTop(tops, g.sharpness))
	low := min(1, -softTop(negate(xs), g.sharpness))
	g.scratch = xs
	w := points * g.p.weight[r]
	for b := 0; b < g.p.nb; b++ {
		at := b*g.p.nd + r
		c := &g.cells[at]
		*c = cell{}
		ideal := g.p.ideal[int(g.p.zone[b])*g.p.nd+r]
		if !g.p.alive[b] || ideal <= 0 || g.p.total[r] <= 0 {
			c.hard, c.hot = inf, inf
			continue
		}
		scale := ideal / max(ideal, g.p.floor[r])
		c.inv = 1 / (g.p.capacity[at] * ideal)
		c.spread = w * spreadShare * g.p.capacity[at] / capacity /
			(2 * math.Sqrt(float64(m.spread*m.spread)+float64(1/(g.sharpness*g.sharpness))))
		c.top = top / scale
		c.over = w * overShare * g.sharpness / 2 * scale * scale
		c.low = low
		c.under = w * underShare * g.sharpness / 2
		c.hard = g.p.hard[at] * c.inv
		c.hot = min(hotSpot/scale, c.hard)
		if g.p.dims[r].hard && g.p.weight[r] > 0 {
			c.cool = g.p.granularity() * tuned.HotPrice / float64(len(xs)) * min(1, g.sharpness/tuned.HotSharpness)
		}
		c.overload = tuned.Overload
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
	at := int(b) * g.p.nd
	sum := 0.0
	for r := 0; r < g.p.nd; r++ {
		c := &g.cells[at+r]
		sum += c.value(g.st.load[at+r])
		g.price[at+r] = c.slope(g.st.load[at+r])
	}
	g.cost[b] = sum
}

// leastPrices finds, per zone and dimension, the least price among brokers
// that may receive.
func (g *surrogate) leastPrices() {
	for i := range g.least {
		g.least[i] = inf
	}
	for b := 0; b < g.p.nb; b++ {
		if !g.p.alive[b] || g.p.frozen[b] {
			continue
		}
		z := int(g.p.zone[b]) * g.p.nd
		for r := 0; r < g.p.nd; r++ {
			g.least[z+r] = math.Min(g.least[z+r], g.price[b*g.p.nd+r])
		}
	}
}

// with is broker b's cost with f followers and l leaders of partition i more,
// less its cost now; +Inf when that newly breaks its capacity.
func (g *surrogate) with(b int32, i int, f, l float64) float64 {
	at := int(b) * g.p.nd
	cells := g.cells[at : at+g.p.nd]
	load := g.st.load[at : at+g.p.nd]
	fol, led := g.p.folRow(i), g.p.ledRow(i)
	if len(cells) != len(load) || len(fol) != len(load) || len(led) != len(load) {
		return inf
	}
	if f > 0 && !g.p.takes(b, i) {
		return inf
	}
	sum := 0.0
	for r := range load {
		d := float64(f*fol[r]) + float64(l*led[r])
		if d > 0 && load[r]+d > g.p.hard[at+r] {
			return inf
		}
		sum += cells[r].value(load[r] + d)
	}
	return sum - g.cost[b]
}

// member is with for a broker that has partition i, noted while best looks at
// the partition.
func (g *surrogate) member(b int32, i int, f, l int8, m *notes) float64 {
	key := memoKey{b, f, l}
	if !m.keep {
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
func (g *surrogate) delta(c change, m *notes) float64 {
	m.evaluations++
	md, ld := g.st.costDelta(c)
	v := float64(float64(md)*g.p.size[c.i]*g.bytePrice) + float64(float64(ld)*g.leadPrice) + g.st.localDelta(c)
	old := g.st.leader[c.i]
	if c.k < 0 {
		if old == c.lead {
			return v
		}
		return v + g.member(old, c.i, 0, -1, m) + g.member(c.lead, c.i, 0, 1, m)
	}
	from := g.st.slots[int(g.p.off[c.i])+c.k]
	var fromLead int8
	var toLead float64
	if from == old {
		fromLead = -1
	}
	if c.to == c.lead {
		toLead = 1
	}
	v += g.member(from, c.i, -1, fromLead, m) + g.with(c.to, c.i, 1, toLead)
	if old != from && old != c.lead {
		v += g.member(old, c.i, 0, -1, m)
	}
	if c.lead != c.to && old != c.lead {
		v += g.member(c.lead, c.i, 0, 1, m)
	}
	return v
}

// commit makes the change and updates the prices it touches.
func (g *surrogate) commit(c change) {
	old := g.st.leader[c.i]
	if c.k >= 0 {
		from := g.st.slots[int(g.p.off[c.i])+c.k]
		g.st.apply(c)
		g.repriceIn(from)
		g.repriceIn(c.to)
	} else {
		g.st.apply(c)
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
	if !g.p.alive[b] || g.p.frozen[b] {
		return
	}
	z, at := int(g.p.zone[b])*g.p.nd, int(b)*g.p.nd
	for r := 0; r < g.p.nd; r++ {
		g.least[z+r] = min(g.least[z+r], g.price[at+r])
	}
}
