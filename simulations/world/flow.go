package world

import (
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// flow carries one tick of traffic: what every broker is asked for, what it
// can serve, what producers have to keep, and how long requests wait.
func (w *World) flow() {
	m := Minute{Time: w.now}
	alive, cpuShare := 0, 0.0
	cold := w.coldReadsEach()
	for i := range w.brokers {
		b := &w.brokers[i]
		if b.state != cluster.BrokerAlive {
			b.use, b.served = use{}, 0
			continue
		}
		b.load(w.p, cold)
		if b.queued || b.use.u > 1 {
			w.backlogs = true
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
	for k, p := range w.p {
		offered := w.total[k] * p
		m.BytesIn += offered
		w.Totals.Offered += offered * w.dt
		if w.nowhere[k] > 0 || w.stranded[k] > 0 {
			w.backlogs = true
		}
	}
	m.Offline = w.faults.partitionsDown
	if w.backlogs {
		w.deliverSlowly()
	} else {
		for k := range w.classes {
			w.classes[k].write(w.p[k] * w.dt)
			w.Totals.Accepted += w.total[k] * w.p[k] * w.dt
		}
	}
	w.seen = m
}

// load sets what the broker is asked for by its partitions and moves.
func (b *broker) load(p []float64, cold float64) {
	in, out, cpu := 0.0, 0.0, 0.0
	rowIn, rowOut, rowCPU := b.in[:len(p)], b.out[:len(p)], b.cpu[:len(p)]
	for k, v := range p {
		in += rowIn[k] * v
		out += rowOut[k] * v
		cpu += rowCPU[k] * v
	}
	write := in + cold
	if b.moveIn > 0 || b.moveOut > 0 {
		in += b.moveIn
		out += b.moveOut
		write += b.moveIn + b.moveOut // what is copied away is old, so it is read from the disk
		cpu += bulkShare * (b.moveIn*coresPerByteIn + b.moveOut*coresPerByteOut)
	}
	u, name := 0.0, "cpu"
	consider := func(load, limit float64, resource string) {
		if limit > 0 && load > u*limit {
			u, name = load/limit, resource
		}
	}
	consider(cpu, float64(b.shape.CPUCores), "cpu")
	consider(in, float64(b.shape.NetworkInBytesPerSecond)*b.netFactor, "network-in")
	consider(out, float64(b.shape.NetworkOutBytesPerSecond)*b.netFactor, "network-out")
	consider(write, float64(b.shape.DiskBytesPerSecond)*b.diskFactor, "disk-bandwidth")
	if b.netFactor == 0 && in+out > 0 {
		u, name = math.Inf(1), "network-in"
	}
	b.use = use{in: in, out: out, cpu: cpu, disk: write, u: u, resource: name, p99: waiting(u), moveIn: b.moveIn}
	b.served = 1
	if u > 1 {
		b.served = 1 / u
	}
}

// waiting is the 99th percentile of the time in an M/M/1 system at
// utilisation u, in seconds. From 0.99 on it is what the queue of a delivery
// timeout allows.
func waiting(u float64) float64 {
	const p99 = 4.605170185988092 // ln 100
	service := serviceTime.Seconds()
	if u < 0.99 {
		return p99 * service / (1 - u)
	}
	return math.Min(p99*service/0.01*(1+100*(u-0.99)), deliveryTimeout.Seconds())
}

// deliverSlowly is the tick while somebody cannot be served in full: what is
// not accepted waits at the producers until the delivery timeout.
func (w *World) deliverSlowly() {
	w.backlogs = false
	keep := deliveryTimeout.Seconds()
	alive := w.aliveBrokers()
	for k := range w.classes {
		p := w.p[k]
		accepted := 0.0
		w.stranded[k] += math.Max(w.nowhere[k], 0) * p * w.dt
		if w.nowhere[k] <= 0 && len(alive) > 0 {
			for _, i := range alive { // back online: the rest goes where leaders are
				w.brokers[i].queue[k] += w.stranded[k] / float64(len(alive))
			}
			w.stranded[k] = 0
		} else if most := w.nowhere[k] * p * keep; w.stranded[k] > most {
			w.Totals.Rejected += w.stranded[k] - most
			w.stranded[k] = most
		}
		if w.stranded[k] > 0 {
			w.backlogs = true
		}
		for i := range w.brokers {
			b := &w.brokers[i]
			if b.state == cluster.BrokerAlive {
				accepted += w.drain(b, k, p, keep)
			}
		}
		w.Totals.Accepted += accepted
		if w.total[k] > 0 {
			w.classes[k].write(accepted / w.total[k])
		}
	}
	for i := range w.brokers {
		b := &w.brokers[i]
		b.queued = false
		for _, q := range b.queue {
			b.queued = b.queued || q > 0
		}
		w.backlogs = w.backlogs || b.queued
	}
}

// drain serves one class's demand and backlog on a broker, and returns the
// bytes accepted. Spare capacity drains the backlog.
func (w *World) drain(b *broker, k int, p, keep float64) float64 {
	rate := math.Max(b.lead[k], 0) * p
	have := rate*w.dt + b.queue[k]
	can := rate * w.dt
	switch {
	case b.use.u > 1:
		can *= b.served
	case b.use.u > 0:
		can /= math.Max(b.use.u, 0.05)
	default:
		can = have
	}
	if rate == 0 {
		can = have // its leaders left; whoever leads now takes the rest
	}
	took := math.Min(have, can)
	rest := have - took
	if most := rate * keep; rest > most && rate > 0 {
		w.Totals.Rejected += rest - most
		rest = most
	}
	b.queue[k] = rest
	return took
}

func (w *World) aliveBrokers() []int {
	var out []int
	for i := range w.brokers {
		if w.brokers[i].state == cluster.BrokerAlive {
			out = append(out, i)
		}
	}
	return out
}

// coldReadsEach is what lagging readers read from each broker's disk: what has
// left the page cache. A reader further behind than the cache lasts reads all
// of it from disk (Cloudera's page-cache seconds, docs/formulas.md).
func (w *World) coldReadsEach() float64 {
	if w.coldReads == 0 {
		return 0
	}
	return w.coldReads / float64(max(len(w.aliveBrokers()), 1))
}

// cacheSeconds is how far back the page caches of all alive brokers reach.
func (w *World) cacheSeconds() float64 {
	memory, in := 0.0, 0.0
	for i := range w.brokers {
		if b := &w.brokers[i]; b.state == cluster.BrokerAlive {
			memory += float64(b.shape.MemoryBytes)
			in += b.use.in
		}
	}
	if memory == 0 || in == 0 {
		return math.Inf(1) // not known: taken to be enough
	}
	return pageCacheShare * memory / in
}
