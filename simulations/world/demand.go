package world

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Demand is what clients ask of the whole cluster at one time, placement aside.
type Demand struct {
	In, Out, CPU float64 // bytes per second with replication; cores
	Disk         float64 // bytes on disk with replication
	DiskWrite    float64 // bytes per second
}

// DemandAt is the demand at t as the profiles say, past or future: the oracle
// may ask for the future, nobody else. Disk is today's at any t.
func (w *World) DemandAt(t time.Time) Demand {
	var d Demand
	for i := range w.topics {
		tp := &w.topics[i]
		rate := tp.spec.Scale * w.cfg.Profiles[tp.spec.Profile].At(t)
		rf, readers := float64(tp.spec.ReplicationFactor), float64(tp.readers)
		d.In += rate * rf
		d.Out += rate * (rf - 1 + readers)
		d.CPU += rate * (tp.leaderCPU + readers*tp.readerCPU + (rf-1)*tp.followerCPU)
		size := 0.0
		for j := range tp.spec.Partitions {
			size += w.sizeOf(&w.parts[int(tp.first)+j])
		}
		d.Disk += size * rf
	}
	d.DiskWrite = d.In
	return d
}

// Rates is DemandAt without the disk, in time linear in load classes.
func (w *World) Rates(t time.Time) Demand {
	var d Demand
	for k := range w.classes {
		p := w.cfg.Profiles[w.classes[k].profile].At(t)
		c := w.unit(k)
		d.In += c.In * p
		d.Out += c.Out * p
		d.CPU += c.CPU * p
	}
	d.DiskWrite = d.In
	return d
}

// unit is what one unit of a class's profile asks of the cluster. It is cached
// by the number of readers, which is all that changes it.
func (w *World) unit(k int) Demand {
	readers := 0
	for i := range w.topics {
		readers += w.topics[i].readers
	}
	if w.units == nil || w.unitsFor != readers {
		w.units, w.unitsFor = make([]Demand, len(w.classes)), readers
		for i := range w.topics {
			tp := &w.topics[i]
			rf, r := float64(tp.spec.ReplicationFactor), float64(tp.readers)
			u := &w.units[tp.class]
			u.In += tp.spec.Scale * rf
			u.Out += tp.spec.Scale * (rf - 1 + r)
			u.CPU += tp.spec.Scale * (tp.leaderCPU + r*tp.readerCPU + (rf-1)*tp.followerCPU)
		}
	}
	return w.units[k]
}

// DiskUsed is what all brokers store, in bytes.
func (w *World) DiskUsed() float64 {
	sum := 0.0
	for i := range w.brokers {
		sum += w.diskUsed(&w.brokers[i])
	}
	return sum
}

// BrokersFor is how many brokers of the present shape carry a demand at a
// utilisation of at most u, and disks filled to at most fill.
func (w *World) BrokersFor(d Demand, u, fill float64) int {
	s := w.brokers[0].shape
	need := 1.0
	consider := func(load float64, limit float64) {
		if limit > 0 {
			need = math.Max(need, load/limit)
		}
	}
	consider(d.In, u*float64(s.NetworkInBytesPerSecond))
	consider(d.Out, u*float64(s.NetworkOutBytesPerSecond))
	consider(d.CPU, u*float64(s.CPUCores))
	consider(d.DiskWrite, u*float64(s.DiskBytesPerSecond))
	consider(d.Disk, fill*float64(s.DiskBytes))
	n := max(int(math.Ceil(need-1e-9)), w.MinBrokers())
	step := w.zoneStep()
	return (n + step - 1) / step * step
}

// zoneStep is the number of zones when every zone holds a replica of every
// partition: each zone then carries the same, however many brokers it has, and
// only whole rounds of zones add capacity.
func (w *World) zoneStep() int {
	w.inZone = resized(w.inZone, len(w.zoneNos))
	zones := 0
	for i := range w.brokers {
		if z := w.brokers[i].zoneNo; !w.inZone[z] {
			w.inZone[z] = true
			zones++
		}
	}
	if w.leastReplicas < zones {
		return 1
	}
	return max(zones, 1)
}

// MinBrokers is the fewest brokers that can hold every replica list.
func (w *World) MinBrokers() int { return max(w.mostReplicas, 1) }

// Measured is the demand that brokers carry now, as their metrics show it.
func (w *World) Measured() Demand {
	var d Demand
	for i := range w.brokers {
		b := &w.brokers[i]
		if b.state != cluster.BrokerAlive {
			continue
		}
		// What is not accepted is not measured: an overloaded broker shows its limit.
		d.In += (b.use.in - b.use.moveIn) * b.served
		d.Out += b.use.out * b.served
		d.CPU += math.Min(b.use.cpu, float64(b.shape.CPUCores))
		d.Disk += w.diskUsed(b)
	}
	d.DiskWrite = d.In
	return d
}

// RecordsAt is the rate at which records arrive for a group at t; as DemandAt,
// for the oracle.
func (w *World) RecordsAt(i int, t time.Time) float64 {
	g := &w.groups[i]
	sum := 0.0
	for k, v := range g.sum {
		if v > 0 {
			sum += v * w.recordDemand(k, t)
		}
	}
	return sum
}

// Config is how the world was built.
func (w *World) Config() Config { return w.cfg }
