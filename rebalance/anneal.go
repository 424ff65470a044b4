package rebalance

import (
	"context"
	"math"
)

// annealer searches a small cluster with the objective itself: leaders, moves,
// swaps of two replicas and ways home, at random, worse ones accepted within a
// threshold that falls to nothing (Dueck and Scheuer's threshold accepting,
// which needs no exponential and so gives the same plan on every machine).
type annealer struct {
	sr  *search
	w   *sweeper
	st  *state
	rng uint64

	inv   []float64 // nb*nd: load to share of the ideal; 0 where there is none
	scale []float64 // nb*nd: share of the ideal to share of max(ideal, floor)
	share []float64 // nb*nd: the broker's part of the capacity

	best      saved
	bestValue float64
	value     float64
	undo      []change
	want      []int32
}

// annealDims is the most dimensions that the annealer has room for: the goals,
// and three of them for each of a forecast's blocks, with some to spare.
const annealDims = 24

// The threshold, in points, within which a worse placement is accepted.
const (
	// annealHeat is what it starts at, in replicas' shares of the objective: one
	// change moves the objective by about one. With few of them, of which
	// annealFew is the measure, there is little between the best and the worst
	// placement, and more is needed. Held by make rebalance-truth, which compares a
	// thousand plans with the optimum.
	annealHeat = 2
	annealFew  = 100
	// annealCooling is by how much less every further round starts.
	annealCooling = 4
	// interruptEvery is how many proposals lie between two looks at the context: a
	// few milliseconds.
	interruptEvery = 4096
	// same is the difference in points that is rounding.
	same = 1e-12
)

// proposals is how many changes are tried, zero where the cluster is too large
// for it to be worth the time.
func (sr *search) proposals() int {
	if sr.st.nd > annealDims || sr.st.np == 0 || len(sr.st.slots) > int(tuned.AnnealReplicas) {
		return 0
	}
	n := min(int(tuned.AnnealMost), int(tuned.AnnealWork)/max(1, sr.st.nb))
	if sr.w.limit > 0 {
		n = min(n, int(max(0, sr.w.limit-sr.w.evaluations())))
	}
	return n
}

func newAnnealer(sr *search, seed uint64) *annealer {
	a := &annealer{sr: sr, w: sr.w, st: sr.st, rng: mix(seed)}
	n := a.st.nb * a.st.nd
	a.inv, a.scale, a.share = make([]float64, n), make([]float64, n), make([]float64, n)
	for r := 0; r < a.st.nd; r++ {
		var capacity float64
		for b := 0; b < a.st.nb; b++ {
			if a.st.alive[b] {
				capacity += a.st.capacity[b*a.st.nd+r]
			}
		}
		for b := 0; b < a.st.nb; b++ {
			at := b*a.st.nd + r
			ideal := a.st.ideal[int(a.st.zone[b])*a.st.nd+r]
			if !a.st.alive[b] || ideal <= 0 || a.st.total[r] <= 0 {
				continue
			}
			a.inv[at] = 1 / (a.st.capacity[at] * ideal)
			a.scale[at] = ideal / max(ideal, a.st.floor[r])
			a.share[at] = a.st.capacity[at] / capacity
		}
	}
	return a
}

// run makes n proposals and leaves the best placement found.
func (a *annealer) run(ctx context.Context, n int) error {
	a.value = a.measureAll()
	a.best, a.bestValue = a.st.save(), a.value
	n64 := float64(len(a.st.slots))
	hot := annealHeat * max(a.value, 1) / n64 * (1 + annealFew/n64)
	rounds := int(tuned.AnnealRounds)
	for range rounds {
		for k := range n / rounds {
			if k%interruptEvery == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			left := 1 - float64(k)/float64(n/rounds)
			a.step(hot * left * left)
		}
		a.st.restoreFrom(a.best)
		a.value = a.bestValue
		hot /= annealCooling
	}
	a.w.renew()
	return nil
}

func (a *annealer) next(n int) int {
	a.rng += 0x9e3779b97f4a7c15
	x := (a.rng ^ a.rng>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return int((x >> 32) * uint64(n) >> 32)
}

// step proposes one change and accepts it when it costs less than the
// threshold.
func (a *annealer) step(threshold float64) {
	a.undo = a.undo[:0]
	var ok bool
	switch a.next(8) {
	case 0:
		ok = a.proposeLeader()
	case 1, 2, 3:
		ok = a.proposeMove()
	case 4, 5:
		ok = a.proposeSwap()
	case 6:
		ok = a.proposeHome()
	default:
		ok = a.proposeAnew()
	}
	if len(a.undo) == 0 {
		return
	}
	a.w.hand.evaluations++
	if ok {
		v := a.measureAll()
		if v-a.value <= threshold*float64(a.next(1<<16))/(1<<15) {
			a.value = v
			if v < a.bestValue-same {
				a.best.copyFrom(a.st)
				a.bestValue = v
			}
			return
		}
	}
	for k := len(a.undo) - 1; k >= 0; k-- {
		a.st.apply(a.undo[k])
	}
}

// make applies one change of a proposal and tells whether brokers have room.
func (a *annealer) make(c change) bool {
	a.undo = append(a.undo, a.st.inverse(c))
	old := a.st.leader[c.i]
	a.st.apply(c)
	return (c.k < 0 || a.fits(c.to)) && (c.lead == old || a.fits(c.lead))
}

func (a *annealer) fits(b int32) bool {
	at := int(b) * a.st.nd
	for r := 0; r < a.st.nd; r++ {
		if a.st.load[at+r] > a.st.hard[at+r] {
			return false
		}
	}
	return true
}

func (a *annealer) partition() (int, bool) {
	i := a.next(a.st.np)
	return i, !a.st.fixed[i] && !a.st.frozen[a.st.leader[i]] && a.st.alive[a.st.leader[i]]
}

func (a *annealer) mayLead(b int32) bool { return a.st.alive[b] && !a.st.frozen[b] }

func (a *annealer) proposeLeader() bool {
	i, ok := a.partition()
	if !ok {
		return false
	}
	reps := a.st.replicas(a.st.slots, i)
	lead := reps[a.next(len(reps))]
	if lead == a.st.leader[i] || !a.mayLead(lead) {
		return false
	}
	return a.make(change{i: i, k: -1, to: -1, lead: lead})
}

// legal tells whether slot k of partition i may go to broker to.
func (a *annealer) legal(i, k int, to int32) bool {
	reps := a.st.replicas(a.st.slots, i)
	return a.mayLead(to) && a.st.takes(to, i) && !a.st.frozen[reps[k]] && a.st.alive[reps[k]] && !contains(reps, to) &&
		(a.st.zone[to] == a.st.zone[reps[k]] || a.st.distinctZones(reps, k, a.st.zone[to]) >= int(a.st.rules[i].need) &&
			a.st.roomInZone(i, reps, k, a.st.zone[to]))
}

// leadAfter is who leads partition i once slot k has gone to broker to: mostly
// nothing changes, and sometimes anybody.
func (a *annealer) leadAfter(i, k int, to int32) int32 {
	reps := a.st.replicas(a.st.slots, i)
	lead := a.st.leader[i]
	if a.next(4) == 0 {
		if l := reps[a.next(len(reps))]; a.mayLead(l) {
			lead = l
		}
	}
	if lead == reps[k] {
		return to
	}
	return lead
}

func (a *annealer) proposeMove() bool {
	i, ok := a.partition()
	if !ok {
		return false
	}
	reps := a.st.replicas(a.st.slots, i)
	k := a.next(len(reps))
	to := int32(a.next(a.st.nb))
	if in := a.w.all[a.st.zone[reps[k]]]; len(in) > 0 && a.next(8) > 0 {
		to = in[a.next(len(in))]
	}
	if !a.legal(i, k, to) {
		return false
	}
	return a.make(change{i: i, k: k, to: to, lead: a.leadAfter(i, k, to)})
}

// proposeSwap lets two replicas change places.
func (a *annealer) proposeSwap() bool {
	i, ok := a.partition()
	j, ok2 := a.partition()
	if !ok || !ok2 || i == j {
		return false
	}
	ri, rj := a.st.replicas(a.st.slots, i), a.st.replicas(a.st.slots, j)
	ki, kj := a.next(len(ri)), a.next(len(rj))
	from, to := ri[ki], rj[kj]
	if from == to || !a.legal(i, ki, to) || !a.legal(j, kj, from) {
		return false
	}
	// The first half may overfill a broker that the second half relieves.
	a.make(change{i: i, k: ki, to: to, lead: a.leadAfter(i, ki, to)})
	a.make(change{i: j, k: kj, to: from, lead: a.leadAfter(j, kj, from)})
	return a.fits(from) && a.fits(to) && a.fits(a.st.leader[i]) && a.fits(a.st.leader[j])
}

// proposeHome takes one replica that was moved back to where it was.
func (a *annealer) proposeHome() bool {
	for range 8 {
		i, ok := a.partition()
		if !ok || a.st.moved[i] == 0 {
			continue
		}
		reps, orig := a.st.replicas(a.st.slots, i), a.st.replicas(a.st.orig, i)
		home := orig[a.next(len(orig))]
		if contains(reps, home) {
			continue
		}
		k := a.next(len(reps))
		if contains(orig, reps[k]) || !a.legal(i, k, home) {
			continue
		}
		return a.make(change{i: i, k: k, to: home, lead: a.leadAfter(i, k, home)})
	}
	return false
}

// proposeAnew places a partition from scratch: what single moves cannot do
// without breaking the zone rule on the way.
func (a *annealer) proposeAnew() bool {
	i, ok := a.partition()
	if !ok {
		return false
	}
	reps := a.st.replicas(a.st.slots, i)
	a.want = a.want[:0]
	for tries := 0; len(a.want) < len(reps); tries++ {
		b := int32(a.next(a.st.nb))
		if tries > 8*len(reps) {
			return false
		}
		if a.mayLead(b) && a.st.takes(b, i) && !contains(a.want, b) {
			a.want = append(a.want, b)
		}
	}
	for _, b := range reps {
		if a.st.frozen[b] || !a.st.alive[b] {
			return false
		}
	}
	if !a.st.keepsZones(i, a.want) {
		return false
	}
	lead := a.want[a.next(len(a.want))]
	room := true
	for k, b := range reps {
		if contains(a.want, b) {
			continue
		}
		for _, to := range a.want {
			if !contains(reps, to) {
				c := change{i: i, k: k, to: to, lead: a.st.leader[i]}
				if c.lead == b {
					c.lead = to
				}
				room = a.make(c) && room
				break
			}
		}
	}
	if a.st.leader[i] != lead {
		room = a.make(change{i: i, k: -1, to: -1, lead: lead}) && room
	}
	return room
}

// measureAll is search.objective, in one pass.
func (a *annealer) measureAll() float64 {
	var over, under, square [annealDims]float64
	nd := a.st.nd
	for r := range under {
		under[r] = inf
	}
	for b, alive := range a.st.alive {
		if !alive {
			continue
		}
		at := b * nd
		for r := 0; r < nd; r++ {
			if a.inv[at+r] == 0 {
				continue
			}
			x := float64(a.st.load[at+r] * a.inv[at+r])
			over[r] = max(over[r], x*a.scale[at+r])
			under[r] = min(under[r], x)
			square[r] += float64(a.share[at+r] * (x - 1) * (x - 1))
		}
	}
	v := 0.0
	for r := 0; r < nd; r++ {
		if square[r] == 0 && over[r] == 0 {
			continue
		}
		m := imbalance{over: over[r], under: min(under[r], 1), spread: math.Sqrt(square[r])}
		v += float64(points * a.st.weight[r] * m.value())
		if a.st.dims[r].hard && a.st.weight[r] > 0 {
			v += float64(a.sr.hotPrice * max(0, over[r]-hotSpot))
		}
	}
	if a.st.local != nil {
		v += a.st.localPoints()
	}
	return v + float64((a.st.bytes-a.sr.forced)*a.sr.price) + float64(float64(a.st.leaderOnly)*a.w.g.leadPrice)
}

func (v *saved) copyFrom(s *state) {
	copy(v.slots, s.slots)
	copy(v.leader, s.leader)
}

func (s *state) restoreFrom(v saved) {
	copy(s.slots, v.slots)
	copy(s.leader, v.leader)
	s.reload()
}
