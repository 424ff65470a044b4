package cluster

import "slices"

// BrokerLoad is what one broker carries by the replicas on it.
type BrokerLoad struct {
	Broker *Broker
	Footprint
	// Least is the smallest part of each resource that one replica takes of it;
	// 0 where none takes any.
	Least Footprint
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
					f := p.On(id)
					out[k].Footprint, out[k].Least = out[k].Plus(f), out[k].Least.orLess(f)
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

// relevantShare is how much of the resource that is used most another must be used
// to count in full: what a cluster has five times as much of as it needs is no
// bottleneck, however uneven. A judgement.
const relevantShare = 0.2

// Relevance is how much an unevenness of a resource matters, from 0 to 1, when the
// brokers use so much of it and most of any.
func Relevance(used, most Ratio) float64 {
	if !(used < relevantShare*most) {
		return 1
	}
	return max(0, float64(used/(relevantShare*most)))
}

// Hottest is the alive broker furthest above its fair share of a resource: its
// utilisation of its own capacity over that of all of them together, by as much as
// the resource matters. Where no broker's capacity is known, they are taken to be
// alike. A broker of several parts that is over by less than the smallest of them
// is no spot: without it, it would be further off.
func Hottest(loads []BrokerLoad) (hot HotSpot) {
	most := Ratio(0)
	for _, r := range Balanced() {
		if u, ok := Utilisation(loads, r); ok {
			most = max(most, u)
		}
	}
	for _, r := range Balanced() {
		u, known := Utilisation(loads, r)
		matters := 1.0
		if known {
			matters = Relevance(u, most)
		}
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
			c := capacity(b)
			if !(c > 0) || b.Broker.State != BrokerAlive {
				continue
			}
			fair := carried * c / all
			if least := b.Least.Of(r); b.Of(r) >= severalParts*least && b.Of(r)-fair < least*(1-rounding) {
				continue
			}
			if over := (b.Of(r)/fair - 1) * matters; over > hot.Over {
				hot = HotSpot{b.Broker.ID, r, over}
			}
		}
	}
	return hot
}

// severalParts is how many of its smallest parts a broker carries to be one of
// several.
const severalParts = 2

// rounding is what sums of many parts may be off by.
const rounding = 1e-6
