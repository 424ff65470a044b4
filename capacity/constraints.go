package capacity

import (
	"fmt"
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// The constraints that are no resource's own; the others bear the resource's
// name.
const (
	CatchUp     = "catchUp"
	PageCache   = "pageCache"
	Partitions  = "partitions"
	Replication = "replication"
	Throughput  = "throughput"
)

// constraints is every constraint there is, sorted by name. Adding one is a
// function, a line here, and a row in docs/formulas.md.
var constraints = []struct {
	name     string
	advisory bool
	compute  func(*sizing) Constraint
}{
	{name: CatchUp, compute: catchUp},
	{name: string(cluster.CPU), compute: cpu},
	{name: string(cluster.Disk), compute: storage},
	{name: string(cluster.DiskBandwidth), compute: diskBandwidth},
	{name: string(cluster.NetworkIn), compute: networkIn},
	{name: string(cluster.NetworkOut), compute: networkOut},
	{name: PageCache, advisory: true, compute: pageCache},
	{name: Partitions, compute: partitions},
	{name: Replication, compute: replication},
	{name: Throughput, compute: throughput},
}

// has is what a broker has of a resource.
func has(r cluster.Resource) func(cluster.Capacity) float64 {
	return func(c cluster.Capacity) float64 { return c.Of(r) }
}

// arrivingFloor is what arrives in every zone, whatever the placement.
func (s *sizing) arrivingFloor() float64 {
	return float64(s.Replicated) * wholeCopies(s.Spread, s.Zones, func(x Spread) float64 { return x.Arriving })
}

// networkIn: ΣW·RF / B ≤ u·nic_in (Cloudera; Netflix service-capacity-modeling).
func networkIn(s *sizing) Constraint {
	return s.load(rate{float64(s.Replicated), float64(s.Replicated), has(cluster.NetworkIn), s.Limits.NetworkIn, s.arrivingFloor(), "B/s",
		"ΣW·RF"})
}

// networkOut: ΣW·(C + RF − 1) / B ≤ u·nic_out (Cloudera; AWS Eq. 1).
func networkOut(s *sizing) Constraint {
	out := s.Consumed + s.Replicated - s.Produced
	return s.load(rate{float64(out), 0, has(cluster.NetworkOut), s.Limits.NetworkOut, 0, "B/s", "ΣW·(C + RF − 1)"})
}

// diskBandwidth: W·RF + L·W, L being what lagging readers read (HDInsight).
func diskBandwidth(s *sizing) Constraint {
	return s.load(rate{float64(s.Replicated + s.Catching), float64(s.Replicated), has(cluster.DiskBandwidth), s.Limits.DiskBandwidth,
		s.arrivingFloor(), "B/s", "W·RF + L·W"})
}

// throughput: t_cluster ≤ min{storage·B/r, EBS net·B/r, EC2 net·B/(groups + r − 1)}
// (AWS Big Data blog, Eq. 1). It repeats the network and disk rows where disks
// are local, and adds the link to the disks where they are not.
func throughput(s *sizing) Constraint {
	link := s.StorageNetwork
	if link <= 0 {
		return Constraint{Advisory: true, Unit: "B/s", Unknown: "disks are local, or the link to them is not known"}
	}
	all := func(cluster.Capacity) float64 { return float64(link) }
	return s.load(rate{float64(s.Replicated), float64(s.Replicated), all, s.Limits.DiskBandwidth, s.arrivingFloor(), "B/s",
		"W·RF over the storage link"})
}

// staffing is β of square-root staffing: R + β·√R cores keep queueing short at
// offered load R (Halfin and Whitt, 1981).
const staffing = 1.0

const (
	// mostIdle is the most of a broker's room that can be taken for idling: of
	// more than half the fit errs. Judgement.
	mostIdle = 0.5
	// toldIdle is the share of a broker's cores from which on idling is worth a
	// word in the formula.
	toldIdle = 0.01
)

// cpu: the measured cores at that load, or the priors', with the square-root
// staffing margin where the utilisation limit leaves less than that. Cores that
// a broker uses for being there are not shared: they lessen what it has.
func cpu(s *sizing) Constraint {
	cores, from := float64(s.CPU), "measured cores at that load"
	if s.CPU < 0 {
		cores = float64(PriorCPUCost().of(0, s.Produced, s.Consumed, s.Replicated))
		from = "W/33.3 MiB/s + (C·W + 2·(RF−1)·W)/25 MiB/s"
	}
	each, u := float64(s.Profile.CPUCores), s.Limits.CPU
	busy, idle := cores, 0.0
	if s.CPUCost.known() && each > 0 {
		idle = min(float64(s.CPUCost.Idle), each*limit(u)*mostIdle)
		busy = max(0, cores-idle*float64(s.CPUBrokers))
		if idle > each*toldIdle {
			from = fmt.Sprintf("measured cores at that load but for the %.2g a broker that it needs anyway", idle)
		}
	}
	working := func(c cluster.Capacity) float64 { return max(0, float64(c.CPUCores)-idle/limit(u)) }
	c := s.load(rate{busy, 0, working, u, 0, "cores", from})
	if c.Unknown != "" {
		return c
	}
	if s.Fleet != nil {
		staffed := fleetNeed{left: cores + staffing*math.Sqrt(cores), each: has(cluster.CPU), lost: s.worstLoss}
		if n, _ := s.fleet(staffed); n > c.Brokers {
			c.Brokers = n
			c.Formula = fmt.Sprintf("R + √R = %.4g + √%.4g cores of %.4g = %d", cores, cores, s.has(staffed.each), n)
		}
		return c
	}
	if s.Facts.Brokers > 0 {
		c.Utilisation = cluster.Ratio(cores / (each * float64(s.Facts.Brokers)))
	}
	if margin := atLeast((cores + staffing*math.Sqrt(cores)) / each); s.withLoss(margin) > c.Brokers {
		c.Brokers = s.withLoss(margin)
		c.Formula = fmt.Sprintf("R + √R = %.4g + √%.4g cores ÷ %.3g a broker = %d left of %d", cores, cores, each, margin, c.Brokers)
	}
	return c
}

// storage: stored bytes ÷ fill. Losing a broker for good means that the others
// take its replicas; losing a zone does not, since its replicas come back.
func storage(s *sizing) Constraint {
	c := Constraint{Demand: float64(s.Stored), PerBroker: float64(s.Profile.DiskBytes) * limit(s.Limits.Disk), Unit: "B"}
	switch {
	case s.Stored < 0:
		c.Unknown = "the sizes of partitions are not known"
		return c
	case c.PerBroker <= 0:
		c.Unknown = "no broker's disk size is known; name a shape in brokers.shape"
		return c
	}
	floor := c.Demand * wholeCopies(s.Spread, s.Zones, func(x Spread) float64 { return x.Disk })
	if s.Fleet != nil {
		u := limit(s.Limits.Disk)
		s.unlike(&c, fleetNeed{left: c.Demand / u, floor: floor / u, each: has(cluster.Disk), lost: s.lostForGood}, u, "stored")
		return c
	}
	need := atLeast(c.Demand / c.PerBroker)
	c.Brokers = need + s.brokersLost()
	if s.Facts.Brokers > 0 {
		c.Utilisation = cluster.Ratio(c.Demand / (float64(s.Profile.DiskBytes) * float64(s.Facts.Brokers)))
	}
	c.Formula = fmt.Sprintf("stored = %.4g B ÷ (%.3g × %.4g B) = %d left of %d", c.Demand, limit(s.Limits.Disk),
		float64(s.Profile.DiskBytes), need, c.Brokers)
	s.zoned(&c, floor)
	return c
}

// brokersLost is what may be lost for good, whose replicas the others rebuild.
func (s *sizing) brokersLost() int {
	if s.Survive.Zones > 0 {
		return 0
	}
	return s.Survive.Brokers
}

// replicasByShape is the limit of replicas for a broker: that of the policy for those
// with most cores, and by their cores for the others.
func (s *sizing) replicasByShape(limit int) func(cluster.Capacity) float64 {
	most := s.Profile.CPUCores
	for _, m := range s.Fleet {
		most = max(most, m.Capacity.CPUCores)
	}
	return func(c cluster.Capacity) float64 {
		if most <= 0 || c.CPUCores <= 0 {
			return float64(limit)
		}
		return float64(limit) * float64(c.CPUCores/most)
	}
}

// partitions: at most 4,000 replicas a broker (KIP-578; MSK 1,000 to 4,000 by size).
func partitions(s *sizing) Constraint {
	each := s.MaxReplicasPerBroker
	if each <= 0 {
		each = DefaultReplicasPerBroker
	}
	need := atLeast(float64(s.Replicas) / float64(each))
	c := Constraint{Demand: float64(s.Replicas), PerBroker: float64(each), Unit: "replicas", Brokers: need + s.brokersLost()}
	if s.Fleet != nil {
		s.unlike(&c, fleetNeed{left: c.Demand, each: s.replicasByShape(each), lost: s.lostForGood}, 1, "replicas")
		return c
	}
	if s.Facts.Brokers > 0 {
		c.Utilisation = cluster.Ratio(c.Demand / (float64(each) * float64(s.Facts.Brokers)))
	}
	c.Formula = fmt.Sprintf("replicas = %d ÷ %d a broker = %d left of %d", s.Replicas, each, need, c.Brokers)
	return c
}

// replication: B − k ≥ RF, so that every partition can have all its replicas.
// A lost zone comes back; until then its partitions run on what is left.
func replication(s *sizing) Constraint {
	c := Constraint{Demand: float64(s.MaxRF), PerBroker: 1, Unit: "replicas", Brokers: s.MaxRF + s.brokersLost()}
	c.Formula = fmt.Sprintf("RF + k = %d + %d", s.MaxRF, s.brokersLost())
	return c
}

// catchUp: bytes on a broker / move rate ≤ the time allowed (Netflix: 60 min).
func catchUp(s *sizing) Constraint {
	c := Constraint{Demand: float64(s.Stored), Unit: "B", Advisory: s.CatchUp <= 0}
	switch {
	case s.CatchUp <= 0:
		c.Unknown = "no catch-up time is asked for"
	case s.Stored < 0:
		c.Unknown = "the sizes of partitions are not known"
	case s.MoveRate <= 0:
		c.Unknown = "the rate that data may be moved at is not known"
	default:
		c.PerBroker = float64(s.MoveRate) * s.CatchUp.Seconds()
		c.Brokers = atLeast(c.Demand / c.PerBroker)
		c.Formula = fmt.Sprintf("stored = %.4g B ÷ (%.4g B/s × %s) = %d", c.Demand, float64(s.MoveRate), s.CatchUp, c.Brokers)
	}
	return c
}

// PageCacheShare is the part of a broker's memory that caches the log: what the
// heap leaves. Strimzi gives the heap half of the container's memory, up to
// 5 GB, unless told otherwise; a larger machine has more.
const PageCacheShare = 0.5

// pageCache: cache / (W·RF per broker) seconds of tail reads are free
// (Cloudera). Beyond it reads cost disk bandwidth, which is its own row.
func pageCache(s *sizing) Constraint {
	c := Constraint{Unit: "s"}
	perBroker := float64(s.Replicated) / float64(max(1, s.Facts.Brokers))
	switch {
	case s.LoadUnknown != "":
		c.Unknown = s.LoadUnknown
	case s.Profile.MemoryBytes <= 0:
		c.Unknown = "no broker's memory is known"
	case perBroker <= 0:
		c.Unknown = "nothing is written"
	default:
		c.Demand = s.CacheSeconds
		c.PerBroker = PageCacheShare * float64(s.Profile.MemoryBytes) / perBroker
		c.Brokers = atLeast(s.CacheSeconds * float64(s.Replicated) / (PageCacheShare * float64(s.Profile.MemoryBytes)))
		c.Formula = fmt.Sprintf("%.2g × %.4g B ÷ %.4g B/s = %.0f s of reads from memory", PageCacheShare,
			float64(s.Profile.MemoryBytes), perBroker, c.PerBroker)
	}
	return c
}
