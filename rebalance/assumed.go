package rebalance

import (
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// nearlyEmpty is the share of a broker's fair load below which what it carries
// says nothing of what it could. A judgement.
const nearlyEmpty = 0.05

// assumeCapacities puts something in the place of what is not known of a broker
// while it is known of others. Unknown is neither nothing nor without end: the
// broker is taken to be as full there as it is in what is known of it, so that no
// replica comes or goes for the unknown figure's sake. One that is nearly empty
// is taken to be like most. Only the disk, which can overflow, is bounded by the
// guess, and by no more than the smallest disk that is known.
func (p *problem) assumeCapacities(share float64) {
	if p.assumed = findUnknown(p); p.assumed == nil {
		return
	}
	a := assumer{problem: p, load: newState(p).load}
	a.fair = a.fairShares()
	full := make([]float64, p.nb)
	for b := range full {
		full[b] = a.fullness(b)
	}
	for r, d := range p.dims {
		typical, smallest := a.knownCapacities(r)
		for b := range p.alive {
			at := b*p.nd + r
			if !p.assumed[at] {
				continue
			}
			guess := typical
			if u := a.fair[int(p.zone[b])*p.nd+r]; full[b] >= nearlyEmpty && a.load[at] > 0 && u > 0 {
				guess = a.load[at] / (u * full[b])
			}
			p.capacity[at] = guess
			if d.base == diskIndex {
				p.hard[at] = max(a.load[at], min(guess, smallest)*share)
			}
		}
	}
}

// findUnknown marks what is not known of brokers that may hold replicas; nil when
// all is.
func findUnknown(p *problem) []bool {
	var out []bool
	for b := range p.alive {
		for r, d := range p.dims {
			if p.alive[b] && !p.unknown[d.base] && !(p.capacity[b*p.nd+r] > 0) {
				if out == nil {
					out = make([]bool, p.nb*p.nd)
				}
				out[b*p.nd+r] = true
				p.hard[b*p.nd+r] = inf
			}
		}
	}
	return out
}

// isAssumed tells whether what a broker can carry is not known.
func (p *problem) isAssumed(b, r int) bool { return p.assumed != nil && p.assumed[b*p.nd+r] }

// assumer is what is known of brokers: what they carry, and their fair share of
// what all do, per zone and dimension.
type assumer struct {
	*problem
	load, fair []float64
}

// fairShares is the utilisation of what is known, per zone and dimension; of the
// whole cluster where nothing of a zone is.
func (p assumer) fairShares() []float64 {
	fair, all := make([]float64, p.nz*p.nd), make([]float64, p.nd)
	capacity, allCapacity := make([]float64, p.nz*p.nd), make([]float64, p.nd)
	for b := range p.alive {
		for r := range p.dims {
			if at := b*p.nd + r; p.alive[b] && !p.assumed[at] {
				z := int(p.zone[b])*p.nd + r
				fair[z] += p.load[at]
				capacity[z] += p.capacity[at]
				all[r] += p.load[at]
				allCapacity[r] += p.capacity[at]
			}
		}
	}
	for at := range fair {
		r := at % p.nd
		switch {
		case capacity[at] > 0:
			fair[at] /= capacity[at]
		case allCapacity[r] > 0:
			fair[at] = all[r] / allCapacity[r]
		}
	}
	return fair
}

// fullness is how full a broker is in what is known of it, by its fair share;
// 1 where nothing is.
func (p assumer) fullness(b int) float64 {
	sum, n := 0.0, 0.0
	for r, d := range p.dims {
		at := b*p.nd + r
		if u := p.fair[int(p.zone[b])*p.nd+r]; d.hard && !p.assumed[at] && !p.unknown[d.base] && u > 0 {
			sum += p.load[at] / p.capacity[at] / u
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

// knownCapacities is the most common capacity that is known of a dimension, the
// first where several are, and the smallest.
func (p assumer) knownCapacities(r int) (typical, smallest float64) {
	count := map[float64]int{}
	smallest = inf
	for b := range p.alive {
		if at := b*p.nd + r; p.alive[b] && !p.assumed[at] {
			count[p.capacity[at]]++
			smallest = min(smallest, p.capacity[at])
		}
	}
	for b := range p.alive {
		if at := b*p.nd + r; p.alive[b] && !p.assumed[at] && count[p.capacity[at]] > count[typical] {
			typical = p.capacity[at]
		}
	}
	if typical == 0 { // known of brokers only that may hold nothing
		return 1, inf
	}
	return typical, smallest
}

// unknownFigures says what was assumed of whom.
func (p *problem) unknownFigures() []string {
	var out []string
	for r, g := range p.dims {
		if p.assumed == nil || g.count || g.block > 0 {
			continue
		}
		var ids []string
		for b := range p.alive {
			if p.assumed[b*p.nd+r] {
				ids = append(ids, fmt.Sprint(p.ids[b]))
			}
		}
		if len(ids) > 0 {
			out = append(out, fmt.Sprintf("what %s can carry of %s is not known: taken to be as full there as in what is known",
				brokersNamed(ids), cluster.Resource(goals[g.base].name)))
		}
	}
	return out
}

func brokersNamed(ids []string) string {
	more := ""
	if n := len(ids) - maxListed; n > 0 {
		ids, more = ids[:maxListed], fmt.Sprintf(" and %d more", n)
	}
	if len(ids) == 1 {
		return "broker " + ids[0]
	}
	return "brokers " + strings.Join(ids, ", ") + more
}
