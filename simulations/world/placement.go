package world

import (
	"fmt"
	"math"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// placement is the cluster's state: which partition is where, who leads it and
// who is in sync, and what that comes to on every broker, by class.
type placement struct {
	brokers brokers
	topics  []topic
	parts   []partition
	byTopic map[string]int
	zoneNos map[string]int
	logs    logs

	nowhere []float64 // weight by class of partitions that cannot be written
	total   []float64 // weight by class of all partitions
	offline int       // partitions that cannot be written
	// The replication factors that occur.
	leastReplicas, mostReplicas int

	changes int    // how often replicas or leaders have changed
	dirty   []bool // by partition: changed since the last observation
}

func (s *placement) addBroker(zone string, shape cluster.Capacity) *broker {
	if _, ok := s.zoneNos[zone]; !ok {
		s.zoneNos[zone] = len(s.zoneNos)
	}
	s.brokers = append(s.brokers, newBroker(len(s.brokers), zone, s.zoneNos[zone], shape, len(s.logs)))
	return &s.brokers[len(s.brokers)-1]
}

// place puts every partition where its topic says, or spread over zones.
func (s *placement) place() error {
	order, load := s.zoneOrder(), make([]float64, len(s.brokers))
	for i := range s.parts {
		p := &s.parts[i]
		t := &s.topics[p.topic]
		j := i - int(t.first)
		if t.spec.Replicas != nil {
			for _, r := range t.spec.Replicas[j] {
				if r < 0 || r >= len(s.brokers) {
					return fmt.Errorf("placing %s-%d: broker %d does not exist", t.spec.Name, j, r)
				}
				p.replicas = append(p.replicas, int32(r))
			}
		} else {
			p.replicas = s.spreadReplicas(order, i, t.spec.ReplicationFactor, load)
		}
		if len(p.replicas) < t.spec.ReplicationFactor && t.spec.Replicas == nil || len(p.replicas) == 0 {
			return fmt.Errorf("placing %s-%d: %d brokers cannot hold %d replicas", t.spec.Name, j, len(s.brokers), t.spec.ReplicationFactor)
		}
		for _, r := range p.replicas {
			load[r] += p.share
		}
		p.isr = 1<<len(p.replicas) - 1
		p.leader = p.replicas[0]
		s.total[t.class] += p.share
		s.leaderAndISR(p)
		s.weigh(p, 1)
	}
	return nil
}

// zoneOrder lists brokers so that neighbours are in different zones.
func (s *placement) zoneOrder() []int32 {
	byZone := map[string][]int32{}
	zones := []string{}
	for i := range s.brokers {
		z := s.brokers[i].zone
		if byZone[z] == nil {
			zones = append(zones, z)
		}
		byZone[z] = append(byZone[z], int32(i))
	}
	slices.Sort(zones)
	var order []int32
	for len(order) < len(s.brokers) {
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
func (s *placement) spreadReplicas(order []int32, i, rf int, load []float64) []int32 {
	picked := append(make([]int32, 0, rf), order[i%len(order)])
	for len(picked) < min(rf, len(order)) {
		best := int32(-1)
		for pass := 0; pass < 2 && best < 0; pass++ {
			for j := range order {
				b := order[(i+j)%len(order)] // ties go to the next in turn
				if slices.Contains(picked, b) || pass == 0 && s.zoneTaken(picked, -1, b) {
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

// zoneTaken tells whether a replica of the list, slot j aside, is in the
// broker's zone.
func (s *placement) zoneTaken(list []int32, j int, b int32) bool {
	for i, r := range list {
		if i != j && s.brokers[r].zoneNo == s.brokers[b].zoneNo {
			return true
		}
	}
	return false
}

// weigh adds (sign 1) or takes away (−1) what a partition costs its brokers.
// A change is: weigh −1, change, weigh +1.
func (s *placement) weigh(p *partition, sign float64) {
	s.dirty[p.id] = true
	t := &s.topics[p.topic]
	k := t.class
	r := p.share * sign
	load, followers := t.perByte(), 0
	for i, id := range p.replicas {
		b := &s.brokers[id]
		b.size[k] += p.bytes * sign
		b.holds += int(sign)
		if p.isr&(1<<i) == 0 || id == p.leader || !p.writable {
			continue
		}
		followers++
		b.in[k] += r * float64(load.Follower().NetworkIn)
		b.cpu[k] += r * float64(load.Follower().CPU)
	}
	if p.leader < 0 || !p.writable {
		s.nowhere[k] += r
	}
	if p.leader < 0 {
		return
	}
	b := &s.brokers[p.leader]
	b.leads += int(sign)
	if !p.writable {
		return
	}
	b.lead[k] += r
	leads := load.Leader(1 + followers)
	b.in[k] += r * float64(leads.NetworkIn)
	b.out[k] += r * float64(leads.NetworkOut)
	b.cpu[k] += r * float64(leads.CPU)
}

// leaderAndISR makes a partition's ISR, leader and writability follow from
// which of its replicas are alive. In-sync replicas that died leave the ISR;
// the last one stays in it, as in Kafka, so that nothing is lost by electing
// another.
func (s *placement) leaderAndISR(p *partition) {
	alive := uint16(0)
	for i, id := range p.replicas {
		if p.isr&(1<<i) != 0 && s.brokers[id].state == cluster.BrokerAlive {
			alive |= 1 << i
		}
	}
	if alive == 0 {
		p.leader = -1
		p.writable = false
		return
	}
	p.isr = alive
	if p.leader < 0 || !p.inSync(p.leader) {
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
	p.writable = n >= max(s.topics[p.topic].spec.MinISR, 1)
}

// prefer makes the first replica the leader, if it is in sync.
func (s *placement) prefer(p *partition) {
	if len(p.replicas) > 0 && p.isr&1 != 0 && s.brokers[p.replicas[0]].state == cluster.BrokerAlive {
		p.leader = p.replicas[0]
	}
}

// electPreferred gives every partition its preferred leader where that is in
// sync.
func (s *placement) electPreferred() {
	for i := range s.parts {
		p := &s.parts[i]
		if p.leader == p.replicas[0] || p.isr&1 == 0 {
			continue
		}
		s.weigh(p, -1)
		s.prefer(p)
		s.weigh(p, 1)
	}
}

// brokerChanged lets every partition that has a replica on the broker follow
// its state. It costs the partitions there are, once per change of state.
func (s *placement) brokerChanged(id int32) {
	for i := range s.parts {
		p := &s.parts[i]
		if !p.holds(id) {
			continue
		}
		s.weigh(p, -1)
		s.leaderAndISR(p)
		s.weigh(p, 1)
	}
	s.recount()
}

// inSyncAgain puts the broker's replicas back in sync.
func (s *placement) inSyncAgain(id int32) {
	for i := range s.parts {
		p := &s.parts[i]
		for j, r := range p.replicas {
			if r != id || p.leader < 0 {
				continue
			}
			s.weigh(p, -1)
			p.isr |= 1 << j
			s.leaderAndISR(p)
			s.weigh(p, 1)
		}
	}
	s.recount()
}

// reassign gives a partition a new replica list and elects its first. What was
// copied in full is in sync.
func (s *placement) reassign(p *partition, to []int32) {
	s.weigh(p, -1)
	isr := uint16(0)
	for i, r := range to {
		if s.brokers[r].state != cluster.BrokerAlive {
			continue
		}
		if !p.holds(r) || p.inSync(r) {
			isr |= 1 << i
		}
	}
	p.replicas, p.isr, p.moving = to, isr, false
	s.leaderAndISR(p)
	s.prefer(p)
	s.weigh(p, 1)
	s.changes++
	if s.offline > 0 {
		s.recount()
	}
}

// read adds a reader to topics.
func (s *placement) read(topics []int) {
	reads := map[int32]bool{}
	for _, t := range topics {
		reads[int32(t)] = true
	}
	for j := range s.parts {
		if reads[s.parts[j].topic] {
			s.weigh(&s.parts[j], -1)
		}
	}
	for _, t := range topics {
		s.topics[t].readers++
	}
	for j := range s.parts {
		if reads[s.parts[j].topic] {
			s.weigh(&s.parts[j], 1)
		}
	}
}

// recount notes which partitions cannot be written, and takes rounding out of
// the sums that decide about it.
func (s *placement) recount() {
	s.changes++
	clear(s.nowhere)
	s.offline = 0
	for i := range s.parts {
		p := &s.parts[i]
		if p.leader < 0 || !p.writable {
			s.offline++
			s.nowhere[s.topics[p.topic].class] += p.share
		}
	}
}

// sizeOf is the size of one replica of a partition, in bytes.
func (s *placement) sizeOf(p *partition) float64 {
	return math.Max(p.bytes*s.logs[s.topics[p.topic].class].stored, 0)
}

// diskUsed is what a broker stores, in bytes.
func (s *placement) diskUsed(b *broker) float64 {
	sum := b.copied
	for k := range s.logs {
		sum += b.size[k] * s.logs[k].stored
	}
	return max(sum, 0)
}

// full tells whether some broker's disk is: Kafka takes a log directory that
// cannot be written offline.
func (s *placement) full() bool {
	for i := range s.brokers {
		b := &s.brokers[i]
		if d := float64(b.shape.DiskBytes); d > 0 && b.state == cluster.BrokerAlive && s.diskUsed(b) > d {
			return true
		}
	}
	return false
}
