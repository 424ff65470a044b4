package capacity

import (
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// CPUCost is what CPU goes into in one cluster, in cores. The zero value says
// that nothing was measured.
type CPUCost struct {
	Idle                     cluster.Cores // of one broker, whatever its load
	Produced, Sent, Followed float64       // of a byte a second: from producers, to readers and followers, from leaders
}

// What one core serves before anything is measured, in the house's one place.
const (
	// producedPerCore and sentPerCore are bytes per second: Netflix's
	// service-capacity-modeling (14 MiB read a CPU second) and AKalculator.
	producedPerCore = cluster.BytesPerSecond(5 << 20)
	sentPerCore     = cluster.BytesPerSecond(15 << 20)
	// followedPerCore: a follower appends batches that its leader has checked
	// already. Cruise Control weighs a byte followed as a byte sent (0.15 each,
	// 0.7 a byte produced: its *.weight.for.cpu.util).
	followedPerCore = sentPerCore
)

// PriorCPUCost is what is believed of a cluster of which nothing was measured.
// What an idle broker costs is in its numbers already.
func PriorCPUCost() CPUCost {
	return CPUCost{Produced: 1 / float64(producedPerCore), Sent: 1 / float64(sentPerCore), Followed: 1 / float64(followedPerCore)}
}

// Leader is what leading a partition with rf replicas costs.
func (c CPUCost) Leader(l cluster.Load, rf int) cluster.Cores {
	f := l.Leader(rf)
	return cluster.Cores(c.Produced*float64(f.NetworkIn) + c.Sent*float64(f.NetworkOut))
}

// Follower is what following a partition costs.
func (c CPUCost) Follower(l cluster.Load) cluster.Cores {
	return cluster.Cores(c.Followed * float64(l.Follower().NetworkIn))
}

// of is the cores that a load costs on so many brokers.
func (c CPUCost) of(brokers int, produced, consumed, replicated cluster.BytesPerSecond) cluster.Cores {
	following := max(0, replicated-produced)
	return c.Idle*cluster.Cores(brokers) +
		cluster.Cores(c.Produced*float64(produced)+c.Sent*float64(consumed+following)+c.Followed*float64(following))
}

func (c CPUCost) known() bool { return c != CPUCost{} }

// cpuSample is one broker: its cores, and what they were used for, in the
// order of CPUCost's fields.
type cpuSample struct {
	cores float64
	did   [4]float64 // one (for being there), produced, sent, followed
}

// vector is the costs in the order of a sample's did.
func (c CPUCost) vector() [4]float64 {
	return [4]float64{float64(c.Idle), c.Produced, c.Sent, c.Followed}
}

// How far the truth may be from the priors, and how exact a measurement is.
const (
	// idleDoubt is the standard deviation of the idle cores, as a share of the
	// mean broker's. The other costs are doubted by as much as they are.
	idleDoubt = 0.1
	// cpuNoise is the least error of a broker's measured cores, as a share of
	// the mean broker's.
	cpuNoise = 0.05
)

// cpuCostOf fits the costs, none negative, to what each alive broker was
// measured to use. It is the most probable cost under normal errors, given the
// priors scaled to the cluster's total: brokers that are all alike teach
// nothing and leave the priors' proportions, brokers that differ pull towards
// what explains the difference. The total always is what was measured.
func cpuCostOf(s cluster.Snapshot) CPUCost {
	m := momentsOf(cpuSamples(s))
	priors := PriorCPUCost().vector()
	prior := dot(priors, m.did)
	if m.brokers == 0 || prior <= 0 || m.cores <= 0 {
		return CPUCost{}
	}
	scale, mean := m.cores/prior, m.cores/m.brokers
	var believed, doubt [4]float64
	for k := range believed {
		believed[k] = scale * priors[k]
		doubt[k] = believed[k]
	}
	doubt[0] = idleDoubt * mean
	cost := believed
	// What is left over tells how exact the measurements are, and that how much
	// they count against the priors.
	for range 3 {
		variance := max(m.unexplained(cost)/max(1, m.brokers-4), cpuNoise*cpuNoise*mean*mean)
		cost = m.mostProbable(believed, doubt, variance)
	}
	fitted := dot(cost, m.did)
	if !(fitted > 0) {
		cost, fitted = believed, m.cores
	}
	for k := range cost {
		cost[k] *= m.cores / fitted
	}
	return CPUCost{Idle: cluster.Cores(cost[0]), Produced: cost[1], Sent: cost[2], Followed: cost[3]}
}

// moments are the sums over all brokers that a least-squares fit needs.
type moments struct {
	brokers, cores, squares float64 // how many, Σ cores, Σ cores²
	did, worked             [4]float64
	crossed                 [4][4]float64 // Σ did·didᵀ; worked is Σ did·cores
}

func momentsOf(samples []cpuSample) moments {
	m := moments{brokers: float64(len(samples))}
	for _, b := range samples {
		m.cores += b.cores
		m.squares += b.cores * b.cores
		for j, x := range b.did {
			m.did[j] += x
			m.worked[j] += x * b.cores
			for k, y := range b.did {
				m.crossed[j][k] += x * y
			}
		}
	}
	return m
}

func dot(a, b [4]float64) (sum float64) {
	for k := range a {
		sum += a[k] * b[k]
	}
	return sum
}

// unexplained is the sum of the squared errors that the costs leave.
func (m moments) unexplained(cost [4]float64) float64 {
	sum := m.squares - 2*dot(cost, m.worked)
	for k := range cost {
		sum += cost[k] * dot(cost, m.crossed[k])
	}
	return max(0, sum)
}

// mostProbable minimises the squared errors over their variance plus the
// squared distances from what is believed over its doubt, with no cost under
// zero. The function is strictly convex, so going round the coordinates finds
// its minimum; it begins where the equations have it, mostly there already.
func (m moments) mostProbable(believed, doubt [4]float64, variance float64) [4]float64 {
	var held [4]float64
	for k := range held {
		held[k] = math.Inf(1) // a cost without doubt stays as it is
		if doubt[k] > 0 {
			held[k] = variance / (doubt[k] * doubt[k])
		}
	}
	cost := m.balanced(believed, held)
	for range 200 {
		moved := 0.0
		for k := range cost {
			if doubt[k] <= 0 {
				continue
			}
			others := dot(cost, m.crossed[k]) - cost[k]*m.crossed[k][k]
			next := max(0, (held[k]*believed[k]+m.worked[k]-others)/(held[k]+m.crossed[k][k]))
			moved = max(moved, math.Abs(next-cost[k])/doubt[k])
			cost[k] = next
		}
		if moved < 1e-9 {
			break
		}
	}
	return cost
}

// balanced solves the normal equations of mostProbable, leaving at zero one
// cost after the other that would be under it.
func (m moments) balanced(believed, held [4]float64) [4]float64 {
	var zero [4]bool
	for {
		cost := m.solved(believed, held, zero)
		lowest := 0
		for k := range cost {
			if cost[k] < cost[lowest] {
				lowest = k
			}
		}
		if !(cost[lowest] < 0) {
			return cost
		}
		if zero[lowest] {
			return believed // not solvable in numbers
		}
		zero[lowest] = true
	}
}

// solved eliminates the costs that are neither held for certain nor zero.
func (m moments) solved(believed, held [4]float64, zero [4]bool) (cost [4]float64) {
	var a [4][5]float64
	for j := range a {
		switch {
		case zero[j]:
			a[j][j] = 1
		case math.IsInf(held[j], 1):
			a[j][j], a[j][4] = 1, believed[j]
		default:
			copy(a[j][:4], m.crossed[j][:])
			a[j][j] += held[j]
			a[j][4] = m.worked[j] + held[j]*believed[j]
		}
	}
	for p := range a { // the matrix is a positive definite one with rows of the identity: no pivoting
		for j := p + 1; j < len(a); j++ {
			f := a[j][p] / a[p][p]
			for k := p; k < 5; k++ {
				a[j][k] -= f * a[p][k]
			}
		}
	}
	for p := len(a) - 1; p >= 0; p-- {
		v := a[p][4]
		for k := p + 1; k < len(a); k++ {
			v -= a[p][k] * cost[k]
		}
		cost[p] = v / a[p][p]
	}
	for _, v := range cost {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return believed
		}
	}
	return cost
}

// cpuSamples are the alive brokers, or none unless every one was measured.
func cpuSamples(s cluster.Snapshot) []cpuSample {
	index := make(map[int]int, len(s.Brokers))
	var samples []cpuSample
	for i := range s.Brokers {
		b := &s.Brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		if b.Usage == nil || b.Usage.CPUCores <= 0 {
			return nil
		}
		index[b.ID] = len(samples)
		samples = append(samples, cpuSample{cores: float64(b.Usage.CPUCores), did: [4]float64{1}})
	}
	for i := range s.Topics {
		for j := range s.Topics[i].Partitions {
			p := &s.Topics[i].Partitions[j]
			in := float64(p.Load.BytesInPerSecond)
			for _, id := range p.Replicas {
				k, alive := index[id]
				switch {
				case !alive:
				case id == p.Leader:
					samples[k].did[1] += in
					samples[k].did[2] += float64(p.On(id).NetworkOut)
				default:
					samples[k].did[3] += in
				}
			}
		}
	}
	return samples
}
