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

// HoursPerMonth is the mean month: 365.25 · 24 / 12.
const HoursPerMonth = 730.5

// Monthly is the cost of a size for a mean month.
func (p Prices) Monthly(brokers, replicas int, diskPerBroker cluster.Bytes, crossZone cluster.BytesPerSecond) float64 {
	return float64(brokers)*p.BrokerHour*HoursPerMonth +
		float64(replicas)*p.ReplicaHour*HoursPerMonth +
		float64(brokers)*float64(diskPerBroker)/gigabyte*p.GigabyteMonth +
		float64(crossZone)*HoursPerMonth*3600/gigabyte*p.CrossZoneGigabyte
}
