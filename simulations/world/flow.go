package world

import (
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// traffic carries what producers send to the brokers, and keeps what they do
// not accept until the delivery timeout.
type traffic struct {
	place    *placement
	load     *load
	totals   *Totals
	stranded []float64 // bytes by class that wait for a partition to come back
	backlogs bool      // some broker, or nowhere, has a backlog
}

// flow carries one tick of dt seconds: what every broker is asked for, what it
// can serve, what producers have to keep, and how long requests wait. Cold is
// what lagging readers read from disks, in bytes per second.
func (f *traffic) flow(dt, cold float64) Minute {
	var m Minute
	alive, cpuShare := 0, 0.0
	if cold != 0 {
		cold /= float64(max(len(f.place.brokers.alive()), 1))
	}
	for i := range f.place.brokers {
		b := &f.place.brokers[i]
		if b.state != cluster.BrokerAlive {
			b.use, b.served = use{}, 0
			continue
		}
		b.carry(f.load.bytes, cold)
		if b.queued || b.use.u > 1 {
			f.backlogs = true
		}
		alive++
		if b.shape.CPUCores > 0 {
			cpuShare += math.Min(1, b.use.cpu/float64(b.shape.CPUCores))
		}
		m.Utilisation = math.Max(m.Utilisation, b.use.u)
		m.P99 = math.Max(m.P99, b.use.p99)
		m.Overload = m.Overload || b.use.u > 1
	}
	m.MeanCPU = ratio(cpuShare, float64(alive))
	for k, p := range f.load.bytes {
		offered := f.place.total[k] * p
		m.BytesIn += offered
		f.totals.Offered += offered * dt
		if f.place.nowhere[k] > 0 || f.stranded[k] > 0 {
			f.backlogs = true
		}
	}
	m.Offline = f.place.offline
	if f.backlogs {
		f.deliverSlowly(dt)
		return m
	}
	for k, p := range f.load.bytes {
		f.place.logs[k].write(p * dt)
		f.totals.Accepted += f.place.total[k] * p * dt
	}
	return m
}

// deliverSlowly is the tick while somebody cannot be served in full: what is
// not accepted waits at the producers until the delivery timeout.
func (f *traffic) deliverSlowly(dt float64) {
	f.backlogs = false
	alive := f.place.brokers.alive()
	for k, p := range f.load.bytes {
		accepted := 0.0
		f.strand(k, alive, dt)
		for i := range f.place.brokers {
			b := &f.place.brokers[i]
			if b.state == cluster.BrokerAlive {
				took, rejected := b.drain(k, p, dt)
				accepted += took
				f.totals.Rejected += rejected
			}
		}
		f.totals.Accepted += accepted
		if f.place.total[k] > 0 {
			f.place.logs[k].write(accepted / f.place.total[k])
		}
	}
	for i := range f.place.brokers {
		b := &f.place.brokers[i]
		b.queued = false
		for _, q := range b.queue {
			b.queued = b.queued || q > 0
		}
		f.backlogs = f.backlogs || b.queued
	}
}

// strand keeps what is for partitions that nobody leads, and gives it to the
// alive brokers once all are led again.
func (f *traffic) strand(k int, alive []int, dt float64) {
	p, nowhere := f.load.bytes[k], f.place.nowhere[k]
	f.stranded[k] += math.Max(nowhere, 0) * p * dt
	if nowhere <= 0 && len(alive) > 0 {
		for _, i := range alive { // back online: the rest goes where leaders are
			f.place.brokers[i].queue[k] += f.stranded[k] / float64(len(alive))
		}
		f.stranded[k] = 0
	} else if most := nowhere * p * deliveryTimeout.Seconds(); f.stranded[k] > most {
		f.totals.Rejected += f.stranded[k] - most
		f.stranded[k] = most
	}
	if f.stranded[k] > 0 {
		f.backlogs = true
	}
}

// leave strands what producers hold for a broker that is no longer there.
func (f *traffic) leave(b *broker) {
	for k, q := range b.queue {
		f.stranded[k] += q
		b.queue[k] = 0
	}
}

// drain serves one class's demand and backlog on the broker for dt seconds, and
// returns the bytes accepted and those given up. Spare capacity drains the
// backlog.
func (b *broker) drain(k int, p, dt float64) (took, rejected float64) {
	rate := math.Max(b.lead[k], 0) * p
	have := rate*dt + b.queue[k]
	can := rate * dt
	switch {
	case b.use.u > 1:
		can *= b.served
	case b.use.u > 0:
		can /= math.Max(b.use.u, leastUse)
	default:
		can = have
	}
	if rate == 0 {
		can = have // its leaders left; whoever leads now takes the rest
	}
	took = math.Min(have, can)
	rest := have - took
	if most := rate * deliveryTimeout.Seconds(); rest > most && rate > 0 {
		rejected = rest - most
		rest = most
	}
	b.queue[k] = rest
	return took, rejected
}
