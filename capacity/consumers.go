package capacity

import (
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// ConsumerDemand is what one group must do.
type ConsumerDemand struct {
	Group      string
	Arriving   cluster.MessagesPerSecond // λ, at the peak that is sized for
	PerReplica cluster.MessagesPerSecond // μ; 0: unknown
	// AtLeast says that μ is only known to be at least PerReplica: a replica
	// has done that, and was not seen at its limit. Then the count keeps what a
	// replica does at that, without further room.
	AtLeast    bool
	Backlog    int64         // records of lag now
	DrainIn    time.Duration // the lag objective: a backlog is gone within it
	Partitions int           // the cap; 0: unknown
	// HotShare is the part of what arrives that goes to one partition, which only
	// one replica can read; 0: all carry about the same.
	HotShare float64
	Current  int
	// Utilisation is how busy a replica may be on average.
	Utilisation cluster.Ratio
	Min, Max    int // Max 0: the partitions bound it
}

// hottestReplica is how busy the replica with most partitions may be: above
// the average's limit, still below one, so that its lag does not grow.
const hottestReplica = 0.95

// SizeConsumers is the smallest number of replicas that meets all of:
// ⌈λ/(u·μ)⌉ on average; no replica with ⌈P/n⌉ partitions above 95 % busy, so
// that a count that does not spread evenly is raised to one that does; and
// drain time backlog/(nμ − λ) within the objective. It is at most P.
func SizeConsumers(d ConsumerDemand) ConsumerRequirement {
	r := ConsumerRequirement{Group: d.Group, Partitions: d.Partitions, Demand: float64(d.Arriving),
		PerReplica: float64(d.PerReplica), Lag: d.Backlog}
	lambda, mu := float64(d.Arriving), float64(d.PerReplica)
	switch {
	case d.Partitions <= 0:
		r.Unknown = "the partitions the group reads are not known"
	case !(mu > 0):
		r.Unknown = "what one replica can do is not known yet; set perReplica, or wait until the group has been seen working"
	case !(lambda >= 0) || math.IsInf(lambda, 0):
		r.Unknown = "the records that arrive are not known"
	}
	if r.Unknown != "" {
		r.Replicas = clampReplicas(d.Current, d)
		r.Why = "kept: " + r.Unknown
		return r
	}
	if d.AtLeast {
		d.Utilisation = 1
	}
	n := max(1, atLeast(lambda/(mu*limit(d.Utilisation))))
	r.Why = fmt.Sprintf("λ/(u·μ) = %.4g ÷ (%.2g × %.4g) = %d", lambda, limit(d.Utilisation), mu, n)
	if d.AtLeast {
		r.Why += ", μ being the most a replica was seen to do"
	} else if even := spread(n, d.Partitions, lambda, mu); even > n {
		r.Why += fmt.Sprintf("; %d spread %d partitions so that no replica is over %.0f %%", even, d.Partitions, 100*hottestReplica)
		n = even
	}
	if drain := drainReplicas(d, lambda, mu); drain > n {
		r.Why += fmt.Sprintf("; %d drain a lag of %d within %s", drain, d.Backlog, d.DrainIn)
		n = drain
	}
	if most := helpful(d.HotShare, lambda, mu); most > 0 && n > most {
		r.Why += fmt.Sprintf("; more than %d do not help: one partition gets %.0f %% of the records, %.3g times what a replica can do",
			most, 100*d.HotShare, d.HotShare*lambda/mu)
		n = most
	}
	r.Replicas = clampReplicas(n, d)
	if r.Replicas != n {
		r.Why += fmt.Sprintf("; bounded to %d (min %d, max %d, partitions %d)", r.Replicas, d.Min, d.Max, d.Partitions)
	}
	return r
}

// spread raises n until the replica with most partitions keeps up.
func spread(n, partitions int, lambda, mu float64) int {
	for n < partitions {
		most := (partitions + n - 1) / n
		if float64(most)*lambda/float64(partitions) <= hottestReplica*mu {
			return n
		}
		// The next count at which the largest share falls by one partition.
		n = max(n+1, (partitions+most-2)/(most-1))
	}
	return min(n, partitions)
}

func drainReplicas(d ConsumerDemand, lambda, mu float64) int {
	// What arrived within the objective is no backlog: at a steady lag of the
	// commit interval nothing has to be drained.
	backlog := float64(d.Backlog) - lambda*d.DrainIn.Seconds()
	if backlog <= 0 || d.DrainIn <= 0 {
		return 0
	}
	return atLeast((lambda + backlog/d.DrainIn.Seconds()) / mu)
}

// helpful is the most replicas that help where one partition alone asks for more
// than one of them can do: its own, and as many as the rest takes at what they
// can do. 0 where no partition does.
func helpful(share, lambda, mu float64) int {
	if share*lambda <= hottestReplica*mu {
		return 0
	}
	return 1 + atLeast((1-share)*lambda/(hottestReplica*mu))
}

func clampReplicas(n int, d ConsumerDemand) int {
	if d.Max > 0 {
		n = min(n, d.Max)
	}
	if d.Partitions > 0 {
		n = min(n, d.Partitions)
	}
	return max(n, d.Min)
}
