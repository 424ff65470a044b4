package execute

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// extend makes moves for partitions that sit on draining brokers and that no
// move takes away: topics made, grown or recreated since the plan, and
// internal topics that a plan left out.
func extend(moves []Move, v View, s Sizes, draining []int) []Move {
	if len(draining) == 0 {
		return nil
	}
	planned := map[TP]bool{}
	load := map[int]cluster.Bytes{}
	for b, bs := range s.Brokers {
		for _, n := range bs.Replicas {
			load[b] += n
		}
	}
	for _, m := range moves {
		if m.Dropped == "" {
			planned[m.tp()] = true
			for _, b := range without(m.Target, m.Original) {
				load[b] += m.Size
			}
		}
	}
	var out []Move
	for _, name := range sortedTopics(v) {
		t := v.Topics[name]
		for i, p := range t.Partitions {
			tp := TP{name, i}
			if planned[tp] || len(without(p.Replicas, draining)) == len(p.Replicas) {
				continue
			}
			size := leaderSize(tp, p, s, 0)
			target, ok := replace(p.Replicas, v, draining, load)
			if !ok {
				continue // nowhere to go; the proof will say so
			}
			for _, b := range without(target, p.Replicas) {
				load[b] += size
			}
			out = append(out, Move{Topic: name, TopicID: t.ID, Partition: i, Original: slices.Clone(p.Replicas), Target: target,
				Size: size, Internal: t.Internal})
		}
	}
	return out
}

// replace puts another broker in the place of every replica that cannot stay
// (draining or dead), in the same place of the list: one of a zone that holds
// no other replica if there is one, else of the zone with the fewest, and of
// those the one with the least data. False when there are not enough brokers.
func replace(replicas []int, v View, draining []int, load map[int]cluster.Bytes) ([]int, bool) {
	out := slices.Clone(replicas)
	for i, r := range out {
		if v.alive(r) && !slices.Contains(draining, r) {
			continue
		}
		zones := map[string]int{}
		for j, o := range out {
			if j != i {
				zones[v.Brokers[o].Zone]++
			}
		}
		best := -1
		for _, b := range aliveBrokers(v) {
			if slices.Contains(draining, b) || slices.Contains(out, b) || slices.Contains(replicas, b) {
				continue
			}
			if best < 0 {
				best = b
				continue
			}
			zb, zo := zones[v.Brokers[b].Zone], zones[v.Brokers[best].Zone]
			if zb < zo || (zb == zo && load[b] < load[best]) {
				best = b
			}
		}
		if best < 0 {
			return nil, false
		}
		out[i] = best
	}
	return out, true
}

// replan gives a move another target: from where the partition is now, what
// must leave leaves, and what cannot be reached is replaced. False when nothing
// is left to do or nowhere is left to go; why says which.
func replan(m Move, v View, draining []int, load map[int]cluster.Bytes) (Move, bool, string) {
	now, ok := v.Partition(m.tp())
	if !ok {
		return m, false, "partition is not there any more"
	}
	base := m.Target
	if !onPath(now.Replicas, m.Original, m.Target) {
		base = now.Replicas // somebody else moved it; only what must leave leaves
		m.Original = slices.Clone(now.Replicas)
	}
	target := slices.Clone(base)
	for i, b := range base {
		if v.alive(b) && !slices.Contains(draining, b) {
			continue
		}
		// Staying where it is beats a third place, if it may stay.
		if stay := firstStaying(now.Replicas, target, v, draining); stay >= 0 {
			target[i] = stay
		}
	}
	target, ok = replace(target, v, draining, load)
	if !ok {
		return m, false, "no other broker can take it"
	}
	if sameSet(target, now.Replicas) && slices.Equal(target, now.Replicas) {
		return m, false, "its destination is gone and it can stay where it is"
	}
	m.Target = target
	return m, true, ""
}

func firstStaying(current, target []int, v View, draining []int) int {
	for _, b := range current {
		if v.alive(b) && !slices.Contains(draining, b) && !slices.Contains(target, b) {
			return b
		}
	}
	return -1
}
