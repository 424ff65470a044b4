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
	for _, x := range spread(&w.place, &w.load, keep) {
		p := &w.place.parts[x.part]
		t := &w.place.topics[p.topic]
		out = append(out, cluster.Move{
			Topic: t.spec.Name, Partition: int(x.part - t.first), From: ints(p.replicas), To: ints(x.to),
			SizeBytes: cluster.Bytes(w.place.sizeOf(p)),
		})
	}
	return out
}

// Spread plans like PlanSpread, and starts the moves.
func (w *World) Spread(keep int) error { return w.moves.submit(spread(&w.place, &w.load, keep)) }

func spread(place *placement, load *load, keep int) []wish {
	s := spreader{
		place:  place,
		load:   load,
		keep:   keep,
		score:  make([]float64, len(place.brokers)),
		weight: make([]float64, len(place.parts)),
	}
	s.prepare()
	if s.alive == 0 {
		return nil
	}
	s.drain()
	for range evenRounds {
		if !s.even() {
			break
		}
	}
	s.lead()
	return s.wishes()
}

type spreader struct {
	place  *placement
	load   *load
	keep   int
	alive  int
	score  []float64 // by broker
	weight []float64 // by partition: what one replica of it adds to a score
	mean   float64
	to     [][]int32 // by partition; nil is unchanged
}

func (s *spreader) prepare() {
	s.to = make([][]int32, len(s.place.parts))
	size, rate := 0.0, 0.0
	for i := range s.place.parts {
		p := &s.place.parts[i]
		size += s.place.sizeOf(p)
		rate += s.rate(p)
	}
	total := 0.0
	for i := range s.place.parts {
		p := &s.place.parts[i]
		s.weight[i] = ratio(s.place.sizeOf(p), size) + ratio(s.rate(p), rate)
		for _, r := range p.replicas {
			s.score[r] += s.weight[i]
			total += s.weight[i]
		}
	}
	for i := range s.place.brokers {
		if s.receives(int32(i)) {
			s.alive++
		}
	}
	s.mean = ratio(total, float64(s.alive))
}

func (s *spreader) receives(b int32) bool {
	return int(b) < s.keep && s.place.brokers[b].state == cluster.BrokerAlive
}

// receiver is the least loaded broker that may take slot j of a replica list;
// another zone than the others' first, −1 if there is none.
func (s *spreader) receiver(list []int32, j int) int32 {
	best, bestScore := int32(-1), 0.0
	for pass := 0; pass < 2 && best < 0; pass++ {
		for i := range s.place.brokers {
			b := int32(i)
			if !s.receives(b) || slices.Contains(list, b) || (pass == 0 && s.place.zoneTaken(list, j, b)) {
				continue
			}
			if best < 0 || s.score[b] < bestScore {
				best, bestScore = b, s.score[b]
			}
		}
	}
	return best
}

// rate is what a partition's leader is sent now, in bytes per second.
func (s *spreader) rate(p *partition) float64 {
	return p.share * s.load.bytes[s.place.topics[p.topic].class]
}

// drain takes everything off the brokers that leave.
func (s *spreader) drain() {
	for i := range s.place.parts {
		p := &s.place.parts[i]
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
	moved := false
	for i := range s.place.parts {
		p := &s.place.parts[i]
		if p.moving || p.leader < 0 || s.to[i] != nil {
			continue
		}
		list := s.list(i)
		for j := len(list) - 1; j >= 0; j-- {
			r := list[j]
			if s.score[r] <= s.mean*(1+evenTolerance) {
				continue
			}
			b := s.receiver(list, j)
			if b < 0 || s.place.zoneTaken(list, j, b) && !s.place.zoneTaken(list, j, r) {
				continue
			}
			if s.score[b]+s.weight[i] < s.score[r] && s.score[b]+s.weight[i] <= s.mean*(1+evenTolerance) {
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
	leads := make([]float64, len(s.place.brokers))
	rate := func(i int) float64 {
		p := &s.place.parts[i]
		return s.rate(p)
	}
	total := 0.0
	for i := range s.place.parts {
		leads[s.list(i)[0]] += rate(i)
		total += rate(i)
	}
	mean := ratio(total, float64(s.alive))
	for range leadRounds {
		for i := range s.place.parts {
			list := s.list(i)
			if s.place.parts[i].moving || leads[list[0]] <= mean*(1+leadTolerance) {
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
	return s.place.parts[i].replicas
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
		s.to[i] = slices.Clone(s.place.parts[i].replicas)
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
