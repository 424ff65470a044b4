package capacity

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// forever stands for a time that never comes: a year, so that it can be added.
const forever = 366 * 24 * time.Hour

// gigabyte is what disks and traffic are billed by.
const gigabyte = 1e9

// LeadTime is how long until a change of size carries load: the pod starts,
// the broker joins, and the data it must hold has moved. Data that cannot move
// (no rate) takes for ever, which is capped at a year so that it can be added.
func LeadTime(pod, join time.Duration, data cluster.Bytes, rate cluster.BytesPerSecond) time.Duration {
	if data <= 0 {
		return pod + join
	}
	seconds := float64(data) / float64(rate)
	if !(rate > 0) || seconds > forever.Seconds() || math.IsNaN(seconds) {
		return forever
	}
	return pod + join + time.Duration(seconds*float64(time.Second))
}

// DataToFill is what each of the brokers that join must hold: the stored
// bytes, spread evenly over all.
func DataToFill(stored cluster.Bytes, from, to int) cluster.Bytes {
	if to <= from || stored <= 0 {
		return 0
	}
	return stored / cluster.Bytes(to)
}

// DataMoved is what a change of size moves where data lie evenly: brokers that join
// are filled to an even share, and brokers that leave are emptied.
func DataMoved(stored cluster.Bytes, from, to int) cluster.Bytes {
	if from <= 0 || to <= 0 || stored <= 0 {
		return 0
	}
	return stored * cluster.Bytes(max(from, to)-min(from, to)) / cluster.Bytes(max(from, to))
}

// CrossZoneBytes is the traffic that crosses zones.
type CrossZoneBytes struct {
	Produce   cluster.BytesPerSecond `json:"produceBytesPerSecond"`
	Replicate cluster.BytesPerSecond `json:"replicateBytesPerSecond"`
	Consume   cluster.BytesPerSecond `json:"consumeBytesPerSecond"`
}

// Total is all of it.
func (c CrossZoneBytes) Total() cluster.BytesPerSecond { return c.Produce + c.Replicate + c.Consume }

// CrossZone: with Z zones a client's leader is elsewhere (Z−1)/Z of the time
// (⅔ with three): produce (Z−1)/Z·W, replicate (RF−1)·W, consume (Z−1)/Z·C·W
// unless followers are fetched from.
func CrossZone(d Demand, zones int, followerFetch bool) CrossZoneBytes {
	if zones < 2 {
		return CrossZoneBytes{}
	}
	elsewhere := cluster.BytesPerSecond(zones-1) / cluster.BytesPerSecond(zones)
	c := CrossZoneBytes{Produce: elsewhere * d.Produced, Replicate: max(0, d.Replicated-d.Produced)}
	if !followerFetch {
		c.Consume = elsewhere * d.Consumed
	}
	return c
}

// Prices is what things cost, in one currency.
type Prices struct {
	BrokerHour, ReplicaHour, GigabyteMonth, CrossZoneGigabyte float64
}

// Moved is the price of moving so much in a cluster of so many zones. A replica is
// copied from its leader, which is in another zone (Z−1)/Z of the time.
func (p Prices) Moved(b cluster.Bytes, zones int) float64 {
	if zones < 2 {
		return 0
	}
	return float64(b) / gigabyte * p.CrossZoneGigabyte * float64(zones-1) / float64(zones)
}

// HoursPerMonth is the mean month: 365.25 · 24 / 12.
const HoursPerMonth = 730.5

// Monthly is the cost of a size for a mean month.
func (p Prices) Monthly(brokers, replicas int, diskPerBroker cluster.Bytes, crossZone cluster.BytesPerSecond) float64 {
	return float64(brokers)*p.BrokerHour*HoursPerMonth +
		float64(replicas)*p.ReplicaHour*HoursPerMonth +
		float64(brokers)*float64(diskPerBroker)/gigabyte*p.GigabyteMonth +
		float64(crossZone)*HoursPerMonth*3600/gigabyte*p.CrossZoneGigabyte
}
