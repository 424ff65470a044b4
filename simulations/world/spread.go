package world

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// PlanSpread plans the moves that a plain operator would make: everything off
// the brokers from ordinal keep on, and the rest evened out over what stays, by
// CPU, network both ways and disk. It is greedy and looks at what each broker
// carries now; the simulator gives it to the policies that bring no planner of
// their own where the production planner would take too long.
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
	s := spreader{place: place, load: load, keep: keep, carries: make([]burden, len(place.brokers))}
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
	return s.wishes()
}

// burden is what a broker carries, or a replica costs: CPU, network in and out,
// and disk, each as a part of the mean broker's.
type burden [4]float64

func (a burden) plus(b burden, sign float64) burden {
	for d := range a {
		a[d] += sign * b[d]
	}
	return a
}

// uneven is the sum of the squares: the less, the more even.
func (a burden) uneven() (sum float64) {
	for _, x := range a {
		sum += x * x
	}
	return sum
}

func (a burden) most() float64 { return max(a[0], a[1], a[2], a[3]) }

type spreader struct {
	place   *placement
	load    *load
	keep    int
	alive   int
	carries []burden // by broker
	lead    []burden // by partition: what its leader's replica costs
	follow  []burden // by partition: what any other costs
	to      [][]int32
}

func (s *spreader) prepare() {
	n := len(s.place.parts)
	s.to, s.lead, s.follow = make([][]int32, n), make([]burden, n), make([]burden, n)
	for i := range s.place.brokers {
		if s.receives(int32(i)) {
			s.alive++
		}
	}
	var all burden
	for i := range s.place.parts {
		s.lead[i], s.follow[i] = s.costs(&s.place.parts[i])
		all = all.plus(s.lead[i], 1).plus(s.follow[i], float64(len(s.place.parts[i].replicas)-1))
	}
	scale := func(b burden) burden {
		for d := range b {
			b[d] = ratio(b[d]*float64(s.alive), all[d])
		}
		return b
	}
	for i := range s.place.parts {
		s.lead[i], s.follow[i] = scale(s.lead[i]), scale(s.follow[i])
		for j, r := range s.place.parts[i].replicas {
			s.carries[r] = s.carries[r].plus(s.cost(i, j), 1)
		}
	}
}

// costs is what a partition costs its leader and each follower now.
func (s *spreader) costs(p *partition) (leader, follower burden) {
	t := &s.place.topics[p.topic]
	rate, size := p.share*s.load.bytes[t.class], s.place.sizeOf(p)
	l := t.perByte()
	a, b := l.Leader(len(p.replicas)), l.Follower()
	return burden{rate * float64(a.CPU), rate * float64(a.NetworkIn), rate * float64(a.NetworkOut), size},
		burden{rate * float64(b.CPU), rate * float64(b.NetworkIn), rate * float64(b.NetworkOut), size}
}

// cost is what slot j of a partition's list costs its broker: the first leads.
func (s *spreader) cost(i, j int) burden {
	if j == 0 {
		return s.lead[i]
	}
	return s.follow[i]
}

func (s *spreader) receives(b int32) bool {
	return int(b) < s.keep && s.place.brokers[b].state == cluster.BrokerAlive
}

// receiver is the broker on which slot j of a list makes least uneven; another
// zone than the others' first, −1 if there is none.
func (s *spreader) receiver(i, j int) int32 {
	list, c := s.list(i), s.cost(i, j)
	best, least := int32(-1), 0.0
	for pass := 0; pass < 2 && best < 0; pass++ {
		for k := range s.place.brokers {
			b := int32(k)
			if !s.receives(b) || slices.Contains(list, b) || (pass == 0 && s.place.zoneTaken(list, j, b)) {
				continue
			}
			if v := s.carries[b].plus(c, 1).uneven() - s.carries[b].uneven(); best < 0 || v < least {
				best, least = b, v
			}
		}
	}
	return best
}

// drain takes everything off the brokers that leave.
func (s *spreader) drain() {
	for i := range s.place.parts {
		p := &s.place.parts[i]
		for j, r := range p.replicas {
			if int(r) < s.keep || p.moving {
				continue
			}
			if b := s.receiver(i, j); b >= 0 {
				s.replace(i, j, b)
			}
		}
	}
}

// even moves replicas and leaderships from brokers that carry much to those that
// carry little, and tells whether it did.
func (s *spreader) even() bool {
	changed := false
	for i := range s.place.parts {
		p := &s.place.parts[i]
		if p.moving || p.leader < 0 {
			continue
		}
		for j := range p.replicas {
			changed = s.elsewhere(i, j) || changed
		}
		changed = s.otherLeader(i) || changed
	}
	return changed
}

// elsewhere moves slot j of a partition's list if that is worth it: where the one
// is over what is even, or the other below it.
func (s *spreader) elsewhere(i, j int) bool {
	from := s.list(i)[j]
	b := s.receiver(i, j)
	if b < 0 || s.place.zoneTaken(s.list(i), j, b) && !s.place.zoneTaken(s.list(i), j, from) {
		return false
	}
	if s.carries[from].most() <= 1+evenTolerance && s.carries[b].most() >= 1-evenTolerance {
		return false
	}
	c := s.cost(i, j)
	if s.gain(from, b, c, burden{}) <= evenGain*c.uneven() {
		return false
	}
	s.replace(i, j, b)
	return true
}

// gain is by how much less uneven two brokers are when the one gives the other
// something for something.
func (s *spreader) gain(from, to int32, gives, gets burden) float64 {
	a, b := s.carries[from], s.carries[to]
	return a.uneven() + b.uneven() - a.plus(gives, -1).plus(gets, 1).uneven() - b.plus(gives, 1).plus(gets, -1).uneven()
}

// otherLeader gives the lead to the replica with which it is least uneven:
// leadership costs nothing to move.
func (s *spreader) otherLeader(i int) bool {
	list := s.list(i)
	best, most := 0, evenGain*s.lead[i].uneven()
	for j := 1; j < len(list); j++ {
		if !s.receives(list[j]) {
			continue
		}
		if v := s.gain(list[0], list[j], s.lead[i], s.follow[i]); v > most {
			best, most = j, v
		}
	}
	if best == 0 {
		return false
	}
	a, b := list[0], list[best]
	s.carries[a] = s.carries[a].plus(s.lead[i], -1).plus(s.follow[i], 1)
	s.carries[b] = s.carries[b].plus(s.lead[i], 1).plus(s.follow[i], -1)
	l := s.own(i)
	l[0], l[best] = b, a
	return true
}

func (s *spreader) list(i int) []int32 {
	if l := s.to[i]; l != nil {
		return l
	}
	return s.place.parts[i].replicas
}

func (s *spreader) replace(i, j int, b int32) {
	l, c := s.own(i), s.cost(i, j)
	s.carries[l[j]] = s.carries[l[j]].plus(c, -1)
	s.carries[b] = s.carries[b].plus(c, 1)
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
		if l != nil && !slices.Equal(l, s.place.parts[i].replicas) {
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
