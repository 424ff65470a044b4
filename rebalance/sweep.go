package rebalance

import "runtime"

// sweeper looks at every partition in turn and takes its best change. Prices
// bound each gain from above, so most replicas are passed over after one row
// of multiplications.
type sweeper struct {
	p  *problem
	st *state
	g  *surrogate

	all       [][]int32 // zone -> brokers that may receive
	receivers [][]int32 // zone -> those of them worth looking at now
	mixes     [][]float64
	turn      int
	// limit bounds the evaluations; zero stands for none.
	limit int64
	// still keeps replicas where they are.
	still bool
	// eps is the least gain worth a change.
	eps float64
	// maxBytes bounds what is moved; +Inf without a budget.
	maxBytes float64
	since    int // changes since the last refresh
	refreshN int
	// A partition that had nothing to gain idle times running rests for so many
	// sweeps, as prices move slowly.
	idle, rest []int8

	chunkSize int
	chunk     []int
	found     []finding
	stamp     int64
	stamps    []int64 // broker -> stamp of its last change
	renewed   int64   // stamp of the last renewal within a chunk

	hand, other *notes // of this thread, and of the second one
}

func newSweeper(g *surrogate) *sweeper {
	w := &sweeper{p: g.p, st: g.st, g: g, hand: new(notes), other: new(notes), all: make([][]int32, g.p.nz),
		receivers: make([][]int32, g.p.nz), eps: noGain, maxBytes: inf}
	for b := 0; b < g.p.nb; b++ {
		if g.p.alive[b] && !g.p.frozen[b] {
			w.all[g.p.zone[b]] = append(w.all[g.p.zone[b]], int32(b))
		}
	}
	w.refreshN = max(int(tuned.RefreshLeast), g.p.nb/int(tuned.RefreshShare))
	w.chunkSize = chunkFor(g.p.np)
	w.findMixes()
	w.stamps = make([]int64, g.p.nb)
	w.renewed = -1
	w.idle, w.rest = make([]int8, g.p.np), make([]int8, g.p.np)
	return w
}

// sweep visits every partition once, in an order that a seed fixes, and
// returns how many changes it made.
func (w *sweeper) sweep(seed uint64) int { return w.sweepPart(seed, 1) }

// sweepPart visits one partition in share.
func (w *sweeper) sweepPart(seed uint64, share int) int {
	w.renew()
	made := 0
	step := stride(w.p.np, seed)
	at := int(mix(seed) % uint64(max(1, w.p.np)))
	w.chunk = w.chunk[:0]
	for range w.p.np / share {
		if w.spent() {
			break
		}
		if w.rest[at] > 0 {
			w.rest[at]--
		} else if !w.p.fixed[at] {
			if w.chunk = append(w.chunk, at); len(w.chunk) == w.chunkSize {
				made += w.improve()
			}
		}
		at += step
		if at >= w.p.np {
			at -= w.p.np
		}
	}
	return made + w.improve()
}

// renew fits the surrogate to the present loads and chooses destinations.
func (w *sweeper) renew() {
	w.g.refresh()
	w.shortlist()
}

// spent tells whether the evaluations allowed are used up.
func (w *sweeper) spent() bool { return w.limit > 0 && w.evaluations() >= w.limit }

// chunkLeast is how many partitions are worth a second thread.
const chunkLeast = 8

// chunkFor is how many of n partitions are looked at side by side: few enough
// that little changes under them. It is the same whatever the number of
// threads, so that the plan is.
func chunkFor(n int) int { return min(int(tuned.ChunkMost), max(chunkLeast, n/int(tuned.ChunkShare))) }

// improve takes the best change of every partition of the chunk that gains
// anything. The partitions are looked at in parallel, as things are at the
// start, and changed one after the other; one whose brokers another has
// touched is looked at again.
func (w *sweeper) improve() int {
	w.lookAt()
	w.stamp++
	start, made := w.stamp, 0
	for n, i := range w.chunk {
		f := w.found[n]
		if f.gain > w.eps && (w.renewed >= start || w.touched(f.change, start)) {
			f.change, f.gain = w.best(i, w.hand)
		}
		if f.gain <= w.eps || w.st.bytes+w.movedBytes(f.change) > w.maxBytes {
			w.idle[i] = min(w.idle[i]+1, int8(tuned.MaxIdle))
			w.rest[i] = w.idle[i]
			continue
		}
		w.idle[i] = 0
		w.mark(f.change)
		w.g.commit(f.change)
		made++
		if w.since++; w.since >= w.refreshN {
			w.since = 0
			w.renew()
			w.renewed = w.stamp
		}
	}
	w.chunk = w.chunk[:0]
	return made
}

// finding is the best change of a partition.
type finding struct {
	change change
	gain   float64
}

// lookAt finds the best change of every partition of the chunk.
func (w *sweeper) lookAt() {
	w.found = append(w.found[:0], make([]finding, len(w.chunk))...)
	look := func(from, to int, m *notes) {
		for n := from; n < to; n++ {
			w.found[n].change, w.found[n].gain = w.best(w.chunk[n], m)
		}
	}
	n := len(w.chunk)
	if n < w.chunkSize/2 || n < chunkLeast || runtime.GOMAXPROCS(0) == 1 {
		look(0, n, w.hand)
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); look(0, n/2, w.other) }()
	look(n/2, n, w.hand)
	<-done
}

// evaluations is how many changes were priced exactly.
func (w *sweeper) evaluations() int64 { return w.hand.evaluations + w.other.evaluations }

// touched tells whether a broker of the change was changed since a stamp.
func (w *sweeper) touched(c change, since int64) bool {
	old := w.st.leader[c.i]
	if c.k >= 0 && (w.stamps[w.st.slots[int(w.p.off[c.i])+c.k]] >= since || w.stamps[c.to] >= since) {
		return true
	}
	return c.lead != old && (w.stamps[old] >= since || w.stamps[c.lead] >= since)
}

// mark notes that the brokers of a change are touched.
func (w *sweeper) mark(c change) {
	if c.k >= 0 {
		w.stamps[w.st.slots[int(w.p.off[c.i])+c.k]] = w.stamp
		w.stamps[c.to] = w.stamp
	}
	if old := w.st.leader[c.i]; c.lead != old {
		w.stamps[old], w.stamps[c.lead] = w.stamp, w.stamp
	}
}

// best finds the change of partition i that gains most. It writes to m only,
// so that threads may look at partitions side by side.
func (w *sweeper) best(i int, m *notes) (change, float64) {
	m.keep, m.n = true, 0
	found, gain := w.bestOf(i, m)
	m.keep = false
	return found, gain
}

func (w *sweeper) bestOf(i int, m *notes) (change, float64) {
	var (
		found   change
		gain    = 0.0
		reps    = w.p.replicas(w.st.slots, i)
		lead    = w.st.leader[i]
		leadNow = w.dot(w.p.ledRow(i), lead)
	)
	if w.p.frozen[lead] {
		return found, 0
	}
	for _, b := range reps {
		if b == lead || !w.p.alive[b] || w.p.frozen[b] {
			continue
		}
		if w.dot(w.p.ledRow(i), b) < leadNow+w.st.localCredit(i) || !w.p.alive[lead] {
			c := change{i: i, k: -1, to: -1, lead: b}
			if v := -w.g.delta(c, m); v > gain {
				found, gain = c, v
			}
		}
	}
	if w.still {
		return found, gain
	}
	for k := range reps {
		if c, v := w.bestMove(i, k, leadNow, gain, m); v > gain {
			found, gain = c, v
		}
	}
	return found, gain
}

// dot is what partition row v would cost on broker b to first order.
func (w *sweeper) dot(v []float64, b int32) float64 {
	at := int(b) * w.p.nd
	row := w.g.price[at : at+len(v)]
	return dotRow(v, row)
}

// dotRow is the scalar product; six dimensions, the usual number, go without a
// loop. The conversions keep a compiler from fusing the multiplications, which
// would make plans differ between machines.
func dotRow(v, row []float64) float64 {
	if len(v) == 6 && len(row) == 6 {
		v, row := (*[6]float64)(v), (*[6]float64)(row)
		return float64(v[0]*row[0]) + float64(v[1]*row[1]) + float64(v[2]*row[2]) +
			float64(v[3]*row[3]) + float64(v[4]*row[4]) + float64(v[5]*row[5])
	}
	s := 0.0
	for r, x := range v {
		s += float64(x * row[r])
	}
	return s
}

// dotLeast is the same with the least price of the zone in each dimension.
func (w *sweeper) dotLeast(v []float64, z int) float64 {
	return dotRow(v, w.g.least[z*w.p.nd:z*w.p.nd+len(v)])
}

// candidate is a destination and its first-order gain.
type candidate struct {
	to, lead int32
	gain     float64
}

// bestMove finds the best destination of slot k, if it beats gain.
func (w *sweeper) bestMove(i, k int, leadNow, gain float64, m *notes) (change, float64) {
	reps := w.p.replicas(w.st.slots, i)
	from, lead := reps[k], w.st.leader[i]
	if w.p.frozen[from] {
		return change{}, 0
	}
	fol, led := w.p.folRow(i), w.p.ledRow(i)
	fixedGain := w.dot(fol, from) + w.st.localCredit(i)
	orig := w.p.replicas(w.p.orig, i)
	if contains(orig, from) {
		fixedGain -= float64(w.p.size[i] * w.g.bytePrice)
	}
	// other is the member whose leadership costs least once slot k has moved.
	other, otherCost := int32(-1), inf
	for j, b := range reps {
		if j == k || !w.p.alive[b] || (w.p.frozen[b] && b != lead) {
			continue
		}
		if v := w.dot(led, b); v < otherCost || (v == otherCost && b == lead) {
			other, otherCost = b, v
		}
	}
	home := w.homeCredit(i)
	var top ranking
	for z, to := range w.receivers {
		if len(to) == 0 || !w.mayEnter(i, k, int32(z)) {
			continue
		}
		leastLead := min(otherCost, w.dotLeast(led, z))
		if fixedGain+home-w.dotLeast(fol, z)+leadNow-leastLead <= max(gain, w.eps) {
			continue
		}
		w.scan(i, to, offer{fixedGain, leadNow, other, otherCost, leastLead}, max(gain, w.eps), &top)
	}
	return w.tryTop(i, k, top.best[:top.n], gain, m)
}

// homeCredit is what a replica of partition i gives back by going home.
func (w *sweeper) homeCredit(i int) float64 {
	if w.st.moved[i] == 0 {
		return 0
	}
	return float64(w.p.size[i] * w.g.bytePrice)
}

// mayEnter tells whether slot k of partition i may go to zone z.
func (w *sweeper) mayEnter(i, k int, z int32) bool {
	reps := w.p.replicas(w.st.slots, i)
	if w.p.zone[reps[k]] == z && w.p.alive[reps[k]] {
		return true
	}
	need := int(w.p.rules[i].need)
	d := w.p.distinctZones(reps, k, z)
	return (d >= need || d > w.p.distinctZones(reps, -1, -1)) && w.p.roomInZone(i, reps, k, z)
}

// offer is what is known of a replica's move before its destination is.
type offer struct {
	fixedGain, leadNow float64
	other              int32   // who leads at least cost if the destination does not
	otherCost          float64 // what that costs
	leastLead          float64 // no leader of the zone costs less
}

// ranking keeps the three destinations with the greatest first-order gain.
type ranking struct {
	best [3]candidate
	n    int
}

func (t *ranking) add(c candidate) {
	at := min(t.n, 2)
	for at > 0 && c.gain > t.best[at-1].gain {
		at--
	}
	copy(t.best[at+1:], t.best[at:2])
	t.best[at] = c
	t.n = min(t.n+1, 3)
}

// floor is what a candidate must gain to be kept.
func (t *ranking) floor(least float64) float64 {
	if t.n == 3 {
		return max(least, t.best[2].gain)
	}
	return least
}

// scan ranks the destinations of a zone by their first-order gain.
func (w *sweeper) scan(i int, to []int32, o offer, least float64, top *ranking) {
	fol, led := w.p.folRow(i), w.p.ledRow(i)
	reps, orig := w.p.replicas(w.st.slots, i), w.p.replicas(w.p.orig, i)
	credit := w.homeCredit(i)
	floor := top.floor(least)
	most := o.fixedGain + o.leadNow - o.leastLead + credit
	var six *[6]float64
	if len(fol) == 6 {
		six = (*[6]float64)(fol)
	}
	for _, d := range to {
		at := int(d) * w.p.nd
		row := w.g.price[at : at+w.p.nd]
		var f float64
		if six != nil && len(row) == 6 {
			// Here most of a plan's time goes, so the call is spared.
			f = float64(six[0]*row[0]) + float64(six[1]*row[1]) + float64(six[2]*row[2]) +
				float64(six[3]*row[3]) + float64(six[4]*row[4]) + float64(six[5]*row[5])
		} else {
			f = dotRow(fol, row)
		}
		if most-f <= floor {
			continue
		}
		lead, leadCost := o.other, o.otherCost
		if l := dotRow(led, row); l < leadCost {
			lead, leadCost = d, l
		}
		v := o.fixedGain - f + o.leadNow - leadCost
		if credit > 0 && contains(orig, d) {
			v += credit
		}
		if v <= floor || contains(reps, d) {
			continue
		}
		top.add(candidate{d, lead, v})
		floor = top.floor(least)
	}
}

// tryTop evaluates the destinations exactly.
func (w *sweeper) tryTop(i, k int, top []candidate, gain float64, m *notes) (found change, best float64) {
	best = gain
	for _, t := range top {
		if t.gain <= best {
			break
		}
		c := change{i: i, k: k, to: t.to, lead: t.lead}
		if w.st.bytes+w.movedBytes(c) > w.maxBytes {
			continue
		}
		if v := -w.g.delta(c, m); v > best {
			found, best = c, v
		}
		if w.p.local != nil && t.lead != t.to && w.p.zone[t.to] == w.p.local.home[i] {
			if v := -w.g.delta(change{i: i, k: k, to: t.to, lead: t.to}, m); v > best {
				found, best = change{i: i, k: k, to: t.to, lead: t.to}, v
			}
		}
		// Where the leader moves along, its staying behind is worth a look.
		if old := w.st.leader[i]; t.lead != old && w.st.slots[int(w.p.off[i])+k] != old {
			c.lead = old
			if v := -w.g.delta(c, m); v > best {
				found, best = c, v
			}
		}
	}
	return found, best
}

// movedBytes is how many bytes more a change moves.
func (w *sweeper) movedBytes(c change) float64 {
	md, _ := w.st.costDelta(c)
	return float64(md) * w.p.size[c.i]
}

// mix is splitmix64's finaliser: it spreads a counter over 64 bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// stride picks a step that visits n places once each.
func stride(n int, seed uint64) int {
	if n < 2 {
		return 0
	}
	for s := 1 + int(mix(seed^0x5eed)%uint64(n-1)); ; s = s%(n-1) + 1 {
		if gcd(s, n) == 1 {
			return s
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
