package rebalance

import (
	"maps"
	"math"
	"slices"
)

// A topic that nobody writes or reads weighs nothing in any goal but the counts, so
// that half the brokers may hold all of it while every goal is met. The day it is
// used, they carry it alone. Spreading it costs next to nothing while it is idle.

const (
	// crowdedShare is the part of an idle topic's replicas, above their brokers' fair
	// share, from which on it is spread. A judgement: a quarter is more than chance.
	crowdedShare = 0.25
	// spreadPoints is what it is worth, in points, that all replicas of idle topics
	// are spread that could be: little, a tenth of what moving as many of the mean size
	// costs.
	spreadPoints = 5.0
)

// spreader spreads idle topics by count, within zones, so that no rule is touched.
type spreader struct {
	sr    *search
	st    *state
	topic map[int32][]int // idle topic -> broker -> its replicas there
	on    [][]spot        // broker -> idle replicas on it
}

// spot is one replica: slot k of partition i.
type spot struct{ i, k int }

// spread moves replicas of idle topics off brokers that hold too many of one, each
// against an idle one of another topic, or alone where no goal is hurt by it.
func (sr *search) spread() {
	s := spreader{sr: sr, st: sr.st, topic: map[int32][]int{}, on: make([][]spot, sr.st.nb)}
	s.findIdle()
	for _, ti := range slices.Sorted(maps.Keys(s.topic)) {
		if counts, shares := s.topic[ti], s.shares(s.topic[ti]); s.crowded(counts, shares) {
			s.even(ti, counts, shares)
		}
	}
}

// idle tells whether partition i may be moved and nothing is written to it or read.
func (s *spreader) idle(i int) bool {
	st := s.st
	if st.fixed[i] || !st.alive[st.leader[i]] {
		return false
	}
	fol, led := st.folRow(i), st.ledRow(i)
	for r, d := range st.dims {
		if !d.count && d.base != diskIndex && (fol[r] > 0 || led[r] > 0) {
			return false
		}
	}
	return st.size[i]*s.sr.price < spreadPoints/float64(len(st.slots))
}

// findIdle lists what may be moved. Where no traffic is known at all, none is idle:
// nobody measured it.
func (s *spreader) findIdle() {
	traffic := 0.0
	for r, d := range s.st.dims {
		if d.base == networkInIndex || d.base == networkOutIndex {
			traffic += s.st.total[r]
		}
	}
	if traffic <= 0 {
		return
	}
	for i := range s.st.np {
		if !s.idle(i) {
			continue
		}
		ti := s.st.topic[i]
		if s.topic[ti] == nil {
			s.topic[ti] = make([]int, s.st.nb)
		}
		for k, b := range s.st.replicas(s.st.slots, i) {
			s.topic[ti][b]++
			s.on[b] = append(s.on[b], spot{i, k})
		}
	}
}

// shares is each broker's fair share of a topic's replicas in its zone.
func (s *spreader) shares(counts []int) []float64 {
	here, capacity := make([]float64, s.st.nz), make([]float64, s.st.nz)
	for b, n := range counts {
		if s.st.alive[b] {
			here[s.st.zone[b]] += float64(n)
			capacity[s.st.zone[b]] += s.st.capacity[b*s.st.nd+replicasIndex]
		}
	}
	out := make([]float64, len(counts))
	for b := range counts {
		if z := s.st.zone[b]; s.st.alive[b] {
			out[b] = here[z] * s.st.capacity[b*s.st.nd+replicasIndex] / capacity[z]
		}
	}
	return out
}

func (s *spreader) crowded(counts []int, shares []float64) bool {
	all, over := 0, 0.0
	for b, n := range counts {
		all += n
		if s.st.alive[b] {
			over += max(0, float64(n)-math.Ceil(shares[b]))
		}
	}
	return over >= crowdedShare*float64(all)
}

// even moves the topic's replicas from who has most above its share to who has most
// below, until nobody is a whole one above.
func (s *spreader) even(ti int32, counts []int, shares []float64) {
	tried := map[int]bool{} // brokers that nothing more can leave
	for {
		from, most := -1, 0.0
		for b, n := range counts {
			if s.st.alive[b] && !s.st.frozen[b] && !tried[b] {
				if over := float64(n) - math.Ceil(shares[b]); over > most {
					from, most = b, over
				}
			}
		}
		if from < 0 {
			return
		}
		if !s.relieve(ti, counts, shares, from) {
			tried[from] = true
		}
	}
}

// relieve moves one replica of the topic off a broker.
func (s *spreader) relieve(ti int32, counts []int, shares []float64, from int) bool {
	to := s.emptiest(counts, shares, from)
	if to < 0 {
		return false
	}
	for n, x := range s.on[from] {
		disk := to*s.st.nd + diskIndex
		if s.st.topic[x.i] != ti || contains(s.st.replicas(s.st.slots, x.i), int32(to)) || !s.st.takes(int32(to), x.i) ||
			s.st.load[disk]+s.st.folRow(x.i)[diskIndex] > s.st.hard[disk] {
			continue
		}
		if m := s.partner(x, from, to); m >= 0 {
			s.swap(from, n, to, m)
			return true
		}
		if s.alone(x, from, to) {
			s.move(from, n, to)
			return true
		}
	}
	return false
}

// emptiest is the broker of the same zone that has least of the topic for its share.
func (s *spreader) emptiest(counts []int, shares []float64, from int) int {
	to, least := -1, 0.0
	for b, n := range counts {
		if b == from || !s.st.alive[b] || s.st.frozen[b] || s.st.zone[b] != s.st.zone[from] {
			continue
		}
		if under := float64(n+1) - math.Ceil(shares[b]); under <= 0 && (to < 0 || under < least) {
			to, least = b, under
		}
	}
	return to
}

// partner is an idle replica of another topic that can come back for it: in the same
// role, and not to where there is more of its own topic.
func (s *spreader) partner(x spot, from, to int) int {
	leads := s.st.leader[x.i] == int32(from)
	for m, y := range s.on[to] {
		ty := s.st.topic[y.i]
		if ty != s.st.topic[x.i] && (s.st.leader[y.i] == int32(to)) == leads && s.topic[ty][to] > s.topic[ty][from] &&
			!contains(s.st.replicas(s.st.slots, y.i), int32(from)) && s.st.takes(int32(from), y.i) {
			return m
		}
	}
	return -1
}

// alone tells whether a replica may go without one coming back.
func (s *spreader) alone(x spot, from, to int) bool {
	before := s.sr.objective()
	c := s.change(x, from, to)
	back := s.st.inverse(c)
	s.st.apply(c)
	worse := s.sr.objective() - before
	s.st.apply(back)
	return worse < spreadPoints/float64(len(s.st.slots))
}

func (s *spreader) change(x spot, from, to int) change {
	c := change{i: x.i, k: x.k, to: int32(to), lead: s.st.leader[x.i]}
	if c.lead == int32(from) {
		c.lead = int32(to)
	}
	return c
}

// move takes the nth idle replica of a broker to another.
func (s *spreader) move(from, n, to int) {
	x := s.on[from][n]
	s.st.apply(s.change(x, from, to))
	s.on[from] = append(s.on[from][:n], s.on[from][n+1:]...)
	s.on[to] = append(s.on[to], x)
	counts := s.topic[s.st.topic[x.i]]
	counts[from]--
	counts[to]++
}

func (s *spreader) swap(from, n, to, m int) {
	s.move(to, m, from) // appended, so that n stays what it is
	s.move(from, n, to)
}
