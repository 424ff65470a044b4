package world

import (
	"fmt"
	"math"
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

const maxReplicas = 16 // bits of partition.isr

func (w *World) addTopics() error {
	type key struct {
		profile   int
		retention int64
		cap       float64
		own       int // a young topic's logs are its own, as are records
	}
	classes := map[key]int{}
	for i, s := range w.cfg.Topics {
		if s.Profile < 0 || s.Profile >= len(w.cfg.Profiles) {
			return fmt.Errorf("building topic %s: profile %d does not exist", s.Name, s.Profile)
		}
		if s.Partitions < 1 || s.ReplicationFactor < 1 || s.ReplicationFactor > maxReplicas {
			return fmt.Errorf("building topic %s: %d partitions of %d replicas", s.Name, s.Partitions, s.ReplicationFactor)
		}
		unit := 0.0
		if s.RetentionBytes > 0 && s.Scale > 0 {
			unit = float64(s.RetentionBytes) * float64(s.Partitions) / s.Scale
		}
		k := key{s.Profile, int64(s.Retention), capOf(unit), 0}
		if s.Young || s.Records > 0 {
			k.own = i + 1
		}
		c, ok := classes[k]
		if !ok {
			c = len(w.classes)
			classes[k] = c
			w.classes = append(w.classes, class{profile: s.Profile, retention: s.Retention, cap: k.cap, records: s.Records, messageBytes: ratio(s.MessageBytes, s.Scale)})
		}
		t := topic{spec: s, class: c, first: int32(len(w.parts)), labels: metrics.Labels{"topic": s.Name}, messageBytes: s.MessageBytes}
		if t.messageBytes <= 0 {
			t.messageBytes = 1000
		}
		t.leaderCPU, t.followerCPU, t.readerCPU = s.LeaderCPU, s.FollowerCPU, 0
		if s.LeaderCPU == 0 {
			t.leaderCPU = coresPerByteIn + float64(s.ReplicationFactor-1)*coresPerByteOut
			t.readerCPU = coresPerByteOut
		}
		if s.FollowerCPU == 0 {
			t.followerCPU = coresPerByteIn
		}
		w.byTopic[s.Name] = i
		if i == 0 {
			w.leastReplicas = s.ReplicationFactor
		}
		w.leastReplicas, w.mostReplicas = min(w.leastReplicas, s.ReplicationFactor), max(w.mostReplicas, s.ReplicationFactor)
		w.topics = append(w.topics, t)
		for j := range s.Partitions {
			share := 1 / float64(s.Partitions)
			if s.Shares != nil {
				share = s.Shares[j]
			}
			w.parts = append(w.parts, partition{id: int32(len(w.parts)), topic: int32(i), leader: -1, share: share * s.Scale, bytes: share * s.Scale})
		}
	}
	return nil
}

func (w *World) addBroker(zone string, shape cluster.Capacity) *broker {
	n := len(w.classes)
	flat := make([]float64, 6*n)
	b := broker{
		id: len(w.brokers), zone: zone, shape: shape, state: cluster.BrokerFenced, diskFactor: 1, netFactor: 1, served: 1,
		in: flat[0:n:n], out: flat[n : 2*n : 2*n], cpu: flat[2*n : 3*n : 3*n],
		size: flat[3*n : 4*n : 4*n], lead: flat[4*n : 5*n : 5*n], queue: flat[5*n : 6*n : 6*n],
	}
	if _, ok := w.zoneNos[zone]; !ok {
		w.zoneNos[zone] = len(w.zoneNos)
	}
	b.zoneNo = w.zoneNos[zone]
	w.brokers = append(w.brokers, b)
	return &w.brokers[len(w.brokers)-1]
}

// place puts every partition where its topic says, or spread over zones.
func (w *World) place() error {
	order, load := w.zoneOrder(), make([]float64, len(w.brokers))
	for i := range w.parts {
		p := &w.parts[i]
		t := &w.topics[p.topic]
		j := i - int(t.first)
		if t.spec.Replicas != nil {
			for _, r := range t.spec.Replicas[j] {
				if r < 0 || r >= len(w.brokers) {
					return fmt.Errorf("placing %s-%d: broker %d does not exist", t.spec.Name, j, r)
				}
				p.replicas = append(p.replicas, int32(r))
			}
		} else {
			p.replicas = w.spreadReplicas(order, i, t.spec.ReplicationFactor, load)
		}
		if len(p.replicas) < t.spec.ReplicationFactor && t.spec.Replicas == nil || len(p.replicas) == 0 {
			return fmt.Errorf("placing %s-%d: %d brokers cannot hold %d replicas", t.spec.Name, j, len(w.brokers), t.spec.ReplicationFactor)
		}
		for _, r := range p.replicas {
			load[r] += p.share
		}
		p.isr = 1<<len(p.replicas) - 1
		p.leader = p.replicas[0]
		w.total[t.class] += p.share
		w.settle(p)
		w.weigh(p, 1)
	}
	return nil
}

// zoneOrder lists brokers so that neighbours are in different zones.
func (w *World) zoneOrder() []int32 {
	byZone := map[string][]int32{}
	zones := []string{}
	for i := range w.brokers {
		z := w.brokers[i].zone
		if byZone[z] == nil {
			zones = append(zones, z)
		}
		byZone[z] = append(byZone[z], int32(i))
	}
	slices.Sort(zones)
	var order []int32
	for len(order) < len(w.brokers) {
		for _, z := range zones {
			if l := byZone[z]; len(l) > 0 {
				order = append(order, l[0])
				byZone[z] = l[1:]
			}
		}
	}
	return order
}

// spreadReplicas picks rf brokers for the i-th partition: leaders in turn, and
// followers where least is, a zone each.
func (w *World) spreadReplicas(order []int32, i, rf int, load []float64) []int32 {
	picked := append(make([]int32, 0, rf), order[i%len(order)])
	for len(picked) < min(rf, len(order)) {
		best := int32(-1)
		for pass := 0; pass < 2 && best < 0; pass++ {
			for j := range order {
				b := order[(i+j)%len(order)] // ties go to the next in turn
				if slices.Contains(picked, b) || pass == 0 && w.zoneOf(picked, b) {
					continue
				}
				if best < 0 || load[b] < load[best] {
					best = b
				}
			}
		}
		picked = append(picked, best)
	}
	return picked
}

func (w *World) zoneOf(picked []int32, b int32) bool {
	for _, r := range picked {
		if w.brokers[r].zoneNo == w.brokers[b].zoneNo {
			return true
		}
	}
	return false
}

// weigh adds (sign 1) or takes away (−1) what a partition costs its brokers.
// A change is: weigh −1, change, weigh +1.
func (w *World) weigh(p *partition, sign float64) {
	w.shot.dirty[p.id] = true
	t := &w.topics[p.topic]
	k := t.class
	r := p.share * sign
	followers := 0.0
	for i, id := range p.replicas {
		b := &w.brokers[id]
		b.size[k] += p.bytes * sign
		b.holds += int(sign)
		if p.isr&(1<<i) == 0 || id == p.leader || !p.writable {
			continue
		}
		followers++
		b.in[k] += r
		b.cpu[k] += r * t.followerCPU
	}
	if p.leader < 0 || !p.writable {
		w.nowhere[k] += r
	}
	if p.leader < 0 {
		return
	}
	b := &w.brokers[p.leader]
	b.leads += int(sign)
	if !p.writable {
		return
	}
	b.lead[k] += r
	b.in[k] += r
	b.out[k] += r * (float64(t.readers) + followers)
	b.cpu[k] += r * (t.leaderCPU + float64(t.readers)*t.readerCPU)
}

// settle makes a partition's ISR, leader and writability follow from which of
// its replicas are alive. In-sync replicas that died leave the ISR; the last
// one stays in it, as in Kafka, so that nothing is lost by electing another.
func (w *World) settle(p *partition) {
	alive := uint16(0)
	for i, id := range p.replicas {
		if p.isr&(1<<i) != 0 && w.brokers[id].state == cluster.BrokerAlive {
			alive |= 1 << i
		}
	}
	if alive == 0 {
		p.leader = -1
		p.writable = false
		return
	}
	p.isr = alive
	if p.leader < 0 || !w.inSync(p, p.leader) {
		for i, id := range p.replicas {
			if alive&(1<<i) != 0 {
				p.leader = id
				break
			}
		}
	}
	n := 0
	for i := range p.replicas {
		n += int(alive >> i & 1)
	}
	p.writable = n >= max(w.topics[p.topic].spec.MinISR, 1)
}

func (w *World) inSync(p *partition, id int32) bool {
	for i, r := range p.replicas {
		if r == id {
			return p.isr&(1<<i) != 0
		}
	}
	return false
}

// prefer makes the first replica the leader, if it is in sync.
func (w *World) prefer(p *partition) {
	if len(p.replicas) > 0 && p.isr&1 != 0 && w.brokers[p.replicas[0]].state == cluster.BrokerAlive {
		p.leader = p.replicas[0]
	}
}

// stored is the size of one replica of a partition, in bytes.
func (w *World) sizeOf(p *partition) float64 {
	return math.Max(p.bytes*w.classes[w.topics[p.topic].class].stored, 0)
}
