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
	s := spreader{w: w, keep: keep, score: make([]float64, len(w.brokers)), weight: make([]float64, len(w.parts))}
	s.prepare()
	if s.alive == 0 {
		return nil
	}
	s.drain()
	s.even()
	return s.moves()
}

type spreader struct {
	w      *World
	keep   int
	alive  int
	score  []float64 // by broker
	weight []float64 // by partition: what one replica of it adds to a score
	mean   float64
	to     map[int][]int32
}

func (s *spreader) prepare() {
	w := s.w
	s.to = map[int][]int32{}
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
		if i != j && s.w.brokers[r].zone == s.w.brokers[b].zone {
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

// even moves replicas from brokers above the mean to those below it.
func (s *spreader) even() {
	const tolerance = 0.05
	for i := range s.w.parts {
		p := &s.w.parts[i]
		if p.moving || p.leader < 0 {
			continue
		}
		for j, r := range s.list(i) {
			if s.score[r] <= s.mean*(1+tolerance) {
				continue
			}
			b := s.receiver(s.list(i), j)
			if b < 0 || s.zoneTaken(s.list(i), j, b) && !s.zoneTaken(s.list(i), j, r) {
				continue
			}
			if s.score[b]+s.weight[i] <= s.mean*(1+tolerance/2) {
				s.replace(i, j, b)
				break // one replica of a partition at a time
			}
		}
	}
}

func (s *spreader) list(i int) []int32 {
	if l, ok := s.to[i]; ok {
		return l
	}
	return s.w.parts[i].replicas
}

func (s *spreader) replace(i, j int, b int32) {
	if b < 0 {
		return
	}
	l := slices.Clone(s.list(i))
	s.score[l[j]] -= s.weight[i]
	s.score[b] += s.weight[i]
	l[j] = b
	s.to[i] = l
}

func (s *spreader) moves() []cluster.Move {
	var out []cluster.Move
	for i := range s.w.parts {
		l, ok := s.to[i]
		if !ok {
			continue
		}
		p := &s.w.parts[i]
		t := &s.w.topics[p.topic]
		out = append(out, cluster.Move{Topic: t.spec.Name, Partition: i - int(t.first), From: ints(p.replicas), To: ints(l), SizeBytes: cluster.Bytes(s.w.sizeOf(p))})
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
