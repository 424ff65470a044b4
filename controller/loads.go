package controller

import (
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// resources is what a broker's load is told by: the keys of
// BrokerLoad.Utilisation, in this order in brokerLoad.
var resources = []string{"networkIn", "networkOut", "disk", "cpu"}

// brokerLoad is what one broker carries by the partitions on it.
type brokerLoad struct {
	broker *cluster.Broker
	carry  [4]float64 // by resources
}

// capacity is what the broker can do of resource k; 0 when unknown.
func (b *brokerLoad) capacity(k int) float64 {
	c := &b.broker.Capacity
	return [...]float64{float64(c.NetworkInBytesPerSecond), float64(c.NetworkOutBytesPerSecond), float64(c.DiskBytes), float64(c.CPUCores)}[k]
}

// brokerLoads adds up what every broker carries, sorted by id. What a broker
// was measured to use in cores is taken over what its partitions say.
func brokerLoads(s *cluster.Snapshot) []brokerLoad {
	out := make([]brokerLoad, len(s.Brokers))
	index := make(map[int]int, len(s.Brokers))
	for i := range s.Brokers {
		out[i].broker = &s.Brokers[i]
	}
	slices.SortFunc(out, func(a, b brokerLoad) int { return a.broker.ID - b.broker.ID })
	for i := range out {
		index[out[i].broker.ID] = i
	}
	for i := range s.Topics {
		for j := range s.Topics[i].Partitions {
			p := &s.Topics[i].Partitions[j]
			for _, id := range p.Replicas {
				if k, ok := index[id]; ok {
					out[k].carries(p)
				}
			}
		}
	}
	for i := range out {
		if u := out[i].broker.Usage; u != nil && u.CPUCores > 0 {
			out[i].carry[3] = float64(u.CPUCores)
		}
	}
	return out
}

// carries adds one replica of p.
func (b *brokerLoad) carries(p *cluster.Partition) {
	l := &p.Load
	b.carry[0] += float64(l.BytesInPerSecond)
	b.carry[2] += float64(l.SizeBytes)
	if p.Leader == b.broker.ID {
		b.carry[1] += float64(l.BytesOutPerSecond) + float64(l.BytesInPerSecond)*float64(len(p.Replicas)-1)
		b.carry[3] += float64(l.LeaderCPUCores)
		return
	}
	b.carry[3] += float64(l.FollowerCPUCores)
}

// shown is the loads as a Decision shows them.
func shown(loads []brokerLoad) []decision.BrokerLoad {
	out := make([]decision.BrokerLoad, len(loads))
	for i := range loads {
		b := &loads[i]
		out[i] = decision.BrokerLoad{ID: b.broker.ID, Zone: b.broker.Zone, State: b.broker.State, Utilisation: map[string]cluster.Ratio{}}
		for k, name := range resources {
			if c := b.capacity(k); c > 0 {
				out[i].Utilisation[name] = cluster.Ratio(b.carry[k] / c)
			}
		}
	}
	return out
}

// Hot is the broker furthest above its fair share of some resource.
type Hot struct {
	ID       int
	Resource string
	Over     float64 // 0.2: 20 % above
}

// HottestBroker finds it among the alive brokers, by what they carry.
func HottestBroker(s cluster.Snapshot) Hot { return hottest(brokerLoads(&s)) }

func hottest(loads []brokerLoad) Hot {
	var hot Hot
	for k, name := range resources {
		sum, n := 0.0, 0
		for i := range loads {
			if loads[i].broker.State == cluster.BrokerAlive {
				sum += loads[i].carry[k]
				n++
			}
		}
		if sum <= 0 {
			continue
		}
		for i := range loads {
			if loads[i].broker.State != cluster.BrokerAlive {
				continue
			}
			if over := loads[i].carry[k]*float64(n)/sum - 1; over > hot.Over {
				hot = Hot{loads[i].broker.ID, name, over}
			}
		}
	}
	return hot
}
