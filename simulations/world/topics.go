package world

import (
	"fmt"
	"math"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

const maxReplicas = 16 // bits of partition.isr

type topic struct {
	spec         TopicSpec
	class        int
	first        int32 // index of its partition 0
	readers      int   // groups that read it now
	labels       metrics.Labels
	messageBytes float64
	// cores per byte per second on the leader without its readers, each
	// reader's, and a follower's.
	leaderCPU, readerCPU, followerCPU float64
}

// share of the topic that partition j carries.
func (t *topic) share(j int) float64 {
	if t.spec.Shares != nil {
		return t.spec.Shares[j]
	}
	return 1 / float64(t.spec.Partitions)
}

// sizeShare is the share of its bytes that partition j holds at the start.
func (t *topic) sizeShare(j int) float64 {
	if t.spec.Sizes != nil {
		return t.spec.Sizes[j]
	}
	return t.share(j)
}

type partition struct {
	id       int32
	topic    int32
	leader   int32 // −1: none
	isr      uint16
	writable bool
	moving   bool
	share    float64 // of the topic's load, times the topic's scale
	bytes    float64 // of the topic's size, times the topic's scale
	replicas []int32
}

func (p *partition) holds(id int32) bool {
	for _, r := range p.replicas {
		if r == id {
			return true
		}
	}
	return false
}

func (p *partition) inSync(id int32) bool {
	for i, r := range p.replicas {
		if r == id {
			return p.isr&(1<<i) != 0
		}
	}
	return false
}

func (p *partition) inSyncIDs() []int {
	out := make([]int, 0, len(p.replicas))
	if p.leader < 0 {
		return out
	}
	for i, r := range p.replicas {
		if p.isr&(1<<i) != 0 {
			out = append(out, int(r))
		}
	}
	return out
}

// classKey is what topics of one class have in common.
type classKey struct {
	profile   int
	retention int64
	cap       float64
	own       int // a young topic's logs are its own, as are records
}

func keyOf(i int, s TopicSpec) classKey {
	unit := math.Inf(1)
	if s.RetentionBytes > 0 && s.Scale > 0 {
		unit = float64(s.RetentionBytes) * float64(s.Partitions) / s.Scale
	}
	k := classKey{s.Profile, int64(s.Retention), unit, 0}
	if s.Young || s.Records > 0 {
		k.own = i + 1
	}
	return k
}

// addTopics adds topics and their partitions, which are nowhere yet, and sorts
// them into classes.
func (s *placement) addTopics(specs []TopicSpec, profiles int) ([]class, error) {
	var classes []class
	known := map[classKey]int{}
	for i, spec := range specs {
		if spec.Profile < 0 || spec.Profile >= profiles {
			return nil, fmt.Errorf("building topic %s: profile %d does not exist", spec.Name, spec.Profile)
		}
		if spec.Partitions < 1 || spec.ReplicationFactor < 1 || spec.ReplicationFactor > maxReplicas {
			return nil, fmt.Errorf("building topic %s: %d partitions of %d replicas", spec.Name, spec.Partitions, spec.ReplicationFactor)
		}
		k := keyOf(i, spec)
		c, ok := known[k]
		if !ok {
			c = len(classes)
			known[k] = c
			classes = append(
				classes,
				class{profile: spec.Profile, records: spec.Records, messageBytes: ratio(spec.MessageBytes, spec.Scale)},
			)
			s.logs = append(s.logs, classLog{retention: spec.Retention, cap: k.cap})
		}
		s.addTopic(i, spec, c)
	}
	return classes, nil
}

// perByte is the load of one produced byte per second, with those who read it.
func (t *topic) perByte() cluster.Load {
	return cluster.Load{
		BytesInPerSecond: 1, BytesOutPerSecond: cluster.BytesPerSecond(t.readers),
		LeaderCPUCores:   cluster.Cores(t.leaderCPU + float64(t.readers)*t.readerCPU),
		FollowerCPUCores: cluster.Cores(t.followerCPU),
	}
}

// oneByte is the load of one produced byte per second that nobody reads.
var oneByte = cluster.Load{BytesInPerSecond: 1}

func (s *placement) addTopic(i int, spec TopicSpec, class int) {
	t := topic{spec: spec, class: class, first: int32(len(s.parts)), labels: metrics.Labels{"topic": spec.Name},
		messageBytes: spec.MessageBytes}
	if t.messageBytes <= 0 {
		t.messageBytes = assumedMessageBytes
	}
	t.leaderCPU, t.followerCPU, t.readerCPU = spec.LeaderCPU, spec.FollowerCPU, 0
	if spec.LeaderCPU == 0 {
		t.leaderCPU = float64(cpuCost.Leader(oneByte, spec.ReplicationFactor))
		t.readerCPU = cpuCost.Sent
	}
	if spec.FollowerCPU == 0 {
		t.followerCPU = float64(cpuCost.Follower(oneByte))
	}
	s.byTopic[spec.Name] = i
	if i == 0 {
		s.leastReplicas = spec.ReplicationFactor
	}
	s.leastReplicas, s.mostReplicas = min(s.leastReplicas, spec.ReplicationFactor), max(s.mostReplicas, spec.ReplicationFactor)
	s.topics = append(s.topics, t)
	for j := range spec.Partitions {
		share := t.share(j) * spec.Scale
		s.parts = append(s.parts, partition{id: int32(len(s.parts)), topic: int32(i), leader: -1, share: share, bytes: share})
	}
}

// sizeTopics gives topics the sizes that they are said to have at the start.
func (s *placement) sizeTopics() {
	for i := range s.topics {
		t := &s.topics[i]
		if t.spec.Young && t.spec.SizeBytes > 0 {
			s.logs[t.class].begin(t.spec.SizeBytes / t.spec.Scale)
		}
		unit := s.logs[t.class].stored
		if t.spec.SizeBytes <= 0 || unit <= 0 {
			continue
		}
		for j := range t.spec.Partitions {
			s.parts[int(t.first)+j].bytes = t.sizeShare(j) * t.spec.SizeBytes / unit
		}
	}
}
