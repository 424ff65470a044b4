package rebalance

import "slices"

// legalise makes the forced moves: it takes replicas off brokers that must end
// up empty and mends the zone rule, moving no byte more than that. It goes
// from the largest partition to the smallest, as the large ones have the
// fewest places to go. What cannot be placed stays and is returned.
func (w *sweeper) legalise() (stuck []int) {
	var todo []int
	for i := 0; i < w.p.np; i++ {
		if w.broken(i) {
			if w.p.fixed[i] {
				stuck = append(stuck, i)
			} else {
				todo = append(todo, i)
			}
		}
	}
	slices.SortStableFunc(todo, func(a, b int) int {
		switch {
		case w.p.size[a] > w.p.size[b]:
			return -1
		case w.p.size[a] < w.p.size[b]:
			return 1
		}
		return 0
	})
	w.renew()
	for n, i := range todo {
		for w.broken(i) {
			if !w.mend(i) {
				stuck = append(stuck, i)
				w.p.fixed[i] = true
				break
			}
		}
		if n%w.refreshN == w.refreshN-1 {
			w.renew()
		}
	}
	slices.Sort(stuck)
	return stuck
}

// broken tells whether partition i breaks a rule that only a move mends.
func (w *sweeper) broken(i int) bool {
	reps := w.p.replicas(w.st.slots, i)
	for _, b := range reps {
		if !w.p.alive[b] {
			return true
		}
	}
	return !w.p.keepsZones(i, reps)
}

// mend moves one replica of partition i that must go: first one on a broker
// that may not keep it, else one of a zone that holds too many, else one whose
// zone has another. What must go finds a place even where the zones have none
// by the rule.
func (w *sweeper) mend(i int) bool {
	reps := w.p.replicas(w.st.slots, i)
	slots, homeless := w.toMend(i, reps)
	// A new zone is needed when the replicas still to be placed are only just
	// enough to reach the distinct zones that are missing.
	missing := int(w.p.rules[i].need) - w.p.distinctZones(reps, -1, -1)
	mustWiden := missing > 0 && missing >= homeless
	for _, strict := range []bool{true, false} {
		if !strict && homeless == 0 {
			break
		}
		for _, roomy := range []bool{true, false} {
			if c, ok := w.cheapest(i, slots, mustWiden, strict, roomy); ok {
				w.g.commit(c)
				return true
			}
		}
	}
	return false
}

// toMend lists the slots that mend chooses from; homeless of the partition's
// replicas are on brokers that may not keep them.
func (w *sweeper) toMend(i int, reps []int32) (slots []int, homeless int) {
	for k, b := range reps {
		if !w.p.alive[b] {
			slots = append(slots, k)
		}
	}
	if len(slots) > 0 {
		return slots, len(slots)
	}
	crowded := w.p.crowding(i, reps) > 0
	for k, b := range reps {
		switch {
		case w.p.frozen[b]:
		case crowded && w.p.inZone(reps, -1, w.p.zone[b]) > int(w.p.limit(i, w.p.zone[b])),
			!crowded && w.p.distinctZones(reps, k, -1) == w.p.distinctZones(reps, -1, -1):
			slots = append(slots, k)
		}
	}
	return slots, 0
}

// cheapest finds the cheapest place for one of the slots; without strict a zone
// may hold more than its share, without roomy a broker may be overloaded.
func (w *sweeper) cheapest(i int, slots []int, mustWiden, strict, roomy bool) (found change, ok bool) {
	reps := w.p.replicas(w.st.slots, i)
	now := w.p.distinctZones(reps, -1, -1)
	best := inf
	for _, k := range slots {
		for z, to := range w.all {
			if mustWiden && w.p.distinctZones(reps, k, int32(z)) <= now || strict && !w.p.roomInZone(i, reps, k, int32(z)) {
				continue
			}
			for _, d := range to {
				if contains(reps, d) || !w.p.takes(d, i) {
					continue
				}
				if c, v := w.place(i, k, d, roomy); v < best {
					found, best, ok = c, v, true
				}
			}
		}
	}
	return found, ok
}

// place prices moving slot k to d, with the leader where it is cheapest.
func (w *sweeper) place(i, k int, d int32, roomy bool) (found change, best float64) {
	best = inf
	reps := w.p.replicas(w.st.slots, i)
	from, lead := reps[k], w.st.leader[i]
	for _, l := range append([]int32{d}, reps...) {
		if l == from || (l != d && !w.p.alive[l]) || (w.p.frozen[l] && l != lead) {
			continue
		}
		c := change{i: i, k: k, to: d, lead: l}
		v := 0.0
		if roomy {
			v = w.g.delta(c, w.hand)
		} else {
			v = w.crowded(c)
		}
		if v < best {
			found, best = c, v
		}
	}
	return found, best
}

// crowded prices a change by how full it leaves its destination, for when
// nothing has room.
func (w *sweeper) crowded(c change) float64 {
	worst := 0.0
	at := int(c.to) * w.p.nd
	for r := 0; r < w.p.nd; r++ {
		v := w.st.load[at+r] + w.p.folRow(c.i)[r]
		if c.lead == c.to {
			v += w.p.ledRow(c.i)[r]
		}
		worst = max(worst, v/w.p.hard[at+r])
	}
	if c.lead != c.to && c.lead != w.st.leader[c.i] {
		at = int(c.lead) * w.p.nd
		for r := 0; r < w.p.nd; r++ {
			worst = max(worst, (w.st.load[at+r]+w.p.ledRow(c.i)[r])/w.p.hard[at+r])
		}
	}
	return worst
}
