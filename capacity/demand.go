package capacity

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Demand is what the whole cluster is asked to carry.
type Demand struct {
	// Produced is what clients write (W), at the peak that is sized for.
	Produced cluster.BytesPerSecond
	// Consumed is what clients read (C·W), without replication.
	Consumed cluster.BytesPerSecond
	// Replicated is what arrives at brokers with replication (ΣW·RF).
	Replicated cluster.BytesPerSecond
	// Catching is what lagging readers read from disk (L·W).
	Catching cluster.BytesPerSecond
	// CPU is the cores used at that load; negative means unknown, and the
	// model's own estimate is used.
	CPU cluster.Cores
	// CPUCost is what those cores were used for on CPUBrokers brokers, where each
	// of them was measured.
	CPUCost    CPUCost
	CPUBrokers int
	// Stored is the bytes on all disks, all replicas, at the horizon; negative
	// means unknown.
	Stored cluster.Bytes
	// Replicas is the number of partition replicas; Partitions that of partitions.
	Replicas, Partitions int
	// MaxRF is the highest replication factor of any topic. A topic's is its
	// least: a partition that moves has a replica more, and the list of what
	// moves is read a moment before or after the replicas are.
	MaxRF int
	// Groups is the number of consumer groups that read.
	Groups int
	// Spread is how what arrives and what is stored is shared by replication
	// factor; each zone holds a whole copy of what has as many replicas as zones.
	Spread []Spread
	// LoadUnknown says why the rates are not known; "" when they are.
	LoadUnknown string
}

// Kafka's defaults (server.properties reference, Apache Kafka 4.x) for topics
// that say retention but not how segments roll.
const (
	defaultSegmentBytes = cluster.Bytes(1 << 30)
	defaultSegmentSpan  = 7 * 24 * time.Hour
)

// DemandOf is the demand a snapshot shows now. It walks every partition once.
func DemandOf(s cluster.Snapshot) Demand {
	d := Demand{CPU: 0, Groups: len(s.Groups)}
	sizes, passing := false, inPassing(s.Reassignments)
	var arriving, disk []float64 // by replication factor
	for i := range s.Topics {
		t := &s.Topics[i]
		least := 0
		for j := range t.Partitions {
			p := &t.Partitions[j]
			rf := staying(p, passing[partition{t.Name, p.Partition}])
			if j == 0 || rf < least {
				least = rf
			}
			d.Partitions++
			d.Replicas += rf
			d.Produced += p.Load.BytesInPerSecond
			d.Consumed += p.Load.BytesOutPerSecond
			all := p.Load.Replicated(rf)
			d.Replicated += all.NetworkIn
			d.CPU += all.CPU
			d.Stored += all.Disk
			sizes = sizes || p.Load.SizeBytes > 0
			for len(arriving) <= rf {
				arriving, disk = append(arriving, 0), append(disk, 0)
			}
			arriving[rf] += float64(all.NetworkIn)
			disk[rf] += float64(all.Disk)
		}
		d.MaxRF = max(d.MaxRF, least)
	}
	if held, ok := measuredDisk(&s); ok && d.Stored > 0 && held <= mostBesideLogs*d.Stored {
		d.Stored = max(d.Stored, held)
	}
	for rf := range arriving {
		if arriving[rf] > 0 || disk[rf] > 0 {
			d.Spread = append(d.Spread, Spread{RF: rf, Arriving: arriving[rf] / max(1, float64(d.Replicated)),
				Disk: disk[rf] / max(1, float64(d.Stored))})
		}
	}
	d.Catching = catching(&s, d.Replicated)
	if d.CPU == 0 {
		d.CPU = -1
	}
	if !sizes {
		d.Stored = -1
	}
	if cores, brokers := measuredCPU(s.Brokers); brokers > 0 {
		d.CPU, d.CPUBrokers, d.CPUCost = cores, brokers, cpuCostOf(s)
	}
	return d
}

// measuredCPU is what the alive brokers were measured to use, and how many they
// are; none unless every one of them was measured.
func measuredCPU(brokers []cluster.Broker) (sum cluster.Cores, alive int) {
	for i := range brokers {
		b := &brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		if b.Usage == nil || b.Usage.CPUCores <= 0 {
			return 0, 0
		}
		sum += b.Usage.CPUCores
		alive++
	}
	return sum, alive
}

// mostBesideLogs is how many times the partitions' sizes a disk may hold and still
// be the logs': indexes and deleted segments take a few per cent. A judgement.
const mostBesideLogs = 1.5

// measuredDisk is what the alive brokers' disks were measured to hold; false unless
// each was, and while replicas are being moved: those that come are no demand.
func measuredDisk(s *cluster.Snapshot) (sum cluster.Bytes, ok bool) {
	for i := range s.Brokers {
		b := &s.Brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		if b.Usage == nil || b.Usage.DiskBytes <= 0 {
			return 0, false
		}
		sum += b.Usage.DiskBytes
	}
	return sum, len(s.Reassignments) == 0
}

// Scale is the demand when clients write in times as much and read out times
// as much. CPU follows the traffic it serves; storage follows the mean rate
// over the retention, which is not the peak's: see StoredAt.
func (d Demand) Scale(in, out float64) Demand {
	prior := PriorCPUCost()
	before := prior.of(0, d.Produced, d.Consumed, d.Replicated)
	d.Produced *= cluster.BytesPerSecond(in)
	d.Replicated *= cluster.BytesPerSecond(in)
	d.Consumed *= cluster.BytesPerSecond(out)
	d.Catching *= cluster.BytesPerSecond(out)
	switch {
	case d.CPUCost.known():
		d.CPU = d.CPUCost.of(d.CPUBrokers, d.Produced, d.Consumed, d.Replicated)
	case d.CPU >= 0 && before > 0:
		d.CPU *= prior.of(0, d.Produced, d.Consumed, d.Replicated) / before
	}
	return d
}

// partition names one partition.
type partition struct {
	topic  string
	number int
}

// inPassing is the reassignments by partition.
func inPassing(moves []cluster.Reassignment) map[partition]*cluster.Reassignment {
	out := make(map[partition]*cluster.Reassignment, len(moves))
	for i := range moves {
		out[partition{moves[i].Topic, moves[i].Partition}] = &moves[i]
	}
	return out
}

// staying is how many of a partition's replicas are not there only while it moves:
// those are no demand, and would make a drain look like a need for more brokers.
// Only what the partition's own list names is taken off it: the list of what moves
// is read a moment before or after.
func staying(p *cluster.Partition, m *cluster.Reassignment) int {
	if m == nil {
		return len(p.Replicas)
	}
	named := func(ids []int) (n int) {
		for _, id := range ids {
			if slices.Contains(p.Replicas, id) {
				n++
			}
		}
		return n
	}
	return max(1, len(p.Replicas)-max(named(m.Adding), named(m.Removing)))
}

// Costing is the demand with the cores that its traffic costs by what was learned
// before: while data are moved, brokers use more than clients ask for, and that is
// no load. It is never more than was measured.
func (d Demand) Costing(c CPUCost) Demand {
	if !c.known() || !d.CPUCost.known() {
		return d
	}
	d.CPUCost = c
	d.CPU = min(d.CPU, c.of(d.CPUBrokers, d.Produced, d.Consumed, d.Replicated))
	return d
}
