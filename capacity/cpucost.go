package capacity

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

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
	// service-capacity-modeling (kafka.py) takes 30 ms of CPU to write 1 MiB and
	// 40 ms to read one, "tuned down" from 71. The 2 to 2.5 times as many cores
	// that it provides are room, which ours is the policy's utilisation and loss.
	producedPerCore = cluster.BytesPerSecond(1<<20) * 1000 / 30
	sentPerCore     = cluster.BytesPerSecond(1<<20) * 1000 / 40
	// followedPerCore: a follower appends batches that its leader has checked
	// already. Cruise Control weighs a byte followed as a byte sent (0.15 each,
	// its *.weight.for.cpu.util).
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
	// fitRounds is how often what is left over is weighed anew: it changes by
	// less than the noise from the second round on. Judgement.
	fitRounds = 3
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
	for range fitRounds {
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
// zero. A cost without doubt stays as it is believed. The function is strictly
// convex: a cost that is free where the equations have it, and one at zero that
// more of would not help, are its minimum.
func (m moments) mostProbable(believed, doubt [4]float64, variance float64) [4]float64 {
	var zero [4]bool
	for {
		cost, ok := m.solved(believed, doubt, variance, zero)
		if !ok {
			return believed // not solvable in numbers
		}
		lowest := 0
		for k := range cost {
			if cost[k] < cost[lowest] {
				lowest = k
			}
		}
		if cost[lowest] >= 0 {
			return m.released(believed, doubt, variance, zero, cost)
		}
		zero[lowest] = true
	}
}

// released looks again at the costs that are held at zero: taking them out one
// by one may have taken out one too many. There are no more than sixteen ways to
// hold four costs, so that all are tried.
func (m moments) released(believed, doubt [4]float64, variance float64, zero [4]bool, cost [4]float64) [4]float64 {
	helped := false
	for k := range zero {
		helped = helped || zero[k] && m.slope(believed, doubt, variance, cost, k) < 0
	}
	if !helped {
		return cost
	}
	best := math.Inf(1)
	for held := range 1 << len(zero) {
		for k := range zero {
			zero[k] = held>>k&1 == 1
		}
		x, ok := m.solved(believed, doubt, variance, zero)
		if !ok || slices.Min(x[:]) < 0 {
			continue
		}
		if v := m.improbability(believed, doubt, variance, x); v < best {
			best, cost = v, x
		}
	}
	return cost
}

// improbability is what mostProbable minimises, times the variance.
func (m moments) improbability(believed, doubt [4]float64, variance float64, cost [4]float64) float64 {
	sum := m.unexplained(cost)
	for k := range cost {
		if doubt[k] > 0 {
			d := (cost[k] - believed[k]) / doubt[k]
			sum += variance * d * d
		}
	}
	return sum
}

// slope is half the derivative of improbability by one cost.
func (m moments) slope(believed, doubt [4]float64, variance float64, cost [4]float64, k int) float64 {
	return dot(cost, m.crossed[k]) - m.worked[k] + variance*(cost[k]-believed[k])/(doubt[k]*doubt[k])
}

// solved is the normal equations' solution for the costs that are in doubt and
// not held at zero; false when they have none in numbers.
func (m moments) solved(believed, doubt [4]float64, variance float64, zero [4]bool) (cost [4]float64, ok bool) {
	var free []int
	for k := range cost {
		switch {
		case doubt[k] <= 0:
			cost[k] = believed[k]
		case !zero[k]:
			free = append(free, k)
		}
	}
	if len(free) == 0 {
		return cost, true
	}
	// Costs are counted in their doubt, so that the matrix is of like numbers.
	a, y := mat.NewSymDense(len(free), nil), mat.NewVecDense(len(free), nil)
	for i, j := range free {
		y.SetVec(i, doubt[j]*(m.worked[j]-dot(cost, m.crossed[j]))+variance*believed[j]/doubt[j])
		for h, k := range free[:i+1] {
			v := doubt[j] * m.crossed[j][k] * doubt[k]
			if h == i {
				v += variance
			}
			a.SetSym(i, h, v)
		}
	}
	var chol mat.Cholesky
	var x mat.VecDense
	if !chol.Factorize(a) || chol.SolveVecTo(&x, y) != nil {
		return cost, false
	}
	for i, k := range free {
		cost[k] = x.AtVec(i) * doubt[k]
	}
	return cost, true
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
