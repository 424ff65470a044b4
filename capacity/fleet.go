package capacity

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// Member is one alive broker of a fleet.
type Member struct {
	Zone     string
	Capacity cluster.Capacity // what is not known is filled in from the profile
}

// mostGrown is how many brokers are added one by one, at most, to see where they
// are needed.
const mostGrown = 1000

// alikeWithin is the part by which brokers of one size differ at most: file systems
// of equal disks are measured a little apart. A judgement.
const alikeWithin = 0.1

// unevenZones is by how many brokers zones may differ and still be even: a number
// that zones do not divide leaves one.
const unevenZones = 1

// fleetOf lists the alive brokers where they must be told apart: because they are
// of different sizes, or because zones have more than one broker more than others.
// It is nil where their number says all.
func fleetOf(brokers []cluster.Broker, profile cluster.Capacity) []Member {
	var out []Member
	alike := true
	inZone := map[string]int{}
	for i := range brokers {
		b := &brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		m := Member{Zone: b.Zone, Capacity: b.Capacity.Or(profile)}
		out = append(out, m)
		alike = alike && likeProfile(m.Capacity, profile)
		inZone[b.Zone]++
	}
	most, least := 0, len(out)
	for _, n := range inZone {
		most, least = max(most, n), min(least, n)
	}
	if alike && (most-least <= unevenZones || inZone[""] > 0) {
		return nil
	}
	return out
}

// likeProfile tells whether a broker can do no more than the smallest, but for what
// measuring a disk may differ by.
func likeProfile(c, profile cluster.Capacity) bool {
	for _, r := range cluster.Resources() {
		if c.Of(r) > profile.Of(r)*(1+alikeWithin) {
			return false
		}
	}
	return true
}

// Spread is the part of what arrives, and of what is stored, that topics of one
// replication factor have.
type Spread struct {
	RF             int
	Arriving, Disk float64
}

// wholeCopies is the part of the load that each of so many zones must hold: with
// at least as many replicas as zones, each has its share of them.
func wholeCopies(spread []Spread, zones int, part func(Spread) float64) float64 {
	sum := 0.0
	for _, x := range spread {
		sum += part(x) * float64(x.RF/zones) / float64(max(1, x.RF))
	}
	return sum
}

// fleetNeed is what a fleet is asked for, in one resource.
type fleetNeed struct {
	left  float64 // what must be left after a loss, in units of capacity
	floor float64 // what each zone must have before one
	each  func(cluster.Capacity) float64
	lost  func(map[string][]float64) float64 // what the worst loss takes, by zone and broker
}

// fleet sizes a need in units of capacity: the smallest number of brokers that
// meets it, and the zones that need brokers of their own. Who leaves is taken to be
// the largest, and who joins to be the smallest, in the zone that lacks most: no
// broker is promised more than it has.
func (s *sizing) fleet(n fleetNeed) (brokers int, zones string) {
	leaving := lastToFirst(s.Fleet, n.each)
	all := byZone(leaving)
	if !n.met(all) {
		return s.grow(all, n)
	}
	gone := sort.Search(len(leaving), func(k int) bool { // the first too many
		kept := byZone(leaving[k+1:])
		return len(kept) < len(all) || !n.met(kept)
	})
	return len(s.Fleet) - gone, ""
}

// part is what one broker of a zone has.
type part struct {
	zone string
	has  float64
}

// lastToFirst is the order in which brokers leave: the largest first, and of equal
// ones that of the fullest zone.
func lastToFirst(fleet []Member, each func(cluster.Capacity) float64) []part {
	alike, sums := map[float64]map[string]int{}, map[string]float64{}
	for _, m := range fleet {
		has := each(m.Capacity)
		if alike[has] == nil {
			alike[has] = map[string]int{}
		}
		alike[has][m.Zone]++
		sums[m.Zone] += has
	}
	zones := slices.Sorted(maps.Keys(sums))
	out := make([]part, 0, len(fleet))
	for _, has := range slices.Backward(slices.Sorted(maps.Keys(alike))) {
		for left := alike[has]; len(left) > 0; {
			from := ""
			for _, z := range zones {
				if left[z] > 0 && (left[from] == 0 || sums[z] > sums[from]) {
					from = z
				}
			}
			out = append(out, part{from, has})
			sums[from] -= has
			if left[from]--; left[from] == 0 {
				delete(left, from)
			}
		}
	}
	return out
}

func byZone(parts []part) map[string][]float64 {
	out := map[string][]float64{}
	for _, x := range parts {
		out[x.zone] = append(out[x.zone], x.has)
	}
	return out
}

// grow adds brokers like the smallest until the need is met.
func (s *sizing) grow(zones map[string][]float64, n fleetNeed) (brokers int, why string) {
	one := n.each(s.Profile)
	if one <= 0 {
		return mostBrokers, ""
	}
	if more := (n.left - s.has(n.each)) / one; more > mostGrown {
		return int(min(mostBrokers, float64(len(s.Fleet))+more)) + 1, "" // by then one by one tells no more
	}
	added := map[string]int{}
	brokers = len(s.Fleet)
	for ; !n.met(zones) && brokers < mostBrokers; brokers++ {
		z := poorest(zones)
		if n.floor > sumOf(zones[z]) {
			added[z]++
		}
		zones[z] = append(zones[z], one)
	}
	var words []string
	for z, k := range added {
		words = append(words, fmt.Sprintf("zone %s needs %s", z, countOf(k)))
	}
	slices.Sort(words)
	return brokers, strings.Join(words, ", ")
}

func countOf(brokers int) string {
	if brokers == 1 {
		return "a broker"
	}
	return fmt.Sprintf("%d brokers", brokers)
}

func (n fleetNeed) met(zones map[string][]float64) bool {
	all := 0.0
	_, unknown := zones[""] // then no zone's share is known
	for _, of := range zones {
		sum := sumOf(of)
		if !unknown && sum < n.floor*(1-roundingSlack) {
			return false
		}
		all += sum
	}
	return all-n.lost(zones) >= n.left*(1-roundingSlack)
}

// poorest is the zone with the least capacity, the first by name of several.
func poorest(zones map[string][]float64) string {
	found, least := "", -1.0
	for z, of := range zones {
		if sum := sumOf(of); least < 0 || sum < least || sum == least && z < found {
			found, least = z, sum
		}
	}
	return found
}

func sumOf(of []float64) float64 {
	sum := 0.0
	for _, x := range of {
		sum += x
	}
	return sum
}

// worstLoss is what the policy's loss takes at most.
func (s *sizing) worstLoss(zones map[string][]float64) float64 {
	if s.Survive.Zones > 0 && len(zones) > s.Survive.Zones {
		var sums []float64
		for _, of := range zones {
			sums = append(sums, sumOf(of))
		}
		return largest(sums, s.Survive.Zones)
	}
	k := s.Survive.Brokers
	if s.Survive.Zones > 0 {
		k = 1 // a broker's loss is kept instead
	}
	return lostBrokers(zones, k)
}

// lossOf is the worst loss for a rate of which a part goes with a lost zone.
func (s *sizing) lossOf(r rate) func(map[string][]float64) float64 {
	if s.Survive.Zones == 0 || !(r.demand > 0) {
		return s.worstLoss
	}
	moves := 1 - r.stays/r.demand
	return func(zones map[string][]float64) float64 {
		if len(zones) <= s.Survive.Zones {
			return s.worstLoss(zones)
		}
		return moves * s.worstLoss(zones)
	}
}

// lostForGood is what brokers that are lost for good take.
func (s *sizing) lostForGood(zones map[string][]float64) float64 {
	return lostBrokers(zones, s.brokersLost())
}

func lostBrokers(zones map[string][]float64, k int) float64 {
	var all []float64
	for _, of := range zones {
		all = append(all, of...)
	}
	return largest(all, k)
}

func largest(of []float64, k int) float64 {
	slices.Sort(of)
	return sumOf(of[max(0, len(of)-k):])
}

// has is what the fleet has of a resource.
func (s *sizing) has(each func(cluster.Capacity) float64) float64 {
	sum := 0.0
	for _, m := range s.Fleet {
		sum += each(m.Capacity)
	}
	return sum
}
