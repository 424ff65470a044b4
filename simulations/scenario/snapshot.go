package scenario

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/world"
)

func (p *Experiment) throttle() cluster.BytesPerSecond {
	return cluster.BytesPerSecond(p.Cluster.Throttle)
}

// fromSnapshot takes brokers, topics and groups from the snapshot. Brokers are
// renumbered in its order, because the simulated StatefulSet has ordinals.
func (b *builder) fromSnapshot() {
	ordinal := map[int]int{}
	zones := []string{}
	for i, k := range b.snapshot.Brokers {
		ordinal[k.ID] = i
		b.c.Brokers = append(b.c.Brokers, world.BrokerSpec{Zone: k.Zone, Capacity: k.Capacity})
		if !slices.Contains(zones, k.Zone) {
			zones = append(zones, k.Zone)
		}
		if k.State != cluster.BrokerAlive && k.State != cluster.BrokerDraining {
			b.c.Events = append(b.c.Events, world.Event{Kind: world.BrokerDown, Broker: i})
		}
	}
	slices.Sort(zones)
	b.c.Zones = zones
	b.shape = b.snapshot.Brokers[0].Capacity
	for _, t := range b.snapshot.Topics {
		b.snapshotTopic(t, ordinal)
	}
	for _, g := range b.snapshot.Groups {
		b.snapshotGroup(g)
	}
}

func (b *builder) snapshotTopic(t cluster.Topic, ordinal map[int]int) {
	if len(t.Partitions) == 0 {
		return
	}
	n := len(t.Partitions)
	spec := world.TopicSpec{
		Name:         t.Name,
		Partitions:   n,
		MinISR:       1,
		MessageBytes: 1000,
		Shares:       make([]float64, n),
		Sizes:        make([]float64, n),
	}
	var in, size, leader, follower, messages float64
	for _, q := range t.Partitions {
		in += float64(q.Load.BytesInPerSecond)
		size += float64(q.Load.SizeBytes)
		leader += float64(q.Load.LeaderCPUCores)
		follower += float64(q.Load.FollowerCPUCores)
		messages += float64(q.Load.MessagesInPerSecond)
	}
	for i, q := range t.Partitions {
		spec.Shares[i] = share(float64(q.Load.BytesInPerSecond), in, n)
		spec.Sizes[i] = share(float64(q.Load.SizeBytes), size, n)
		var replicas []int
		for _, r := range q.Replicas {
			if o, ok := ordinal[r]; ok { // one that is not in the snapshot is gone
				replicas = append(replicas, o)
			}
		}
		spec.Replicas = append(spec.Replicas, replicas)
		spec.ReplicationFactor = max(spec.ReplicationFactor, len(replicas))
	}
	spec.SizeBytes = size
	if in > 0 {
		spec.LeaderCPU, spec.FollowerCPU = leader/in, follower/in
	}
	if messages > 0 {
		spec.MessageBytes = math.Max(in/messages, 1)
	}
	spec.Retention = b.retention(configDuration(t.Config["retention.ms"]))
	if v, err := strconv.ParseFloat(t.Config["retention.bytes"], 64); err == nil && v > 0 {
		spec.RetentionBytes = cluster.Bytes(v)
	}
	if v, err := strconv.Atoi(t.Config["min.insync.replicas"]); err == nil {
		spec.MinISR = min(v, spec.ReplicationFactor)
	}
	spec.Profile, spec.Scale = b.followed(t.Name, in)
	// A trace of the topic's own says what is really written to it; a compacted
	// log does not keep all of that.
	b.followRecords(&spec)
	spec.Young = b.columns[t.Name] != nil && !strings.Contains(t.Config["cleanup.policy"], "compact")
	b.topics[t.Name] = append(b.topics[t.Name], len(b.c.Topics))
	b.c.Topics = append(b.c.Topics, spec)
}

// followRecords lets a topic with a trace of its own follow its records too,
// where the trace has them: the size of messages drifts.
func (b *builder) followRecords(spec *world.TopicSpec) {
	name := spec.Name + recordsColumn
	bytes, records := b.columns[spec.Name], b.columns[name]
	if bytes == nil || records == nil {
		return
	}
	n := records.Mean(b.start, b.EndTime())
	if n <= 0 {
		return
	}
	spec.MessageBytes = math.Max(bytes.Mean(b.start, b.EndTime())/n, 1)
	if _, ok := b.loads[name]; !ok {
		b.loads[name] = len(b.c.Profiles)
		b.c.Profiles = append(b.c.Profiles, records.Scaled(b.growth, time.Time{}).With(b.extra...))
	}
	spec.Records = b.loads[name] + 1
}

// recordsColumn ends the name of a column that has a topic's records per second.
const recordsColumn = " records"

func share(v, sum float64, n int) float64 {
	if sum <= 0 {
		return 1 / float64(n)
	}
	return v / sum
}

// configDuration reads retention.ms; Kafka's default is seven days.
func configDuration(ms string) time.Duration {
	v, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || v <= 0 {
		return 7 * day
	}
	return min(time.Duration(v)*time.Millisecond, 366*day)
}

// followed is the profile a snapshot's topic follows: its own column of a
// trace, in bytes per second, or the shape of the cluster's load around the
// rate that the snapshot measured.
func (b *builder) followed(name string, rate float64) (profile int, scale float64) {
	if q := b.columns[name]; q != nil {
		key := "topic " + name
		if i, ok := b.loads[key]; ok {
			return i, 1
		}
		b.loads[key] = len(b.c.Profiles)
		b.c.Profiles = append(b.c.Profiles, q.Scaled(b.growth, time.Time{}).With(b.extra...))
		return b.loads[key], 1
	}
	key := "shape of " + b.Cluster.Load
	if i, ok := b.loads[key]; ok {
		return i, rate
	}
	base := b.c.Profiles[b.loads[b.Cluster.Load]]
	q := *base
	if m := b.means[b.Cluster.Load]; m > 0 { // of the load as it was read, so that growth counts
		q = *base.Scaled(1/m, time.Time{})
	}
	b.loads[key] = len(b.c.Profiles)
	b.c.Profiles = append(b.c.Profiles, &q)
	return b.loads[key], rate
}

// snapshotGroup takes a group as it is: its members are taken to run at seven
// tenths of what they can do, unless the scenario says what one can.
func (b *builder) snapshotGroup(g cluster.Group) {
	spec := world.GroupSpec{Name: g.Name, Replicas: max(g.Members, 1), Min: 1, MaxLag: time.Minute}
	seen := map[string]bool{}
	rate := 0.0
	for _, q := range g.Partitions {
		rate += float64(q.ConsumedPerSecond)
		if !seen[q.Topic] {
			seen[q.Topic] = true
			spec.Topics = append(spec.Topics, b.topics[q.Topic]...)
		}
	}
	if g.Members == 0 {
		for _, n := range g.ZonesOfMembers {
			spec.Replicas = max(spec.Replicas, n)
		}
	}
	if rate == 0 {
		for _, t := range spec.Topics {
			rate += b.c.Topics[t].Scale / b.c.Topics[t].MessageBytes
		}
	}
	spec.PerReplica = math.Max(rate/float64(spec.Replicas)/0.7, 1)
	if len(spec.Topics) > 0 {
		b.c.Groups = append(b.c.Groups, spec)
	}
}
