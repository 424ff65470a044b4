package rebalance

import (
	"math"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// Bounds are what no plan can do better than.
type Bounds struct {
	// EvacuationBytes are on brokers that must end up empty.
	EvacuationBytes cluster.Bytes `json:"evacuationBytes"`
	// ZoneRepairBytes are the smallest replicas that must change zone besides.
	ZoneRepairBytes cluster.Bytes `json:"zoneRepairBytes"`
	// ForcedBytes is the sum of both: exact.
	ForcedBytes cluster.Bytes `json:"forcedBytes"`
	// DiskBandBytes and NetworkInBandBytes bring every broker within Band of
	// what zones allow at best.
	DiskBandBytes      cluster.Bytes `json:"diskBandBytes"`
	NetworkInBandBytes cluster.Bytes `json:"networkInBandBytes"`
	Band               cluster.Ratio `json:"band"`
	// Bytes is the largest of the above: to be valid and within the band.
	Bytes cluster.Bytes `json:"bytes"`
	// LeadersMaxOverAvg is the least that the fullest broker's leaders can be, per
	// average broker, with replicas where they are: the max-flow optimum.
	LeadersMaxOverAvg float64 `json:"leadersMaxOverAvg"`
	// ScheduleSeconds is the busiest broker's bytes at the throttle.
	ScheduleSeconds float64 `json:"scheduleSeconds"`
}

// boundBand is how near to the ideal the band bounds bring every broker, as a
// share of it: within the 1.095 that makes a hot spot.
const boundBand = 0.09

// bounds computes the lower bounds from the loads as they are now.
func (p *problem) bounds(before []float64) Bounds {
	out := Bounds{Band: boundBand}
	for i := 0; i < p.np; i++ {
		if p.held[i] == inFlight || p.held[i] == lost {
			continue // nothing that a plan could do
		}
		reps := p.replicas(p.orig, i)
		kept := 0
		for _, b := range reps {
			if p.alive[b] {
				kept++
			}
		}
		gone := len(reps) - kept
		must := max(gone+p.crowding(i, reps), int(p.rules[i].need)-p.distinctZones(reps, -1, -1))
		out.EvacuationBytes += cluster.Bytes(float64(gone) * p.size[i])
		out.ZoneRepairBytes += cluster.Bytes(float64(must-gone) * p.size[i])
	}
	out.ForcedBytes = out.EvacuationBytes + out.ZoneRepairBytes
	band := bander{p, before}
	out.DiskBandBytes = cluster.Bytes(band.disk())
	out.NetworkInBandBytes = out.EvacuationBytes + cluster.Bytes(band.networkIn())
	out.Bytes = max(out.ForcedBytes, out.DiskBandBytes, out.NetworkInBandBytes)
	return out
}

// bander bounds what brings loads into the band.
type bander struct {
	*problem
	before []float64
}

// disk is max(Σ excess, Σ deficit) outside the band, per zone where zone
// totals are fixed.
func (p bander) disk() float64 {
	before := p.before
	r := diskIndex
	exc, dfc := make([]float64, p.nz), make([]float64, p.nz)
	now, then := make([]float64, p.nz), make([]float64, p.nz)
	for b := 0; b < p.nb; b++ {
		z, at := p.zone[b], b*p.nd+r
		now[z] += before[at]
		if !p.alive[b] {
			exc[z] += before[at]
			continue
		}
		t := p.ideal[int(z)*p.nd+r] * p.capacity[at]
		then[z] += t
		exc[z] += max(0, before[at]-(1+boundBand)*t)
		dfc[z] += max(0, (1-boundBand)*t-before[at])
	}
	var excess, deficit, perZone float64
	for z := range exc {
		excess += exc[z]
		deficit += dfc[z]
		perZone += max(0, dfc[z], exc[z]+then[z]-now[z])
	}
	if p.zoneTotalFixed(r) && p.nz == p.nzAlive {
		return max(perZone, excess, deficit)
	}
	return max(excess, deficit)
}

// zoneTotalFixed tells whether every zone holds the same whatever the plan.
func (p bander) zoneTotalFixed(r int) bool {
	if p.nzAlive == 1 {
		return true
	}
	lo, hi, total, _ := p.zoneRange(r)
	for z := range lo {
		if math.Abs(hi[z]-lo[z]) > 1e-9*max(1, total) {
			return false
		}
	}
	return true
}

// networkIn is a fractional knapsack per broker: the cheapest bytes per
// unit of traffic first, until the excess over the band is gone.
func (p bander) networkIn() float64 {
	before := p.before
	r := networkInIndex
	need := make([]float64, p.nb)
	any := false
	for b := range need {
		if p.alive[b] {
			at := b*p.nd + r
			need[b] = max(0, before[at]-(1+boundBand)*p.ideal[int(p.zone[b])*p.nd+r]*p.capacity[at])
			any = any || need[b] > 0
		}
	}
	if !any {
		return 0
	}
	type item struct{ ratio, in float64 }
	items := make([][]item, p.nb)
	for i := 0; i < p.np; i++ {
		in := p.folRow(i)[r]
		if in <= 0 {
			continue
		}
		for _, b := range p.replicas(p.orig, i) {
			if need[b] > 0 {
				items[b] = append(items[b], item{p.size[i] / in, in})
			}
		}
	}
	sum := 0.0
	for b, x := range need {
		slices.SortFunc(items[b], func(a, b item) int {
			switch {
			case a.ratio < b.ratio:
				return -1
			case a.ratio > b.ratio:
				return 1
			}
			return 0
		})
		for _, it := range items[b] {
			if x <= 0 {
				break
			}
			g := min(x, it.in)
			sum += g * it.ratio
			x -= g
		}
	}
	return sum
}

// leadersBound is the max-flow optimum with replicas where they are.
func (p *problem) leadersBound() float64 {
	if p.np == 0 {
		return 1
	}
	st := newState(p)
	top := newLeaderFlow(newSweeper(newSurrogate(st))).level()
	var capacity float64
	for b := 0; b < p.nb; b++ {
		if p.alive[b] {
			capacity += p.capacity[b*p.nd+leadersIndex]
		}
	}
	return top * capacity / float64(p.np)
}
