package cluster

import "slices"

// BrokerLoad is what one broker carries by the replicas on it.
type BrokerLoad struct {
	Broker *Broker
	Footprint
}

// Utilisation is how much of its own capacity the broker uses; false when that
// is not known.
func (b BrokerLoad) Utilisation(r Resource) (Ratio, bool) {
	c := b.Broker.Capacity.Of(r)
	return Ratio(b.Of(r) / c), c > 0
}

// BrokerLoads adds up what every broker carries, sorted by id. What a broker
// was measured to use in cores is taken over what its partitions say.
func (s *Snapshot) BrokerLoads() []BrokerLoad {
	out := make([]BrokerLoad, len(s.Brokers))
	for i := range s.Brokers {
		out[i].Broker = &s.Brokers[i]
	}
	slices.SortFunc(out, func(a, b BrokerLoad) int { return a.Broker.ID - b.Broker.ID })
	index := make(map[int]int, len(out))
	for i := range out {
		index[out[i].Broker.ID] = i
	}
	for i := range s.Topics {
		for j := range s.Topics[i].Partitions {
			p := &s.Topics[i].Partitions[j]
			for _, id := range p.Replicas {
				if k, ok := index[id]; ok {
					out[k].Footprint = out[k].Plus(p.On(id))
				}
			}
		}
	}
	for i := range out {
		if u := out[i].Broker.Usage; u != nil && u.CPUCores > 0 {
			out[i].CPU = u.CPUCores
		}
	}
	return out
}

// Balanced is the resources that placement evens out over brokers.
func Balanced() []Resource { return []Resource{NetworkIn, NetworkOut, Disk, CPU} }

// Utilisation is how much of a resource all alive brokers use together, of what
// they have together: the fair share of each. It is false when no broker's
// capacity is known; a broker whose own is not counts on neither side.
func Utilisation(loads []BrokerLoad, r Resource) (Ratio, bool) {
	carried, capacity := 0.0, 0.0
	for _, b := range loads {
		if c := b.Broker.Capacity.Of(r); c > 0 && b.Broker.State == BrokerAlive {
			carried += b.Of(r)
			capacity += c
		}
	}
	return Ratio(carried / capacity), capacity > 0
}

// HotSpot is a broker above its fair share of some resource.
type HotSpot struct {
	ID       int
	Resource Resource
	Over     float64 // 0.2: 20 % above
}

// Hottest is the alive broker furthest above its fair share of a resource: its
// utilisation of its own capacity over that of all of them together. Where no
// broker's capacity is known, they are taken to be alike.
func Hottest(loads []BrokerLoad) (hot HotSpot) {
	for _, r := range Balanced() {
		known := slices.ContainsFunc(loads, func(b BrokerLoad) bool { return b.Broker.State == BrokerAlive && b.Broker.Capacity.Of(r) > 0 })
		capacity := func(b BrokerLoad) float64 {
			if !known {
				return 1
			}
			return b.Broker.Capacity.Of(r)
		}
		carried, all := 0.0, 0.0
		for _, b := range loads {
			if c := capacity(b); c > 0 && b.Broker.State == BrokerAlive {
				carried += b.Of(r)
				all += c
			}
		}
		if carried <= 0 {
			continue
		}
		for _, b := range loads {
			if c := capacity(b); c > 0 && b.Broker.State == BrokerAlive {
				if over := b.Of(r)*all/(carried*c) - 1; over > hot.Over {
					hot = HotSpot{b.Broker.ID, r, over}
				}
			}
		}
	}
	return hot
}
