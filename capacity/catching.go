package capacity

import "github.com/tidetable/tidetable/cluster"

// cacheSeconds is how many seconds of writes the page caches of the alive
// brokers hold: a reader that is further behind reads from disk (Cloudera). It
// is false while a broker's memory, or the load, is not known.
func cacheSeconds(brokers []cluster.Broker, replicated cluster.BytesPerSecond) (seconds float64, known bool) {
	var memory cluster.Bytes
	for i := range brokers {
		if brokers[i].State != cluster.BrokerAlive {
			continue
		}
		if brokers[i].Capacity.MemoryBytes <= 0 {
			return 0, false
		}
		memory += brokers[i].Capacity.MemoryBytes
	}
	if memory <= 0 || replicated <= 0 {
		return 0, false
	}
	return PageCacheShare * float64(memory) / float64(replicated), true
}

// catching is what lagging readers read from disk (L·W): of each position that
// is further behind than the page cache reaches, what its group was measured to
// consume there, or, where that is not known and the group has members, what is
// written. Where nobody knows the memory, nobody is taken to lag.
func catching(s *cluster.Snapshot, replicated cluster.BytesPerSecond) (sum cluster.BytesPerSecond) {
	reach, known := cacheSeconds(s.Brokers, replicated)
	if !known {
		return 0
	}
	topics := make(map[string]*cluster.Topic, len(s.Topics))
	for i := range s.Topics {
		topics[s.Topics[i].Name] = &s.Topics[i]
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		for _, at := range g.Partitions {
			l, ok := loadOf(topics[at.Topic], at.Partition)
			written := float64(l.MessagesInPerSecond)
			if !ok || written <= 0 || float64(at.Lag) <= reach*written {
				continue
			}
			switch {
			case at.ConsumedPerSecond > 0:
				sum += l.BytesInPerSecond * cluster.BytesPerSecond(float64(at.ConsumedPerSecond)/written)
			case g.Members > 0:
				sum += l.BytesInPerSecond
			}
		}
	}
	return sum
}

// loadOf finds a partition's load; partitions mostly are numbered in order.
func loadOf(t *cluster.Topic, number int) (cluster.Load, bool) {
	if t == nil {
		return cluster.Load{}, false
	}
	if number >= 0 && number < len(t.Partitions) && t.Partitions[number].Partition == number {
		return t.Partitions[number].Load, true
	}
	for i := range t.Partitions {
		if t.Partitions[i].Partition == number {
			return t.Partitions[i].Load, true
		}
	}
	return cluster.Load{}, false
}
