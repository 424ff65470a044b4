package cluster

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bounds a snapshot must keep. They are far above what Kafka carries (KIP-578:
// about 200,000 replicas in a cluster) and keep a broken or hostile file from
// taking the machine's memory.
const (
	MaxBrokers           = 100_000
	MaxTopics            = 1_000_000
	MaxPartitions        = 2_000_000
	MaxReplicas          = 1_000      // of one partition
	MaxAllReplicas       = 10_000_000 // of all partitions together
	MaxGroupPartitions   = 4_000_000  // of all groups together
	MaxConfigs           = 4_000_000  // of all topics together
	MaxTopicNameBytes    = 249        // Kafka's own limit
	MaxQuantity          = 1e18       // of bytes, rates and cores; sums of squares of a million stay finite
	maxBrokerID          = math.MaxInt32
	maxMistakesInOneLine = 8
)

// Mistake is one thing that is wrong in a document, and where.
type Mistake struct {
	Path  string `json:"path"`  // such as topics[3].partitions[0].replicas
	Wrong string `json:"wrong"` // what is wrong and what would be right
}

// Mistakes is every mistake of one document. As an error it is one line.
type Mistakes []Mistake

// Error lists the first mistakes and counts the others.
func (m Mistakes) Error() string {
	var b strings.Builder
	if len(m) > 1 {
		fmt.Fprintf(&b, "%d mistakes: ", len(m))
	}
	for i, x := range m {
		if i == maxMistakesInOneLine {
			fmt.Fprintf(&b, "; and %d more", len(m)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(x.Path + ": " + x.Wrong)
	}
	return b.String()
}

// Err is nil when there is no mistake.
func (m Mistakes) Err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Validate reports every mistake of the snapshot as Mistakes. A partition
// without a leader and a broker without capacity are facts, not mistakes.
func (s Snapshot) Validate() error {
	var v validator
	if s.Version != SnapshotVersion {
		v.add("version", "is %d; this program reads version %d", s.Version, SnapshotVersion)
	}
	if s.TakenAt.IsZero() {
		v.add("takenAt", "is missing; give the time of the snapshot as RFC 3339")
	}
	return append(v.found, s.Mistakes()...).Err()
}

// Mistakes is what is wrong with the cluster that the snapshot describes,
// whatever document it came in.
func (s Snapshot) Mistakes() Mistakes {
	v := validator{known: make(map[int]bool, len(s.Brokers))}
	v.brokers(s.Brokers)
	v.topics(s.Topics)
	v.groups(s.Groups)
	return v.found
}

type validator struct {
	found Mistakes
	known map[int]bool
}

func (v *validator) add(path, format string, args ...any) {
	v.found = append(v.found, Mistake{Path: path, Wrong: fmt.Sprintf(format, args...)})
}

func (v *validator) brokers(brokers []Broker) {
	if len(brokers) == 0 {
		v.add("brokers", "has no broker; a cluster has at least one")
	}
	if len(brokers) > MaxBrokers {
		v.add("brokers", "has %d brokers, more than the limit of %d", len(brokers), MaxBrokers)
	}
	for i, b := range brokers {
		path := func(field string) string { return fmt.Sprintf("brokers[%d].%s", i, field) }
		switch {
		case b.ID < 0:
			v.add(path("id"), "is missing or negative; a broker id is between 0 and %d", maxBrokerID)
		case b.ID > maxBrokerID:
			v.add(path("id"), "is %d; a broker id is between 0 and %d", b.ID, maxBrokerID)
		case v.known[b.ID]:
			v.add(path("id"), "broker %d is listed twice", b.ID)
		}
		v.known[b.ID] = true
		switch b.State {
		case BrokerAlive, BrokerFenced, BrokerDraining, BrokerDead:
		default:
			v.add(path("state"), "is %q; want alive, fenced, draining or dead", b.State)
		}
		for _, q := range capacityFields(b.Capacity) {
			v.quantity(path("capacity."+q.name), q.value)
		}
		for k, d := range b.Directories {
			v.quantity(path(fmt.Sprintf("directories[%d].bytes", k)), float64(d.Bytes))
			v.quantity(path(fmt.Sprintf("directories[%d].freeBytes", k)), float64(d.Free))
		}
		if b.Usage != nil {
			for _, q := range usageFields(*b.Usage) {
				v.quantity(path("usage."+q.name), q.value)
			}
		}
	}
}

func (v *validator) topics(topics []Topic) {
	if len(topics) > MaxTopics {
		v.add("topics", "has %d topics, more than the limit of %d", len(topics), MaxTopics)
		return
	}
	names := make(map[string]bool, len(topics))
	total := 0
	for i, t := range topics {
		at := fmt.Sprintf("topics[%d]", i)
		switch {
		case t.Name == "":
			v.add(at+".name", "is empty; a topic has a name")
		case len(t.Name) > MaxTopicNameBytes:
			v.add(at+".name", "has %d bytes; Kafka allows %d", len(t.Name), MaxTopicNameBytes)
		case names[t.Name]:
			v.add(at+".name", "topic %q is listed twice", t.Name)
		}
		names[t.Name] = true
		total += len(t.Partitions)
		v.partitions(at, t)
	}
	if total > MaxPartitions {
		v.add("topics", "have %d partitions, more than the limit of %d", total, MaxPartitions)
	}
}

func (v *validator) partitions(at string, t Topic) {
	var seen map[int]bool
	for i := range t.Partitions {
		p := &t.Partitions[i]
		// Partitions usually come numbered in order, which needs no map.
		if p.Partition != i || seen != nil {
			if seen == nil {
				seen = make(map[int]bool, len(t.Partitions))
				for k := range i {
					seen[k] = true
				}
			}
			switch {
			case p.Partition < 0:
				v.add(fmt.Sprintf("%s.partitions[%d].partition", at, i), "is missing or negative; partitions are numbered from 0")
			case seen[p.Partition]:
				v.add(fmt.Sprintf("%s.partitions[%d].partition", at, i), "partition %d of topic %q is listed twice", p.Partition, t.Name)
			}
			seen[p.Partition] = true
		}
		v.placement(at, i, t.Name, p)
		v.load(at, i, &p.Load)
	}
}

func (v *validator) placement(at string, i int, topic string, p *Partition) {
	path := func(field string) string { return fmt.Sprintf("%s.partitions[%d].%s", at, i, field) }
	who := func() string { return fmt.Sprintf("%s-%d", topic, p.Partition) }
	if len(p.Replicas) == 0 {
		v.add(path("replicas"), "%s has no replica; a partition has at least one", who())
	}
	if len(p.Replicas) > MaxReplicas {
		v.add(path("replicas"), "%s has %d replicas, more than the limit of %d", who(), len(p.Replicas), MaxReplicas)
		return
	}
	for k, b := range p.Replicas {
		if !v.known[b] {
			v.add(path(fmt.Sprintf("replicas[%d]", k)), "%s is on broker %d, which is not in brokers", who(), b)
		}
		if slices.Contains(p.Replicas[:k], b) {
			v.add(path(fmt.Sprintf("replicas[%d]", k)), "%s has two replicas on broker %d", who(), b)
		}
	}
	for k, b := range p.ISR {
		if !slices.Contains(p.Replicas, b) {
			v.add(path(fmt.Sprintf("isr[%d]", k)), "broker %d is in sync for %s but holds no replica of it", b, who())
		} else if slices.Contains(p.ISR[:k], b) {
			v.add(path(fmt.Sprintf("isr[%d]", k)), "broker %d is in the ISR of %s twice", b, who())
		}
	}
	if p.Leader != NoLeader && !slices.Contains(p.Replicas, p.Leader) {
		v.add(path("leader"), "broker %d leads %s but holds no replica of it; -1 says that there is no leader", p.Leader, who())
	}
}

// NoLeader is Partition.Leader of a partition that has none.
const NoLeader = -1

func (v *validator) load(at string, i int, l *Load) {
	// The common case must not build paths: there are millions of values.
	if okQuantity(float64(l.BytesInPerSecond)) && okQuantity(float64(l.BytesOutPerSecond)) &&
		okQuantity(float64(l.MessagesInPerSecond)) && okQuantity(float64(l.LeaderCPUCores)) &&
		okQuantity(float64(l.FollowerCPUCores)) && okQuantity(float64(l.SizeBytes)) &&
		okQuantity(float64(l.FollowerBytesOutPerSecond)) {
		return
	}
	for _, q := range loadFields(*l) {
		v.quantity(fmt.Sprintf("%s.partitions[%d].load.%s", at, i, q.name), q.value)
	}
}

func (v *validator) groups(groups []Group) {
	names := make(map[string]bool, len(groups))
	for i, g := range groups {
		at := fmt.Sprintf("groups[%d]", i)
		if names[g.Name] {
			v.add(at+".name", "group %q is listed twice", g.Name)
		}
		names[g.Name] = true
		for _, zone := range sortedKeys(g.ZonesOfMembers) {
			if n := g.ZonesOfMembers[zone]; n < 0 {
				v.add(fmt.Sprintf("%s.zonesOfMembers[%q]", at, zone), "is %d; want zero or more members", n)
			}
		}
		for k, p := range g.Partitions {
			if p.Topic == "" {
				v.add(fmt.Sprintf("%s.partitions[%d].topic", at, k), "is empty")
			}
			if p.Lag < 0 {
				v.add(fmt.Sprintf("%s.partitions[%d].lag", at, k),
					"is %d; want zero or more records, or leave the partition out when its lag is unknown", p.Lag)
			}
			v.quantity(fmt.Sprintf("%s.partitions[%d].consumedPerSecond", at, k), float64(p.ConsumedPerSecond))
		}
	}
}

func okQuantity(x float64) bool { return x >= 0 && x <= MaxQuantity }

func (v *validator) quantity(path string, x float64) {
	switch {
	case okQuantity(x):
	case math.IsNaN(x) || math.IsInf(x, 0):
		v.add(path, "is %v; want a finite number, and name what is unknown in stale", x)
	case x < 0:
		v.add(path, "is %v; want zero or more", x)
	default:
		v.add(path, "is %v; more than %g is not believed", x, float64(MaxQuantity))
	}
}

type field struct {
	name  string
	value float64
}

func capacityFields(c Capacity) []field {
	return []field{
		{"cpuCores", float64(c.CPUCores)},
		{"networkInBytesPerSecond", float64(c.NetworkInBytesPerSecond)},
		{"networkOutBytesPerSecond", float64(c.NetworkOutBytesPerSecond)},
		{"diskBytes", float64(c.DiskBytes)},
		{"diskBytesPerSecond", float64(c.DiskBytesPerSecond)},
		{"memoryBytes", float64(c.MemoryBytes)},
	}
}

func usageFields(u Usage) []field {
	return []field{
		{"cpuCores", float64(u.CPUCores)},
		{"networkInBytesPerSecond", float64(u.NetworkInBytesPerSecond)},
		{"networkOutBytesPerSecond", float64(u.NetworkOutBytesPerSecond)},
		{"diskBytes", float64(u.DiskBytes)},
		{"requestHandlerIdle", float64(u.RequestHandlerIdle)},
		{"underReplicatedPartitions", float64(u.UnderReplicatedPartitions)},
	}
}

func loadFields(l Load) []field {
	return []field{
		{"bytesInPerSecond", float64(l.BytesInPerSecond)},
		{"bytesOutPerSecond", float64(l.BytesOutPerSecond)},
		{"messagesInPerSecond", float64(l.MessagesInPerSecond)},
		{"leaderCpuCores", float64(l.LeaderCPUCores)},
		{"followerCpuCores", float64(l.FollowerCPUCores)},
		{"sizeBytes", float64(l.SizeBytes)},
		{"followerBytesOutPerSecond", float64(l.FollowerBytesOutPerSecond)},
	}
}

// Sort puts the snapshot in its canonical order: brokers by id, topics by
// name, partitions by number, groups by name, stale signals by name.
func (s *Snapshot) Sort() {
	slices.SortStableFunc(s.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(s.Topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	for i := range s.Topics {
		slices.SortStableFunc(s.Topics[i].Partitions, func(a, b Partition) int { return cmp.Compare(a.Partition, b.Partition) })
	}
	slices.SortStableFunc(s.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	for i := range s.Groups {
		slices.SortStableFunc(s.Groups[i].Partitions, func(a, b GroupPartition) int {
			return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	slices.SortStableFunc(s.Reassignments, func(a, b Reassignment) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	slices.SortStableFunc(s.Stale, func(a, b StaleSignal) int { return cmp.Compare(a.Signal, b.Signal) })
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
