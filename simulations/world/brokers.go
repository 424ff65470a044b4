package world

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

type broker struct {
	id     int
	zone   string
	zoneNo int // equal for brokers of one zone
	shape  cluster.Capacity
	state  cluster.BrokerState // alive, dead; fenced while the pod starts
	ready  time.Time
	leads  int
	holds  int // replicas, and copies under way
	in     []float64
	out    []float64
	cpu    []float64
	size   []float64
	lead   []float64
	queue  []float64 // bytes by class that producers still hold
	queued bool

	diskFactor, netFactor float64
	diedAt                []float64 // written, by class, when it died
	missing               float64   // bytes to catch up
	moveIn, moveOut       float64   // bytes per second of moves and catch-up, now
	flowsIn, flowsOut     int       // moves that copy to it and from it now
	copied                float64   // bytes of copies not yet complete

	use    use
	served float64 // share of the demand served in the last tick
}

// use is what a broker carried in the last tick.
type use struct {
	in, out, cpu, disk float64 // bytes per second; cores
	u                  float64 // the fullest resource, as a share
	p99                float64 // seconds
	moveIn             float64 // the part of in that is moves and catch-up
}

// newBroker is a broker that has not started, with sums for so many classes.
func newBroker(id int, zone string, zoneNo int, shape cluster.Capacity, classes int) broker {
	n := classes
	flat := make([]float64, 6*n)
	return broker{
		id: id, zone: zone, zoneNo: zoneNo, shape: shape, state: cluster.BrokerFenced, diskFactor: 1, netFactor: 1, served: 1,
		in: flat[0:n:n], out: flat[n : 2*n : 2*n], cpu: flat[2*n : 3*n : 3*n],
		size: flat[3*n : 4*n : 4*n], lead: flat[4*n : 5*n : 5*n], queue: flat[5*n : 6*n : 6*n],
	}
}

// carry sets what the broker is asked for by its partitions and moves.
func (b *broker) carry(bytes []float64, cold float64) {
	in, out, cpu := 0.0, 0.0, 0.0
	rowIn, rowOut, rowCPU := b.in[:len(bytes)], b.out[:len(bytes)], b.cpu[:len(bytes)]
	for k, v := range bytes {
		in += rowIn[k] * v
		out += rowOut[k] * v
		cpu += rowCPU[k] * v
	}
	write := in + cold
	if b.moveIn > 0 || b.moveOut > 0 {
		in += b.moveIn
		out += b.moveOut
		write += b.moveIn + b.moveOut // what is copied away is old, so it is read from the disk
		cpu += bulkShare * (b.moveIn*cpuCost.Followed + b.moveOut*cpuCost.Sent)
	}
	u := 0.0
	consider := func(load, limit float64) {
		if limit > 0 && load > u*limit {
			u = load / limit
		}
	}
	consider(cpu, float64(b.shape.CPUCores))
	consider(in, float64(b.shape.NetworkInBytesPerSecond)*b.netFactor)
	consider(out, float64(b.shape.NetworkOutBytesPerSecond)*b.netFactor)
	consider(write, float64(b.shape.DiskBytesPerSecond)*b.diskFactor)
	if b.netFactor == 0 && in+out > 0 {
		u = math.Inf(1)
	}
	b.use = use{in: in, out: out, cpu: cpu, disk: write, u: u, p99: waiting(u), moveIn: b.moveIn}
	b.served = 1
	if u > 1 {
		b.served = 1 / u
	}
}

// waiting is the 99th percentile of the time in an M/M/1 system at
// utilisation u, in seconds. From nearlyFull on it is what the queue of a
// delivery timeout allows.
func waiting(u float64) float64 {
	service := serviceTime.Seconds()
	if u < nearlyFull {
		return ln100 * service / (1 - u)
	}
	const left = 1 - nearlyFull
	return math.Min(ln100*service/left*(1+1/left*(u-nearlyFull)), deliveryTimeout.Seconds())
}

// slow makes a fault's factor the broker's.
func (b *broker) slow(k EventKind, factor float64) {
	if k == SlowDisk {
		b.diskFactor = factor
		return
	}
	b.netFactor = factor
}

// brokers are in order of their ids.
type brokers []broker

func (bs brokers) alive() []int {
	var out []int
	for i := range bs {
		if bs[i].state == cluster.BrokerAlive {
			out = append(out, i)
		}
	}
	return out
}

// servedShare is how much of what consumers ask for brokers can give them.
func (bs brokers) servedShare() float64 {
	sum, n := 0.0, 0.0
	for i := range bs {
		if bs[i].use.in > 0 || bs[i].use.out > 0 {
			sum += bs[i].served
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

// cacheSeconds is how far back the page caches of all alive brokers reach.
func (bs brokers) cacheSeconds() float64 {
	memory, in := 0.0, 0.0
	for i := range bs {
		if b := &bs[i]; b.state == cluster.BrokerAlive {
			memory += float64(b.shape.MemoryBytes)
			in += b.use.in
		}
	}
	if memory == 0 || in == 0 {
		return math.Inf(1) // not known: taken to be enough
	}
	return capacity.PageCacheShare * memory / in
}
