package rebalance

import (
	"fmt"
	"math"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// maxListed bounds how many partitions a violation or warning names: what fits
// on a screen.
const maxListed = 10

func (p *problem) name(s cluster.Snapshot, i int) string {
	t := s.Topics[p.topic[i]]
	return fmt.Sprintf("%s-%d", t.Name, t.Partitions[p.part[i]].Partition)
}

func (p *problem) names(s cluster.Snapshot, list []int) []string {
	var out []string
	for _, i := range list[:min(len(list), maxListed)] {
		out = append(out, p.name(s, i))
	}
	return out
}

// violations says which rules the placement still breaks, and what would do.
func (sr *search) violations(s cluster.Snapshot) []Violation {
	out := []Violation{}
	var left, zones, moving, gone []int
	for _, i := range sr.stuck {
		switch {
		case sr.st.held[i] == lost:
			gone = append(gone, i)
		case sr.st.held[i] == inFlight:
			moving = append(moving, i)
		case sr.leavesBehind(i):
			left = append(left, i)
		case sr.w.broken(i):
			zones = append(zones, i)
		}
	}
	if len(gone) > 0 {
		out = append(out, Violation{Constraint: RuleLive,
			Detail: fmt.Sprintf("%d partitions have no live replica to copy from, and stay on brokers that are dead or must be empty",
				len(gone)),
			Partitions: sr.st.names(s, gone), Count: len(gone),
			Remedy: "bring a broker that holds them back; what no broker brings back is lost"})
	}
	if len(left) > 0 {
		out = append(out, sr.leftBehind(s, left))
	}
	if len(moving) > 0 {
		out = append(out, Violation{Constraint: RuleInFlight,
			Detail:     fmt.Sprintf("%d partitions that break a rule are being moved already and are left alone", len(moving)),
			Partitions: sr.st.names(s, moving), Count: len(moving), Remedy: "plan again once those moves are done or cancelled"})
	}
	if len(zones) > 0 {
		out = append(out, Violation{Constraint: RuleZones,
			Detail: fmt.Sprintf("%d partitions are in fewer zones than the rule asks for, or have too many replicas in one, "+
				"and cannot be moved", len(zones)),
			Partitions: sr.st.names(s, zones), Count: len(zones), Remedy: sr.whyFixed()})
	}
	return append(out, sr.overloads(s)...)
}

// leavesBehind tells whether partition i keeps a replica on a broker that must
// end up empty.
func (sr *search) leavesBehind(i int) bool {
	for _, b := range sr.st.replicas(sr.st.slots, i) {
		if !sr.st.alive[b] {
			return true
		}
	}
	return false
}

func (sr *search) whyFixed() string {
	if sr.o.LeadersOnly {
		return "plan without --leaders-only"
	}
	return "lift the exclusion of their topics or brokers"
}

// leftBehind explains replicas that stay on brokers that must end up empty.
func (sr *search) leftBehind(s cluster.Snapshot, left []int) Violation {
	st := sr.st
	alive, need := 0, 0
	for b := range st.alive {
		if st.alive[b] && !st.frozen[b] {
			alive++
		}
	}
	for _, i := range left {
		need = max(need, st.rf(i))
	}
	v := Violation{Constraint: RuleEvacuation, Partitions: st.names(s, left), Count: len(left),
		Detail: fmt.Sprintf("%d partitions keep a replica on a broker that is dead, draining or being removed", len(left)),
		Remedy: sr.whyFixed()}
	if need > alive {
		v.Detail += fmt.Sprintf(": the replication factor is %d and %d brokers may hold replicas", need, alive)
		v.Remedy = fmt.Sprintf("add %d brokers, or lower the replication factor", need-alive)
	}
	return v
}

// overloads lists brokers above their capacity.
func (sr *search) overloads(s cluster.Snapshot) []Violation {
	var out []Violation
	st := sr.st
	for b := 0; b < st.nb; b++ {
		if !st.alive[b] {
			continue
		}
		for r, g := range st.dims {
			at := b*st.nd + r
			if !g.hard || st.load[at] <= st.hard[at]*(1+1e-9) {
				continue
			}
			on := st.heaviest(int32(b), r)
			v := Violation{Constraint: RuleCapacity, Partitions: st.names(s, on), Count: len(on),
				Detail: fmt.Sprintf("broker %d needs %.4g %s of %s and may use %.4g", st.ids[b], st.load[at], g.unit, g.name, st.hard[at]),
				Remedy: moreBrokers(st.problem, s, r)}
			if len(on) > 0 {
				i := on[0]
				one := st.folRow(i)[r]
				if st.leader[i] == int32(b) {
					one += st.ledRow(i)[r]
				}
				if one > largestBroker(st.problem, r) {
					v.Constraint = RulePartitionFits
					v.Detail += fmt.Sprintf("; %s alone needs %.4g, more than any broker has", st.name(s, i), one)
					v.Remedy = "split the topic over more partitions, keep less of it, or use larger brokers"
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// heaviest lists the partitions on broker b that need most of dimension r.
func (s *state) heaviest(b int32, r int) []int {
	type item struct {
		i int
		v float64
	}
	var top []item
	for i := 0; i < s.np; i++ {
		if !contains(s.replicas(s.slots, i), b) {
			continue
		}
		v := s.folRow(i)[r]
		if s.leader[i] == b {
			v += s.ledRow(i)[r]
		}
		at := len(top)
		for at > 0 && top[at-1].v < v {
			at--
		}
		if at >= 3 {
			continue
		}
		top = append(top, item{})
		copy(top[at+1:], top[at:])
		top[at] = item{i, v}
		top = top[:min(3, len(top))]
	}
	var out []int
	for _, t := range top {
		out = append(out, t.i)
	}
	return out
}

func largestBroker(p *problem, r int) float64 {
	most := 0.0
	for b := 0; b < p.nb; b++ {
		if p.alive[b] {
			most = max(most, p.hard[b*p.nd+r])
		}
	}
	return most
}

// moreBrokers says which brokers would carry the load of a dimension: in the
// zones that must hold more than their brokers have, or of the average size
// anywhere.
func moreBrokers(p *problem, s cluster.Snapshot, r int) string {
	n, capacity := 0, 0.0
	inZone, zoneCapacity, name := make([]int, p.nzAlive), make([]float64, p.nzAlive), make([]string, p.nzAlive)
	for b := range p.alive {
		if !p.alive[b] {
			continue
		}
		z := p.zone[b]
		n++
		capacity += p.hard[b*p.nd+r]
		inZone[z]++
		zoneCapacity[z] += p.hard[b*p.nd+r]
		name[z] = s.Brokers[b].Zone
	}
	var zones []string
	all := 0
	for z := range inZone {
		must := p.least[z*p.nd+r]
		if p.nzAlive == 1 || must <= zoneCapacity[z] {
			continue
		}
		more := int(math.Ceil(must/(zoneCapacity[z]/float64(inZone[z])))) - inZone[z]
		all += more
		zones = append(zones, fmt.Sprintf("zone %s needs %s (whatever the placement, it holds %.4g %s of %s and may use %.4g)",
			name[z], countOf(more, "broker"), must, p.dims[r].unit, p.dims[r].name, zoneCapacity[z]))
	}
	if all > 0 {
		return fmt.Sprintf("add %d brokers: %s", all, strings.Join(zones, ", "))
	}
	want := int(math.Ceil(p.total[r] / (capacity / float64(n))))
	if want > n {
		return fmt.Sprintf("add %d brokers of the average size (%d in all)", want-n, want)
	}
	return "together the brokers have room: allow more bytes, lift exclusions, or add a broker"
}

// countOf is a few things in words.
func countOf(n int, what string) string {
	if n == 1 {
		return "a " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
