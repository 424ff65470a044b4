// Package optimum is the least that anybody could pay for a demand who knew it
// beforehand: what every policy is held against. It is a lower bound and no
// policy: wherever something is in doubt it decides for what is cheaper.
package optimum

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// Brokers is what sizes over time are chosen from.
type Brokers struct {
	Hours float64 // of a step
	// Need is, by step, the fewest brokers that whoever keeps the promise must be
	// paying for then, and Now how many there are before the first.
	Need []int
	Now  int
	// BrokerHour is the price of a broker for an hour, and Move what a change of
	// size costs that is paid from a step on: at least nothing, and never more at
	// once than by way of another size.
	BrokerHour float64
	Move       func(step, from, to int) float64
}

// Course is the cheapest sizes, by step, and what they cost.
type Course struct {
	Sizes       []int
	BrokerHours float64
	Moves       float64 // in money
}

// Least finds the cheapest sizes by dynamic programming over time and size
// (Bellman, 1957). Sizes beyond the highest need and the present one are never
// worth anything.
func (b Brokers) Least() Course {
	low, high := b.Now, b.Now
	for _, n := range b.Need {
		low, high = min(low, n), max(high, n)
	}
	n := high - low + 1
	cost, from := make([]float64, n), make([][]int32, len(b.Need))
	for i := range cost {
		cost[i] = math.Inf(1)
	}
	cost[b.Now-low] = 0
	for k, need := range b.Need {
		next := make([]float64, n)
		from[k] = make([]int32, n)
		for j := range next {
			next[j], from[k][j] = math.Inf(1), -1
			if low+j < need {
				continue
			}
			for i, c := range cost {
				if math.IsInf(c, 1) {
					continue
				}
				if i != j {
					c += b.Move(k, low+i, low+j)
				}
				if c < next[j] {
					next[j], from[k][j] = c, int32(i)
				}
			}
			next[j] += float64(low+j) * b.Hours * b.BrokerHour
		}
		cost = next
	}
	return b.course(low, cost, from)
}

// course follows the cheapest end back to the start.
func (b Brokers) course(low int, cost []float64, from [][]int32) Course {
	best := 0
	for j := range cost {
		if cost[j] < cost[best] {
			best = j
		}
	}
	c := Course{Sizes: make([]int, len(b.Need))}
	for k := len(b.Need) - 1; k >= 0; k-- {
		c.Sizes[k] = low + best
		c.BrokerHours += float64(low+best) * b.Hours
		if i := int(from[k][best]); i != best {
			c.Moves += b.Move(k, low+i, low+best)
			best = i
		}
	}
	return c
}

// Replicas is what the replicas of a group are bounded by.
type Replicas struct {
	Seconds    float64   // of a tick
	Arrives    []float64 // records a second, by tick
	PerReplica float64
	Min, Max   int
	MaxLag     float64 // seconds that the oldest unread record may be old; 0 is without bound
}

// ReplicasOf is what the i-th group of a world is bounded by until the end.
func ReplicasOf(w *world.World, i int, end time.Time) Replicas {
	g, tick := w.Group(i), w.TickLength()
	most := g.Partitions
	if g.Spec.Max > 0 {
		most = min(most, g.Spec.Max)
	}
	r := Replicas{Seconds: tick.Seconds(), PerReplica: g.Spec.PerReplica, Min: max(g.Spec.Min, 1), Max: most,
		MaxLag: g.Spec.MaxLag.Seconds(), Arrives: make([]float64, int(end.Sub(w.Now())/tick))}
	for k := range r.Arrives {
		if at := w.Now().Add(time.Duration(k+1) * tick); !at.Before(g.Spec.From) {
			r.Arrives[k] = w.Sizing().Records(i, at)
		}
	}
	return r
}

// Course is the fewest replicas, by tick, that keep the promise if work can be
// shared out evenly, changes are for nothing, and replicas start at once: the
// minimum reads for nothing, and more is paid for no sooner than lag is as old
// as it may be. A policy needs no fewer in all, since a replica that works
// earlier reads no more. Fractions of a replica are what a change in between two
// ticks, and lag that is worked off later, come to.
func (r Replicas) Course() []float64 {
	out := make([]float64, len(r.Arrives))
	lag, free := 0.0, float64(r.Min)*r.PerReplica*r.Seconds
	most := math.Max(float64(r.Max-r.Min), 0) * r.PerReplica * r.Seconds
	for k, rate := range r.Arrives {
		out[k] = float64(r.Min)
		lag = math.Max(0, lag+rate*r.Seconds-free)
		over := lag - r.MaxLag*(rate+idle*r.PerReplica*float64(r.Max))
		if r.MaxLag <= 0 || over <= 0 {
			continue
		}
		lag -= over // what is more than most can read breaks the promise whatever is done
		out[k] += math.Min(over, most) / (r.PerReplica * r.Seconds)
	}
	return out
}

// idle is the part of its own rate by which a replica's lag is at least told in
// seconds (the world's idleReader).
const idle = 0.01
