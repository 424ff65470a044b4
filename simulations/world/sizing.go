package world

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Footprint is what clients' traffic costs the whole cluster at one time,
// placement aside.
type Footprint struct {
	In, Out, CPU float64 // bytes per second with replication; cores
	Disk         float64 // bytes on disk with replication
	DiskWrite    float64 // bytes per second
}

// Sizing is what a policy sizes a world by: what the traffic costs, and how many
// brokers carry that.
type Sizing struct {
	place     *placement
	load      *load
	consumers *consumers
	time      *timeline

	units    []Footprint // by class
	unitsFor int
	inZone   []bool // by zone; see zoneStep
}

// Rates is what the traffic at t costs, as the profiles say, past or future: the
// oracle may ask for the future, nobody else. The disk is left out.
func (s *Sizing) Rates(t time.Time) Footprint {
	var d Footprint
	for k := range s.load.classes {
		p := s.load.bytesAt(k, t)
		c := s.unit(k)
		d.In += c.In * p
		d.Out += c.Out * p
		d.CPU += c.CPU * p
	}
	d.DiskWrite = d.In
	return d
}

// unit is what one unit of a class costs the cluster. It is cached by the
// number of readers, which is all that changes it.
func (s *Sizing) unit(k int) Footprint {
	readers := 0
	for i := range s.place.topics {
		readers += s.place.topics[i].readers
	}
	if s.units == nil || s.unitsFor != readers {
		s.units, s.unitsFor = make([]Footprint, len(s.load.classes)), readers
		for i := range s.place.topics {
			tp := &s.place.topics[i]
			all, u := tp.perByte().Replicated(tp.spec.ReplicationFactor), &s.units[tp.class]
			u.In += tp.spec.Scale * float64(all.NetworkIn)
			u.Out += tp.spec.Scale * float64(all.NetworkOut)
			u.CPU += tp.spec.Scale * float64(all.CPU)
		}
	}
	return s.units[k]
}

// Records is the rate at which records arrive for a group at t; as Rates, for
// the oracle.
func (s *Sizing) Records(group int, t time.Time) float64 {
	sum := 0.0
	for k, v := range s.consumers.groups[group].sum {
		if v > 0 {
			sum += v * s.load.recordsAt(k, t)
		}
	}
	return sum
}

// Measured is what brokers carry now, as their metrics show it.
func (s *Sizing) Measured() Footprint {
	var d Footprint
	for i := range s.place.brokers {
		b := &s.place.brokers[i]
		if b.state != cluster.BrokerAlive {
			continue
		}
		// What is not accepted is not measured: an overloaded broker shows its limit.
		d.In += (b.use.in - b.use.moveIn) * b.served
		d.Out += b.use.out * b.served
		d.CPU += math.Min(b.use.cpu, float64(b.shape.CPUCores))
		d.Disk += s.place.diskUsed(b)
	}
	d.DiskWrite = d.In
	return d
}

// DiskUsed is what all brokers store, in bytes.
func (s *Sizing) DiskUsed() float64 {
	sum := 0.0
	for i := range s.place.brokers {
		sum += s.place.diskUsed(&s.place.brokers[i])
	}
	return sum
}

// Brokers is how many brokers of the present shape carry so much at a
// utilisation of at most u, and disks filled to at most fill.
func (s *Sizing) Brokers(d Footprint, u, fill float64) int {
	shape := s.place.brokers[0].shape
	need := 1.0
	consider := func(load float64, limit float64) {
		if limit > 0 {
			need = math.Max(need, load/limit)
		}
	}
	consider(d.In, u*float64(shape.NetworkInBytesPerSecond))
	consider(d.Out, u*float64(shape.NetworkOutBytesPerSecond))
	consider(d.CPU, u*float64(shape.CPUCores))
	consider(d.DiskWrite, u*float64(shape.DiskBytesPerSecond))
	consider(d.Disk, fill*float64(shape.DiskBytes))
	n := max(int(math.Ceil(need-rounding)), s.MinBrokers())
	step := s.zoneStep()
	return (n + step - 1) / step * step
}

// MinBrokers is the fewest brokers that can hold every replica list.
func (s *Sizing) MinBrokers() int { return max(s.place.mostReplicas, 1) }

// zoneStep is the number of zones when every zone holds a replica of every
// partition: each zone then carries the same, however many brokers it has, and
// only whole rounds of zones add capacity.
func (s *Sizing) zoneStep() int {
	s.inZone = resized(s.inZone, len(s.place.zoneNos))
	zones := 0
	for i := range s.place.brokers {
		if z := s.place.brokers[i].zoneNo; !s.inZone[z] {
			s.inZone[z] = true
			zones++
		}
	}
	if s.place.leastReplicas < zones {
		return 1
	}
	return max(zones, 1)
}

// Stored is what all brokers will store at t, in bytes, if everything that is
// produced is accepted; as Rates, for those who know the future.
func (s *Sizing) Stored(t time.Time) float64 {
	sum := 0.0
	for k := range s.load.classes {
		l, weight := &s.place.logs[k], 0.0
		for i := range s.place.brokers {
			weight += s.place.brokers[i].size[k]
		}
		sum += weight * l.at(s.load.profiles[s.load.classes[k].profile], s.time.now, t)
	}
	return sum
}

// Least is the fewest brokers of a shape that carry a demand at a utilisation of at
// most u, and disks filled to at most fill, when it is spread perfectly and nothing
// is moved: no placement does with fewer. What every zone holds a whole copy of
// must fit in the zone with fewest.
func (s *Sizing) Least(d Footprint, shape cluster.Capacity, u, fill float64) int {
	need, zones := float64(s.MinBrokers()), s.wholeCopies()
	consider := func(load, limit float64, round int) {
		if limit > 0 {
			need = math.Max(need, float64(round)*math.Ceil(load/(limit*float64(round))-leastRounding))
		}
	}
	consider(d.CPU, u*float64(shape.CPUCores), 1)
	consider(d.Out, u*float64(shape.NetworkOutBytesPerSecond), 1)
	consider(d.In, u*float64(shape.NetworkInBytesPerSecond), zones)
	consider(d.DiskWrite, u*float64(shape.DiskBytesPerSecond), zones)
	consider(d.Disk, fill*float64(shape.DiskBytes), zones)
	return int(need)
}

// Bearable is the utilisation at which requests wait for as long as the promise
// allows: the inverse of waiting. Without a promise there is no bound.
func (slo SLO) Bearable() float64 {
	p99, most := slo.ProduceP99.Seconds(), ln100*serviceTime.Seconds()/(1-nearlyFull)
	switch {
	case p99 <= 0:
		return math.Inf(1)
	case p99 <= most:
		return math.Max(0, 1-ln100*serviceTime.Seconds()/p99)
	}
	return nearlyFull + (p99/most-1)*(1-nearlyFull)
}

// wholeCopies is the number of zones where each of them holds as many replicas of
// every partition as the others, and brokers take zones in turn; else one.
func (s *Sizing) wholeCopies() int {
	zones := len(s.place.zoneNos)
	for i := range s.place.topics {
		if s.place.topics[i].spec.ReplicationFactor%zones != 0 {
			return 1
		}
	}
	for i := range s.place.brokers {
		if s.place.brokers[i].zoneNo != i%zones {
			return 1
		}
	}
	return zones
}
