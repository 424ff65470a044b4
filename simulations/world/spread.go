package world

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// PlanSpread plans the moves that a plain operator would make: everything off
// the brokers from ordinal keep on, and the rest evened out over what stays.
// It is greedy and knows sizes and rates only; the simulator gives it to the
// policies that bring no planner of their own.
func (w *World) PlanSpread(keep int) []cluster.Move {
	var out []cluster.Move
	for _, x := range w.spread(keep) {
		p := &w.parts[x.part]
		t := &w.topics[p.topic]
		out = append(out, cluster.Move{Topic: t.spec.Name, Partition: int(x.part - t.first), From: ints(p.replicas), To: ints(x.to), SizeBytes: cluster.Bytes(w.sizeOf(p))})
	}
	return out
}

// Spread plans like PlanSpread, and starts the moves.
func (w *World) Spread(keep int) error { return w.submit(w.spread(keep)) }

func (w *World) spread(keep int) []wish {
	s := spreader{w: w, keep: keep, score: make([]float64, len(w.brokers)), weight: make([]float64, len(w.parts))}
	s.prepare()
	if s.alive == 0 {
		return nil
	}
	s.drain()
	for range 3 { // one replica of a partition at a time, so a few rounds
		if !s.even() {
			break
		}
	}
	s.lead()
	return s.wishes()
}

type spreader struct {
	w      *World
	keep   int
	alive  int
	score  []float64 // by broker
	weight []float64 // by partition: what one replica of it adds to a score
	mean   float64
	to     [][]int32 // by partition; nil is unchanged
}

func (s *spreader) prepare() {
	w := s.w
	s.to = make([][]int32, len(w.parts))
	size, rate := 0.0, 0.0
	for i := range w.parts {
		p := &w.parts[i]
		size += w.sizeOf(p)
		rate += p.share * w.p[w.topics[p.topic].class]
	}
	total := 0.0
	for i := range w.parts {
		p := &w.parts[i]
		s.weight[i] = ratio(w.sizeOf(p), size) + ratio(p.share*w.p[w.topics[p.topic].class], rate)
		for _, r := range p.replicas {
			s.score[r] += s.weight[i]
			total += s.weight[i]
		}
	}
	for i := range w.brokers {
		if s.receives(int32(i)) {
			s.alive++
		}
	}
	s.mean = ratio(total, float64(s.alive))
}

func (s *spreader) receives(b int32) bool {
	return int(b) < s.keep && s.w.brokers[b].state == cluster.BrokerAlive
}

// receiver is the least loaded broker that may take slot j of a replica list;
// another zone than the others' first, −1 if there is none.
func (s *spreader) receiver(list []int32, j int) int32 {
	best, bestScore := int32(-1), 0.0
	for pass := 0; pass < 2 && best < 0; pass++ {
		for i := range s.w.brokers {
			b := int32(i)
			if !s.receives(b) || slices.Contains(list, b) || (pass == 0 && s.zoneTaken(list, j, b)) {
				continue
			}
			if best < 0 || s.score[b] < bestScore {
				best, bestScore = b, s.score[b]
			}
		}
	}
	return best
}

func (s *spreader) zoneTaken(list []int32, j int, b int32) bool {
	for i, r := range list {
		if i != j && s.w.brokers[r].zoneNo == s.w.brokers[b].zoneNo {
			return true
		}
	}
	return false
}

// drain takes everything off the brokers that leave.
func (s *spreader) drain() {
	for i := range s.w.parts {
		p := &s.w.parts[i]
		for j, r := range p.replicas {
			if int(r) >= s.keep && !p.moving {
				s.replace(i, j, s.receiver(s.list(i), j))
			}
		}
	}
}

// even moves replicas from brokers above the mean to those below it, followers
// rather than leaders, and tells whether it moved any.
func (s *spreader) even() bool {
	const tolerance = 0.03
	moved := false
	for i := range s.w.parts {
		p := &s.w.parts[i]
		if p.moving || p.leader < 0 || s.to[i] != nil {
			continue
		}
		list := s.list(i)
		for j := len(list) - 1; j >= 0; j-- {
			r := list[j]
			if s.score[r] <= s.mean*(1+tolerance) {
				continue
			}
			b := s.receiver(list, j)
			if b < 0 || s.zoneTaken(list, j, b) && !s.zoneTaken(list, j, r) {
				continue
			}
			if s.score[b]+s.weight[i] < s.score[r] && s.score[b]+s.weight[i] <= s.mean*(1+tolerance) {
				s.replace(i, j, b)
				moved = true
				break
			}
		}
	}
	return moved
}

// lead picks, for every partition in turn, the replica whose broker leads
// least: leadership costs nothing to move.
func (s *spreader) lead() {
	leads := make([]float64, len(s.w.brokers))
	rate := func(i int) float64 {
		p := &s.w.parts[i]
		return p.share * s.w.p[s.w.topics[p.topic].class]
	}
	total := 0.0
	for i := range s.w.parts {
		leads[s.list(i)[0]] += rate(i)
		total += rate(i)
	}
	mean := ratio(total, float64(s.alive))
	for range 2 {
		for i := range s.w.parts {
			list := s.list(i)
			if s.w.parts[i].moving || leads[list[0]] <= mean*1.02 {
				continue
			}
			best := 0
			for j := 1; j < len(list); j++ {
				if s.receives(list[j]) && leads[list[j]] < leads[list[best]] {
					best = j
				}
			}
			if r := rate(i); best > 0 && leads[list[best]]+r < leads[list[0]] {
				leads[list[0]] -= r
				leads[list[best]] += r
				l := s.own(i)
				l[0], l[best] = l[best], l[0]
			}
		}
	}
}

func (s *spreader) list(i int) []int32 {
	if l := s.to[i]; l != nil {
		return l
	}
	return s.w.parts[i].replicas
}

func (s *spreader) replace(i, j int, b int32) {
	if b < 0 {
		return
	}
	l := s.own(i)
	s.score[l[j]] -= s.weight[i]
	s.score[b] += s.weight[i]
	l[j] = b
}

// own is the partition's list, to be changed.
func (s *spreader) own(i int) []int32 {
	if s.to[i] == nil {
		s.to[i] = slices.Clone(s.w.parts[i].replicas)
	}
	return s.to[i]
}

func (s *spreader) wishes() []wish {
	var out []wish
	for i, l := range s.to {
		if l != nil {
			out = append(out, wish{int32(i), l})
		}
	}
	return out
}

func ints(in []int32) []int {
	out := make([]int, len(in))
	for i, v := range in {
		out[i] = int(v)
	}
	return out
}
