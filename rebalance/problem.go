package rebalance

import (
	"github.com/tidetable/tidetable/cluster"
)

// problem is a snapshot on dense arrays: brokers, zones and partitions have
// numbers from zero, a replica is one int32, a partition's loads are two rows
// of floats. It never changes during a search.
type problem struct {
	nb, np, nd, nz int
	dims           []dimension
	unknown        []bool // per goal: no broker's capacity is known

	ids      []int   // broker -> id
	zone     []int32 // broker -> zone; zones of brokers that are alive come first
	nzAlive  int
	unzoned  int32     // the zone of brokers that say none while others do; -1: there are none
	room     []float64 // what the directory has free that takes a broker's next replica; nil: all have one
	assumed  []bool    // nb*nd: a capacity that is not known; nil: all are
	alive    []bool    // may hold replicas
	frozen   []bool    // alive but excluded: neither gives nor receives
	capacity []float64
	hard     []float64 // nb*nd, what a broker may not exceed; +Inf where nothing does

	off   []int32 // partition p has replicas orig[off[p]:off[p+1]]
	orig  []int32 // where the replicas are now, preferred leader first
	lead0 []int32 // leader now, -1 for none
	fol   []float64
	led   []float64
	size  []float64
	fixed []bool // excluded topics and partitions that nobody can serve
	held  []held // why, where the partition itself is the reason
	rules []zoneRule

	topic []int32 // partition -> index in the snapshot
	part  []int32 // partition -> index in its topic

	weight []float64 // per dimension
	total  []float64 // load of each dimension after any legal plan
	ideal  []float64 // nz*nd: utilisation of each zone in the best legal placement
	least  []float64 // nz*nd: what a zone must hold, wherever its brokers put it
	floor  []float64 // largest replica over largest broker
	bytes  float64   // all replicas

	local   *locality
	resized map[int]bool // topics whose replication factor changes
}

func (p *problem) rf(i int) int { return int(p.off[i+1] - p.off[i]) }

func (p *problem) replicas(of []int32, i int) []int32 { return of[p.off[i]:p.off[i+1]] }

func (p *problem) folRow(i int) []float64 { return p.fol[i*p.nd : i*p.nd+p.nd : i*p.nd+p.nd] }
func (p *problem) ledRow(i int) []float64 { return p.led[i*p.nd : i*p.nd+p.nd : i*p.nd+p.nd] }

func contains(reps []int32, b int32) bool {
	for _, x := range reps {
		if x == b {
			return true
		}
	}
	return false
}

// newProblem lays the snapshot out. The snapshot has been checked.
func newProblem(s cluster.Snapshot, o Options) *problem {
	p := &problem{nb: len(s.Brokers), dims: dimensions(o.Forecast, busyness(s, o.Forecast))}
	p.nd = len(p.dims)
	p.unknown = unknownCapacities(s.Brokers)
	p.layBrokers(s, o)
	p.layPartitions(s, o)
	p.findZoneRules()
	p.assumeCapacities(shareOf(o))
	p.weight = make([]float64, p.nd)
	for r, d := range p.dims {
		if !p.unknown[d.base] || d.count {
			p.weight[r] = d.weight
		}
	}
	p.findIdeals()
	p.weighRelevance()
	p.weighLeaders(s)
	p.findLocality(s, o.Locality)
	return p
}

// busyness is what the cluster receives in each block of a forecast.
func busyness(s cluster.Snapshot, o *Forecast) []float64 {
	if o == nil {
		return nil
	}
	out := make([]float64, len(o.Blocks))
	for _, t := range s.Topics {
		sum := 0.0
		for _, q := range t.Partitions {
			sum += float64(q.Load.BytesInPerSecond)
		}
		for k, b := range o.Blocks {
			out[k] += float64(sum * b.of(t.Name))
		}
	}
	return out
}

// multipliers are what the forecast says of a topic: per block, and the mean.
func multipliers(o *Forecast, topic string) (perBlock []float64, mean float64) {
	if o == nil || len(o.Blocks) == 0 {
		return nil, 1
	}
	for _, b := range o.Blocks {
		m := b.of(topic)
		perBlock = append(perBlock, m)
		mean += m / float64(len(o.Blocks))
	}
	return perBlock, mean
}

func (p *problem) layBrokers(s cluster.Snapshot, o Options) {
	p.ids = make([]int, p.nb)
	p.zone = make([]int32, p.nb)
	p.alive = make([]bool, p.nb)
	p.frozen = make([]bool, p.nb)
	p.capacity = make([]float64, p.nb*p.nd)
	p.hard = make([]float64, p.nb*p.nd)
	for i, b := range s.Brokers {
		p.ids[i] = b.ID
		p.alive[i] = b.State == cluster.BrokerAlive
		if b.State == cluster.BrokerFenced && !o.EvacuateFenced {
			// It is planned for as if it were back, and left alone.
			p.alive[i], p.frozen[i] = true, true
		}
	}
	for _, id := range o.ExcludeBrokers {
		for i := range p.ids {
			if p.ids[i] == id && p.alive[i] {
				p.frozen[i] = true
			}
		}
	}
	p.numberZones(s.Brokers)
	p.room = roomOfDirectories(s.Brokers)
	p.unzoned = findUnzoned(s.Brokers, p.alive, p.zone)
	share := shareOf(o)
	most := mostDiskPerCore(s.Brokers)
	for i, b := range s.Brokers {
		for r, g := range p.dims {
			c := g.capacity(b.Capacity)
			if g.count {
				c *= byShape(b.Capacity, most)
			}
			if p.unknown[g.base] {
				c = 1
			}
			p.capacity[i*p.nd+r] = c
			p.hard[i*p.nd+r] = inf
			if g.hard && !p.unknown[g.base] {
				p.hard[i*p.nd+r] = c * share
			}
		}
		// What is received is written, so the disk's rate bounds it as well.
		if w := float64(b.Capacity.DiskBytesPerSecond) * share; w > 0 {
			for r, d := range p.dims {
				if d.base == networkInIndex && !p.unknown[d.base] {
					p.hard[i*p.nd+r] = min(p.hard[i*p.nd+r], w)
				}
			}
		}
	}
}

// shareOf is the part of a capacity that may be used.
func shareOf(o Options) float64 {
	if o.CapacityThreshold <= 0 {
		return 1
	}
	return float64(o.CapacityThreshold)
}

// numberZones gives the zones that have an alive broker the numbers below
// nzAlive, in order of first appearance.
func (p *problem) numberZones(bs []cluster.Broker) {
	number := map[string]int32{}
	for _, wantAlive := range []bool{true, false} {
		for i, b := range bs {
			if _, known := number[b.Zone]; !known && p.alive[i] == wantAlive {
				number[b.Zone] = int32(len(number))
			}
		}
		if wantAlive {
			p.nzAlive = len(number)
		}
	}
	p.nz = len(number)
	for i, b := range bs {
		p.zone[i] = number[b.Zone]
	}
}

func (p *problem) layPartitions(s cluster.Snapshot, o Options) {
	index := make(map[int]int32, p.nb)
	for i, id := range p.ids {
		index[id] = int32(i)
	}
	replicas := 0
	for _, t := range s.Topics {
		p.np += len(t.Partitions)
		for _, q := range t.Partitions {
			replicas += len(q.Replicas)
		}
	}
	p.off = make([]int32, 1, p.np+1)
	p.orig = make([]int32, 0, replicas)
	p.lead0 = make([]int32, 0, p.np)
	p.fol = make([]float64, 0, p.np*p.nd)
	p.led = make([]float64, 0, p.np*p.nd)
	p.size = make([]float64, 0, p.np)
	p.fixed = make([]bool, 0, p.np)
	p.held = make([]held, 0, p.np)
	moving := flying(s)
	p.topic = make([]int32, 0, p.np)
	p.part = make([]int32, 0, p.np)
	for ti, t := range s.Topics {
		excludes := false
		for _, re := range o.ExcludeTopics {
			excludes = excludes || re.MatchString(t.Name)
		}
		perBlock, mean := multipliers(o.Forecast, t.Name)
		for qi, q := range t.Partitions {
			rf := len(q.Replicas)
			for _, id := range q.Replicas {
				p.orig = append(p.orig, index[id])
			}
			p.off = append(p.off, int32(len(p.orig)))
			lead := int32(-1)
			if b, ok := index[q.Leader]; ok && q.Leader >= 0 {
				lead = b
			}
			p.lead0 = append(p.lead0, lead)
			for _, d := range p.dims {
				m := mean
				if d.block >= 0 {
					m = perBlock[d.block]
				}
				load := q.Load
				if m != 1 {
					load = scaleLoad(load, m)
				}
				p.fol = append(p.fol, d.follower(load))
				p.led = append(p.led, d.leader(load, rf))
			}
			p.size = append(p.size, float64(q.Load.SizeBytes))
			p.bytes += float64(float64(rf) * float64(q.Load.SizeBytes))
			why := whyHeld(s, t.Name, q, excludes, moving, index)
			p.held = append(p.held, why)
			p.fixed = append(p.fixed, why != notHeld)
			p.topic = append(p.topic, int32(ti))
			p.part = append(p.part, int32(qi))
		}
	}
}

// whyHeld says why a partition stays as it is.
func whyHeld(s cluster.Snapshot, topic string, q cluster.Partition, excludes bool, moving map[partitionKey]bool,
	index map[int]int32) held {
	switch {
	case len(moving) > 0 && moving[partitionKey{topic, q.Partition}]:
		return inFlight
	case nobodyLives(s, q, index):
		return lost
	case excludes:
		return excluded
	}
	return notHeld
}

// nobodyLives tells whether there is no replica to copy the partition from: it
// has no leader, or all its brokers are dead.
func nobodyLives(s cluster.Snapshot, q cluster.Partition, index map[int]int32) bool {
	if q.Leader == cluster.NoLeader {
		return true
	}
	for _, id := range q.Replicas {
		if b, ok := index[id]; ok && s.Brokers[b].State != cluster.BrokerDead {
			return false
		}
	}
	return true
}
