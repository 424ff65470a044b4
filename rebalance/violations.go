package rebalance

import (
	"fmt"
	"math"

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
	var left, zones []int
	for _, i := range sr.stuck {
		gone := false
		for _, b := range sr.st.replicas(sr.st.slots, i) {
			gone = gone || !sr.st.alive[b]
		}
		if gone {
			left = append(left, i)
		} else if sr.w.broken(i) {
			zones = append(zones, i)
		}
	}
	if len(left) > 0 {
		out = append(out, sr.leftBehind(s, left))
	}
	if len(zones) > 0 {
		out = append(out, Violation{Constraint: RuleZones,
			Detail:     fmt.Sprintf("%d partitions are in fewer zones than the rule asks for and cannot be moved", len(zones)),
			Partitions: sr.st.names(s, zones), Count: len(zones), Remedy: sr.whyFixed()})
	}
	return append(out, sr.overloads(s)...)
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
				Remedy: st.moreBrokers(r)}
			if len(on) > 0 {
				i := on[0]
				one := st.folRow(i)[r]
				if st.leader[i] == int32(b) {
					one += st.ledRow(i)[r]
				}
				if one > st.largestBroker(r) {
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

func (p *problem) largestBroker(r int) float64 {
	most := 0.0
	for b := 0; b < p.nb; b++ {
		if p.alive[b] {
			most = max(most, p.hard[b*p.nd+r])
		}
	}
	return most
}

// moreBrokers says how many brokers of the average size would carry the load.
func (p *problem) moreBrokers(r int) string {
	n, capacity := 0, 0.0
	for b := 0; b < p.nb; b++ {
		if p.alive[b] {
			n++
			capacity += p.hard[b*p.nd+r]
		}
	}
	want := int(math.Ceil(p.total[r] / (capacity / float64(n))))
	if want > n {
		return fmt.Sprintf("add %d brokers of the average size (%d in all)", want-n, want)
	}
	return "together the brokers have room: allow more bytes, lift exclusions, or add a broker"
}

// warnings tells what is not forbidden and yet needs somebody's attention.
func (p *problem) warnings(s cluster.Snapshot) []string {
	var out []string
	for r, g := range goals {
		if p.unknown[r] && !g.count {
			out = append(out, fmt.Sprintf("no broker's capacity for %s is known, so it is neither evened out nor kept within bounds", g.name))
		}
	}
	var leaderless []int
	for i := 0; i < p.np; i++ {
		if p.lead0[i] < 0 {
			leaderless = append(leaderless, i)
		}
	}
	if len(leaderless) > 0 {
		out = append(out, fmt.Sprintf("%d partitions have no leader; nothing can be copied from them until a replica is back, such as %v",
			len(leaderless), p.names(s, leaderless)))
	}
	return out
}
