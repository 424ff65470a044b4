package world

import (
	"context"
	"strconv"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// Observer is what the production loop sees: the cluster as Kafka and Prometheus
// would describe it. It makes anew only what changed since it looked last.
type Observer struct {
	clusterID string
	scrape    time.Duration
	place     *placement
	load      *load
	consumers *consumers
	moves     *reassignments
	faults    *faults
	time      *timeline

	topics []cluster.Topic
	groups []cluster.Group
}

// Observe describes the cluster. While Prometheus is out, what it measures is
// missing and named as stale. The snapshot is valid until the next Observe.
func (o *Observer) Observe(context.Context) (cluster.Snapshot, error) {
	down := o.faults.metrics > 0
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, TakenAt: o.time.now, ClusterID: o.clusterID}
	s.Brokers = o.observeBrokers(down)
	o.observeTopics(down)
	o.observeGroups()
	s.Topics, s.Groups = o.topics, o.groups
	for _, m := range append(o.moves.active, o.moves.waiting...) {
		p := &o.place.parts[m.part]
		t := &o.place.topics[p.topic]
		s.Reassignments = append(s.Reassignments, cluster.Reassignment{
			Topic: t.spec.Name, Partition: int(m.part - t.first), Replicas: ints(m.to), Adding: ints(m.adding),
		})
	}
	if down {
		for _, signal := range []metrics.Signal{metrics.BrokerCPU, metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn} {
			s.Stale = append(s.Stale, cluster.StaleSignal{
				Signal: signal, Cause: cluster.CauseNotRead, Reason: "Prometheus does not answer", LastSeen: o.faults.metricsSince,
			})
		}
	}
	return s, nil
}

func (o *Observer) observeBrokers(down bool) []cluster.Broker {
	out := make([]cluster.Broker, 0, len(o.place.brokers))
	usage := make([]cluster.Usage, len(o.place.brokers))
	for i := range o.place.brokers {
		b := &o.place.brokers[i]
		if b.state == cluster.BrokerFenced {
			continue // it has not registered yet
		}
		k := cluster.Broker{ID: b.id, Zone: b.zone, State: b.state, Capacity: b.shape}
		if !down && b.state == cluster.BrokerAlive {
			// What a broker carries is added and taken away as replicas come and go;
			// an empty one is left with what rounding leaves, which may be below zero.
			usage[i] = cluster.Usage{
				CPUCores:                 cluster.Cores(max(0, b.use.cpu)),
				NetworkInBytesPerSecond:  cluster.BytesPerSecond(max(0, b.use.in)),
				NetworkOutBytesPerSecond: cluster.BytesPerSecond(max(0, b.use.out)),
				DiskBytes:                cluster.Bytes(o.place.diskUsed(b)), RequestHandlerIdle: cluster.Ratio(max(0, 1-b.use.u)),
			}
			k.Usage = &usage[i]
		}
		out = append(out, k)
	}
	return out
}

func (o *Observer) observeTopics(down bool) {
	if o.topics == nil {
		o.firstTopics()
	}
	for i := range o.place.topics {
		t := &o.place.topics[i]
		rate, records := o.measured(t.class)
		if down {
			rate, records = 0, 0
		}
		readers := float64(t.readers)
		stored := o.place.logs[t.class].stored
		list := o.topics[i].Partitions
		for j := range list {
			id := int(t.first) + j
			p := &o.place.parts[id]
			q := &list[j]
			if o.place.dirty[id] {
				o.place.dirty[id] = false
				q.Replicas, q.ISR, q.Leader = ints(p.replicas), p.inSyncIDs(), int(p.leader)
			}
			in := p.share * rate
			q.Load = cluster.Load{
				BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(in * readers),
				MessagesInPerSecond: cluster.MessagesPerSecond(p.share * records / t.messageBytes),
				LeaderCPUCores: cluster.Cores(
					in * (t.leaderCPU + readers*t.readerCPU),
				), FollowerCPUCores: cluster.Cores(in * t.followerCPU),
				SizeBytes: cluster.Bytes(p.bytes * stored),
			}
		}
	}
}

// measured is what one unit of a class sends as its rates show it, in bytes
// and in what counts records.
func (o *Observer) measured(class int) (rate, records float64) {
	late := behind(o.scrape, 0)
	if late == 0 {
		return o.load.bytes[class], o.load.records[class]
	}
	at := o.time.now.Add(-late)
	return o.load.bytesAt(class, at), o.load.recordsAt(class, at)
}

func (o *Observer) firstTopics() {
	o.topics = make([]cluster.Topic, len(o.place.topics))
	for i := range o.place.topics {
		t := &o.place.topics[i]
		config := map[string]string{
			"min.insync.replicas": strconv.Itoa(max(t.spec.MinISR, 1)),
			"retention.ms":        strconv.FormatInt(o.place.logs[t.class].retention.Milliseconds(), 10),
			"segment.bytes":       observedSegment, // the world rolls its logs finely
		}
		if t.spec.RetentionBytes > 0 {
			config["retention.bytes"] = strconv.FormatInt(int64(t.spec.RetentionBytes), 10)
		}
		o.topics[i] = cluster.Topic{Name: t.spec.Name, Config: config, Partitions: make([]cluster.Partition, t.spec.Partitions)}
		for j := range o.topics[i].Partitions {
			o.topics[i].Partitions[j].Partition = j
		}
	}
	for i := range o.place.dirty {
		o.place.dirty[i] = true
	}
}

// observeGroups needs no Prometheus: lag and positions come from Kafka itself.
func (o *Observer) observeGroups() {
	if o.groups == nil {
		o.firstGroups()
	}
	for i := range o.consumers.groups {
		g := &o.consumers.groups[i]
		out := &o.groups[i]
		out.Members, out.State = len(g.member), "Stable"
		if !g.on || len(g.member) == 0 {
			out.State = "Empty"
		}
		if g.calm && g.on {
			o.observeCalm(g, out)
			continue
		}
		consumed := ratio(g.consumed, g.arrives)
		for m := range g.member {
			o.observeMember(g, m, out, consumed)
		}
		if len(g.member) == 0 {
			for j := range g.parts {
				out.Partitions[j].Lag, out.Partitions[j].ConsumedPerSecond = int64(g.parts[j].lag), 0
			}
		}
	}
}

func (o *Observer) firstGroups() {
	o.groups = make([]cluster.Group, len(o.consumers.groups))
	for i := range o.consumers.groups {
		g := &o.consumers.groups[i]
		o.groups[i] = cluster.Group{
			Name: g.spec.Name, ZonesOfMembers: map[string]int{}, Partitions: make([]cluster.GroupPartition, len(g.parts)),
		}
		for j := range g.parts {
			t := &o.place.topics[o.place.parts[g.parts[j].part].topic]
			o.groups[i].Partitions[j] = cluster.GroupPartition{Topic: t.spec.Name, Partition: int(g.parts[j].part - t.first)}
		}
	}
}

// observeCalm describes a group that reads all that arrives: its lag is what it
// has not committed yet.
func (o *Observer) observeCalm(g *group, out *cluster.Group) {
	for j := range g.parts {
		rate := g.parts[j].rate * o.load.records[g.parts[j].class]
		out.Partitions[j].Lag = int64(rate * g.uncommitted())
		out.Partitions[j].ConsumedPerSecond = cluster.MessagesPerSecond(rate)
	}
}

// observeMember shares the i-th member's lag over its partitions by their rates.
func (o *Observer) observeMember(g *group, i int, out *cluster.Group, consumedShare float64) {
	n := len(g.member)
	total, count := 0.0, 0
	for j := i; j < len(g.parts); j += n {
		total += g.parts[j].rate
		count++
	}
	for j := i; j < len(g.parts); j += n {
		p := &g.parts[j]
		consumed := p.rate * o.load.records[p.class] * consumedShare
		out.Partitions[j].Lag = int64(g.member[i].lag*g.shareOf(j, total, count) + consumed*g.uncommitted())
		out.Partitions[j].ConsumedPerSecond = cluster.MessagesPerSecond(consumed)
	}
}
