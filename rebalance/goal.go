package rebalance

import "github.com/tidetable/tidetable/cluster"

// A goal is one quantity to be even over the brokers, relative to what each
// can carry. Adding one is a file with its value, a test, a line in goals, and
// a row in docs/rebalancing.md.
type goal struct {
	name string
	unit string
	// weight is the goal's share of the objective; the weights add up to 1. They
	// are a judgement, as in any such sum.
	weight float64
	// count says that the quantity counts things, so that a share below one
	// thing cannot be moved.
	count bool
	// hard says that an alive broker may not exceed its capacity.
	hard bool
	// rate says that the quantity changes with the hour of the day.
	rate bool
	// capacity is what a broker can carry.
	capacity func(cluster.Capacity) float64
	// follower is what every replica costs its broker, leader what the leader
	// costs on top, with rf replicas in all.
	follower func(cluster.Load) float64
	leader   func(l cluster.Load, rf int) float64
}

// capacityOf, followerOf and leaderOf are a resource's, by the rules of cluster.
func capacityOf(r cluster.Resource) func(cluster.Capacity) float64 {
	return func(c cluster.Capacity) float64 { return c.Of(r) }
}

func followerOf(r cluster.Resource) func(cluster.Load) float64 {
	return func(l cluster.Load) float64 { return l.Follower().Of(r) }
}

func leaderOf(r cluster.Resource) func(cluster.Load, int) float64 {
	return func(l cluster.Load, rf int) float64 { return l.Leader(rf).Of(r) - l.Follower().Of(r) }
}

// goals is the registry, in the order in which they are printed.
var goals = []goal{
	cpuGoal,
	networkInGoal,
	networkOutGoal,
	diskGoal,
	replicasGoal,
	leadersGoal,
}

// Positions in goals that the hard rules refer to.
const (
	cpuIndex = iota
	networkInIndex
	networkOutIndex
	diskIndex
	replicasIndex
	leadersIndex
)

// dimension is a goal, as it is over the whole horizon or in one block of an
// forecast.
type dimension struct {
	goal
	base   int // position in goals
	block  int // of the forecast, -1 for none
	weight float64
}

// dimensions lists the goals, and for each block of a forecast those that
// change with the hour. A block weighs as the square of how busy it is: what
// is uneven at night hurts nobody.
func dimensions(o *Forecast, busy []float64) []dimension {
	var out []dimension
	for r, g := range goals {
		d := dimension{goal: g, base: r, block: -1, weight: g.weight}
		if o != nil && g.rate {
			d.weight = 0
		}
		out = append(out, d)
	}
	if o == nil {
		return out
	}
	sum := 0.0
	for _, b := range busy {
		sum += float64(b * b)
	}
	for k := range o.Blocks {
		for r, g := range goals {
			if !g.rate {
				continue
			}
			d := dimension{goal: g, base: r, block: k}
			d.name = g.name + "@" + o.Blocks[k].Label
			if sum > 0 {
				d.weight = g.weight * busy[k] * busy[k] / sum
			}
			out = append(out, d)
		}
	}
	return out
}

// weighRelevance lowers the weight of a resource of which hardly any is used
// beside the one that is used most: the measure of cluster.Hottest.
func (p *problem) weighRelevance() {
	used, most := make([]cluster.Ratio, p.nd), cluster.Ratio(0)
	for r, d := range p.dims {
		if !d.hard || p.unknown[d.base] {
			continue
		}
		capacity := 0.0
		for b := range p.alive {
			if p.alive[b] {
				capacity += p.capacity[b*p.nd+r]
			}
		}
		if capacity > 0 {
			used[r] = cluster.Ratio(p.total[r] / capacity)
			most = max(most, used[r])
		}
	}
	for r, d := range p.dims {
		if d.hard && !p.unknown[d.base] {
			p.weight[r] *= cluster.Relevance(used[r], most)
		}
	}
}

// diskPerCore is how much disk a broker has for each core; 0 where that is not
// known.
func diskPerCore(c cluster.Capacity) float64 {
	if c.CPUCores <= 0 {
		return 0
	}
	return float64(c.DiskBytes) / float64(c.CPUCores)
}

func mostDiskPerCore(bs []cluster.Broker) float64 {
	most := 0.0
	for _, b := range bs {
		if b.State == cluster.BrokerAlive {
			most = max(most, diskPerCore(b.Capacity))
		}
	}
	return most
}

// byShape is the part of its share by cores that a broker can hold of what is
// counted: less where its disk is small for its cores, since replicas need room
// before they need time.
func byShape(c cluster.Capacity, most float64) float64 {
	if d := diskPerCore(c); d > 0 && d < most {
		return d / most
	}
	return 1
}

// weighLeaders takes the leaders' own weight away where followers serve what is
// read: there a leader costs its broker what any replica does, and what is left of
// the difference is counted where it is used.
func (p *problem) weighLeaders(s cluster.Snapshot) {
	for _, t := range s.Topics {
		for i := range t.Partitions {
			if t.Partitions[i].Load.FollowerBytesOutPerSecond > 0 {
				p.weight[leadersIndex] = 0
				return
			}
		}
	}
}
