package rebalance

import "github.com/tidetable/tidetable/cluster"

// Locality says whether leaders, or replicas to fetch from, go where the
// consumers are.
type Locality struct {
	// Points is what it is worth, in points of the objective, that no byte
	// crosses zones on its way to consumers that all sit in one zone.
	Points float64
	// FollowerFetching says that consumers read from a replica in their zone
	// (client.rack and a rack-aware replica selector), so that any replica will
	// do; otherwise the leader must be there.
	FollowerFetching bool
	// PricePerGigabyte is what crossing costs, in the policy's currency.
	PricePerGigabyte float64
}

// DefaultLocalityPoints weighs locality, in points, like a tenth of the imbalance
// that an aged cluster has: D1 to D6 of docs/rebalancing.md are at 32 to 70.
const DefaultLocalityPoints = 5.0

// LocalityReport says what consumers in one zone read across zones.
type LocalityReport struct {
	// Partitions have all their consumers in one zone.
	Partitions int `json:"partitions"`
	// BytesPerSecond is what those consumers read in all.
	BytesPerSecond      cluster.BytesPerSecond `json:"bytesPerSecond"`
	CrossingBefore      cluster.BytesPerSecond `json:"crossingBeforeBytesPerSecond"`
	CrossingAfter       cluster.BytesPerSecond `json:"crossingAfterBytesPerSecond"`
	SavedBytesPerSecond cluster.BytesPerSecond `json:"savedBytesPerSecond"`
	PricePerGigabyte    float64                `json:"pricePerGigabyte,omitempty"`
	SavedCostPer30Days  float64                `json:"savedCostPer30Days,omitempty"`
	FollowerFetching    bool                   `json:"followerFetching"`
	StillCrossing       int                    `json:"partitionsStillCrossing"`
}

// locality is where each partition's consumers are, and what crossing costs.
type locality struct {
	home      []int32   // partition -> zone, -1 for none or several
	points    []float64 // partition -> points while it crosses
	rate      []float64 // bytes per second
	followers bool
}

// findLocality finds the partitions all of whose consumer groups have all
// their members in one zone that holds brokers.
func (p *problem) findLocality(s cluster.Snapshot, l *Locality) {
	if l == nil || len(s.Groups) == 0 {
		return
	}
	zones := map[string]int32{}
	for b, x := range s.Brokers {
		if p.alive[b] {
			zones[x.Zone] = p.zone[b]
		}
	}
	type key struct {
		topic string
		part  int
	}
	const none, several = int32(-1), int32(-2)
	in := map[key]int32{}
	for _, g := range s.Groups {
		zone := none
		for z, members := range g.ZonesOfMembers {
			n, known := zones[z]
			switch {
			case members <= 0:
			case !known || zone != none:
				zone = several
			default:
				zone = n
			}
		}
		for _, q := range g.Partitions {
			k := key{q.Topic, q.Partition}
			if was, ok := in[k]; ok && was != zone {
				zone := several
				in[k] = zone
				continue
			}
			in[k] = zone
		}
	}
	loc := &locality{home: make([]int32, p.np), points: make([]float64, p.np), rate: make([]float64, p.np), followers: l.FollowerFetching}
	total := 0.0
	for i := range loc.home {
		t := s.Topics[p.topic[i]]
		q := t.Partitions[p.part[i]]
		loc.home[i] = none
		if z, ok := in[key{t.Name, q.Partition}]; ok && z >= 0 {
			loc.home[i] = z
			loc.rate[i] = float64(q.Load.BytesOutPerSecond)
			total += loc.rate[i]
		}
	}
	if total <= 0 {
		return
	}
	points := l.Points
	if points <= 0 {
		points = DefaultLocalityPoints
	}
	for i, r := range loc.rate {
		loc.points[i] = points * r / total
	}
	p.local = loc
}

// crosses tells whether partition i, on these brokers and led by lead, is read
// across zones by consumers that all sit in one. Slot k, if not negative, is
// taken to be on broker to.
func (p *problem) crosses(i int, slots []int32, lead int32, k int, to int32) bool {
	home := p.local.home[i]
	if home < 0 {
		return false
	}
	if !p.local.followers {
		return lead < 0 || p.zone[lead] != home
	}
	for j, b := range slots {
		if j == k {
			b = to
		}
		if p.alive[b] && p.zone[b] == home {
			return false
		}
	}
	return true
}

// localDelta is what a change does to locality, in points.
func (s *state) localDelta(c change) float64 {
	if s.local == nil || s.local.home[c.i] < 0 {
		return 0
	}
	slots := s.replicas(s.slots, c.i)
	now, then := s.crosses(c.i, slots, s.leader[c.i], -1, -1), s.crosses(c.i, slots, c.lead, c.k, c.to)
	switch {
	case then && !now:
		return s.local.points[c.i]
	case now && !then:
		return -s.local.points[c.i]
	}
	return 0
}

// localCredit bounds what a change of partition i can gain in locality.
func (s *state) localCredit(i int) float64 {
	if s.local == nil || s.local.home[i] < 0 || !s.crosses(i, s.replicas(s.slots, i), s.leader[i], -1, -1) {
		return 0
	}
	return s.local.points[i]
}

// localPoints is the locality part of the objective.
func (s *state) localPoints() float64 {
	if s.local == nil {
		return 0
	}
	sum := 0.0
	for i := range s.local.home {
		sum += s.localCredit(i)
	}
	return sum
}

// localityReport compares the placement with the one of now.
func (s *state) localityReport(l *Locality) *LocalityReport {
	if l == nil {
		return nil
	}
	out := &LocalityReport{PricePerGigabyte: l.PricePerGigabyte, FollowerFetching: l.FollowerFetching}
	if s.local == nil {
		return out
	}
	for i, home := range s.local.home {
		if home < 0 {
			continue
		}
		rate := cluster.BytesPerSecond(s.local.rate[i])
		out.Partitions++
		out.BytesPerSecond += rate
		if s.crosses(i, s.replicas(s.orig, i), s.lead0[i], -1, -1) {
			out.CrossingBefore += rate
		}
		if s.crosses(i, s.replicas(s.slots, i), s.leader[i], -1, -1) {
			out.CrossingAfter += rate
			out.StillCrossing++
		}
	}
	out.SavedBytesPerSecond = out.CrossingBefore - out.CrossingAfter
	const thirtyDays = 30 * 24 * 3600
	out.SavedCostPer30Days = float64(out.SavedBytesPerSecond) * thirtyDays / 1e9 * l.PricePerGigabyte
	return out
}
