package world

import (
	"context"
	"strconv"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// snapshotter keeps the parts of a snapshot that change seldom between two
// observations: a partition's lists are made anew only when they changed.
type snapshotter struct {
	topics []cluster.Topic
	groups []cluster.Group
	dirty  []bool // by partition
}

// Observe is what the production loop sees: the cluster as Kafka and
// Prometheus would describe it. While Prometheus is out, what it measures is
// missing and named as stale. The snapshot is valid until the next Observe.
func (w *World) Observe(context.Context) (cluster.Snapshot, error) {
	down, since := w.MetricsDown()
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, TakenAt: w.now, ClusterID: w.cfg.ClusterID}
	s.Brokers = w.observeBrokers(down)
	w.observeTopics(down)
	w.observeGroups(down)
	s.Topics, s.Groups = w.shot.topics, w.shot.groups
	for _, m := range append(w.moves.active, w.moves.waiting...) {
		p := &w.parts[m.part]
		t := &w.topics[p.topic]
		s.Reassignments = append(s.Reassignments, cluster.Reassignment{
			Topic: t.spec.Name, Partition: int(m.part - t.first), Replicas: ints(m.to), Adding: ints(m.adding),
		})
	}
	if down {
		for _, signal := range []metrics.Signal{metrics.BrokerCPU, metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn} {
			s.Stale = append(s.Stale, cluster.StaleSignal{Signal: string(signal), Reason: "Prometheus does not answer", LastSeen: since})
		}
	}
	return s, nil
}

func (w *World) observeBrokers(down bool) []cluster.Broker {
	out := make([]cluster.Broker, 0, len(w.brokers))
	usage := make([]cluster.Usage, len(w.brokers))
	for i := range w.brokers {
		b := &w.brokers[i]
		if b.state == cluster.BrokerFenced {
			continue // it has not registered yet
		}
		k := cluster.Broker{ID: b.id, Zone: b.zone, State: b.state, Capacity: b.shape}
		if !down && b.state == cluster.BrokerAlive {
			usage[i] = cluster.Usage{
				CPUCores: cluster.Cores(b.use.cpu), NetworkInBytesPerSecond: cluster.BytesPerSecond(b.use.in), NetworkOutBytesPerSecond: cluster.BytesPerSecond(b.use.out),
				DiskBytes: cluster.Bytes(w.diskUsed(b)), RequestHandlerIdle: cluster.Ratio(max(0, 1-b.use.u)),
			}
			k.Usage = &usage[i]
		}
		out = append(out, k)
	}
	return out
}

func (w *World) observeTopics(down bool) {
	s := &w.shot
	if s.topics == nil {
		w.firstTopics()
	}
	for i := range w.topics {
		t := &w.topics[i]
		rate, records := w.measured(t.class)
		if down {
			rate, records = 0, 0
		}
		readers := float64(t.readers)
		stored := w.classes[t.class].stored
		list := s.topics[i].Partitions
		for j := range list {
			id := int(t.first) + j
			p := &w.parts[id]
			q := &list[j]
			if s.dirty[id] {
				s.dirty[id] = false
				q.Replicas, q.ISR, q.Leader = ints(p.replicas), p.inSyncIDs(), int(p.leader)
			}
			in := p.share * rate
			q.Load = cluster.Load{
				BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(in * readers),
				MessagesInPerSecond: cluster.MessagesPerSecond(p.share * records / t.messageBytes),
				LeaderCPUCores:      cluster.Cores(in * (t.leaderCPU + readers*t.readerCPU)), FollowerCPUCores: cluster.Cores(in * t.followerCPU),
				SizeBytes: cluster.Bytes(p.bytes * stored),
			}
		}
	}
}

// measured is the demand of one unit of a class as its rates show it, in bytes
// and in what counts records.
func (w *World) measured(class int) (rate, records float64) {
	late := w.behind(0)
	if late == 0 {
		return w.p[class], w.r[class]
	}
	at := w.now.Add(-late)
	return w.cfg.Profiles[w.classes[class].profile].At(at), w.recordDemand(class, at)
}

func (w *World) firstTopics() {
	s := &w.shot
	s.topics = make([]cluster.Topic, len(w.topics))
	for i := range w.topics {
		t := &w.topics[i]
		config := map[string]string{
			"min.insync.replicas": strconv.Itoa(max(t.spec.MinISR, 1)),
			"retention.ms":        strconv.FormatInt(w.classes[t.class].retention.Milliseconds(), 10),
			"segment.bytes":       "1048576", // the world rolls its logs finely
		}
		if t.spec.RetentionBytes > 0 {
			config["retention.bytes"] = strconv.FormatInt(int64(t.spec.RetentionBytes), 10)
		}
		s.topics[i] = cluster.Topic{Name: t.spec.Name, Config: config, Partitions: make([]cluster.Partition, t.spec.Partitions)}
		for j := range s.topics[i].Partitions {
			s.topics[i].Partitions[j].Partition = j
		}
	}
	for i := range s.dirty {
		s.dirty[i] = true
	}
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

func (w *World) observeGroups(down bool) {
	s := &w.shot
	if s.groups == nil {
		s.groups = make([]cluster.Group, len(w.groups))
		for i := range w.groups {
			g := &w.groups[i]
			s.groups[i] = cluster.Group{Name: g.spec.Name, ZonesOfMembers: map[string]int{}, Partitions: make([]cluster.GroupPartition, len(g.parts))}
			for j := range g.parts {
				t := &w.topics[w.parts[g.parts[j].part].topic]
				s.groups[i].Partitions[j] = cluster.GroupPartition{Topic: t.spec.Name, Partition: int(g.parts[j].part - t.first)}
			}
		}
	}
	for i := range w.groups {
		g := &w.groups[i]
		out := &s.groups[i]
		out.Members, out.State = len(g.member), "Stable"
		if !g.on || len(g.member) == 0 {
			out.State = "Empty"
		}
		if g.calm && g.on {
			for j := range g.parts {
				rate := g.parts[j].rate * w.r[g.parts[j].class]
				out.Partitions[j].Lag = int64(rate * g.uncommitted())
				out.Partitions[j].ConsumedPerSecond = cluster.MessagesPerSecond(rate)
			}
			continue
		}
		ratioOf := ratio(g.consumed, g.arrives)
		for m := range g.member {
			w.observeMember(g, m, out, ratioOf)
		}
		if len(g.member) == 0 {
			for j := range g.parts {
				out.Partitions[j].Lag, out.Partitions[j].ConsumedPerSecond = int64(g.parts[j].lag), 0
			}
		}
	}
	_ = down // lag and positions come from Kafka itself, not from Prometheus
}

// observeMember shares the i-th member's lag over its partitions by their rates.
func (w *World) observeMember(g *group, i int, out *cluster.Group, consumedShare float64) {
	n := len(g.member)
	total, count := 0.0, 0
	for j := i; j < len(g.parts); j += n {
		total += g.parts[j].rate
		count++
	}
	for j := i; j < len(g.parts); j += n {
		p := &g.parts[j]
		consumed := p.rate * w.r[p.class] * consumedShare
		out.Partitions[j].Lag = int64(g.member[i].lag*g.shareOf(j, total, count) + consumed*g.uncommitted())
		out.Partitions[j].ConsumedPerSecond = cluster.MessagesPerSecond(consumed)
	}
}

// outage is a stretch of time whose measurements are missing.
type outage struct{ from, to time.Time }
