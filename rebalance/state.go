package rebalance

// state is one placement, what every broker carries under it, and what getting
// there costs. It is what a search changes.
type state struct {
	*problem
	slots  []int32 // like orig
	leader []int32 // partition -> broker, -1 when no replica can lead
	load   []float64
	moved  []int8 // replicas of the partition that are not where they were
	bytes  float64
	// leaderOnly counts partitions whose leader changes without a data move.
	leaderOnly int
}

// newState is the placement as it is once preferred leaders are elected.
func newState(p *problem) *state {
	s := &state{problem: p,
		slots:  append([]int32(nil), p.orig...),
		leader: make([]int32, p.np),
		load:   make([]float64, p.nb*p.nd),
		moved:  make([]int8, p.np),
	}
	for i := range s.leader {
		s.leader[i] = p.preferred(i)
	}
	s.reload()
	return s
}

// preferred is who leads a partition that no plan touches: the first replica
// that is alive, or the first.
func (p *problem) preferred(i int) int32 {
	reps := p.replicas(p.orig, i)
	for _, b := range reps {
		if p.alive[b] {
			return b
		}
	}
	return reps[0]
}

// reload sums the loads afresh, which also sheds rounding.
func (s *state) reload() {
	clear(s.load)
	s.bytes, s.leaderOnly = 0, 0
	for i := 0; i < s.np; i++ {
		for _, b := range s.replicas(s.slots, i) {
			s.add(b, i, 1, 0)
		}
		s.add(s.leader[i], i, 0, 1)
		s.moved[i] = 0
		orig := s.replicas(s.orig, i)
		for _, b := range s.replicas(s.slots, i) {
			if !contains(orig, b) {
				s.moved[i]++
			}
		}
		s.bytes += float64(float64(s.moved[i]) * s.size[i])
		if s.moved[i] == 0 && s.leaderCosts(i, s.leader[i]) {
			s.leaderOnly++
		}
	}
}

// add puts f followers' and l leaders' loads of partition i on broker b.
func (s *state) add(b int32, i int, f, l float64) {
	row := s.load[int(b)*s.nd : int(b)*s.nd+s.nd]
	fol, led := s.folRow(i), s.ledRow(i)
	for r := range row {
		row[r] += float64(f*fol[r]) + float64(l*led[r])
	}
}

// leaderCosts tells whether leading partition i from b, its data staying where
// it is, is a change: neither who leads now nor who an election would choose.
func (p *problem) leaderCosts(i int, b int32) bool {
	return b != p.lead0[i] && b != p.orig[p.off[i]]
}

// change is one step of a search: replica slot k of partition i goes to broker
// to (k < 0: none does), and broker lead leads.
type change struct {
	i    int
	k    int
	to   int32
	lead int32
}

// costDelta is how many replicas more a change moves, and how many
// leader-only changes more it makes.
func (s *state) costDelta(c change) (movedDelta, leaderDelta int) {
	if c.k >= 0 {
		orig := s.replicas(s.orig, c.i)
		from := s.slots[int(s.off[c.i])+c.k]
		if contains(orig, from) {
			movedDelta++
		}
		if contains(orig, c.to) {
			movedDelta--
		}
	}
	m := int(s.moved[c.i])
	if m == 0 && s.leaderCosts(c.i, s.leader[c.i]) {
		leaderDelta--
	}
	if m+movedDelta == 0 && s.leaderCosts(c.i, c.lead) {
		leaderDelta++
	}
	return movedDelta, leaderDelta
}

// apply makes the change.
func (s *state) apply(c change) {
	md, ld := s.costDelta(c)
	s.moved[c.i] += int8(md)
	s.bytes += float64(float64(md) * s.size[c.i])
	s.leaderOnly += ld
	if c.k >= 0 {
		at := int(s.off[c.i]) + c.k
		s.add(s.slots[at], c.i, -1, 0)
		s.slots[at] = c.to
		s.add(c.to, c.i, 1, 0)
	}
	if old := s.leader[c.i]; old != c.lead {
		s.add(old, c.i, 0, -1)
		s.leader[c.i] = c.lead
		s.add(c.lead, c.i, 0, 1)
	}
}

// inverse is the change that undoes c; ask before applying c.
func (s *state) inverse(c change) change {
	u := change{i: c.i, k: c.k, to: -1, lead: s.leader[c.i]}
	if c.k >= 0 {
		u.to = s.slots[int(s.off[c.i])+c.k]
	}
	return u
}
