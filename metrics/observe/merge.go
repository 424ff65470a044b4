package observe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// Merge lays what was measured over what Kafka placed. It is pure, and keeps
// placed's slices. A nil placement is derived from the measurements, as far as
// they tell. How a topic's load is shared among its partitions, and a broker's
// CPU among its replicas, is in docs/formats/snapshot.md.
func Merge(placed *cluster.Snapshot, in Input, at time.Time, standIn cluster.Capacity) cluster.Snapshot {
	m := merger{brokers: map[int]int{}}
	if placed != nil {
		m.s = *placed
		m.kafka = true
		in.resolve(orEmpty(m.s.Brokers))
	} else {
		in.resolve(nil)
		m.s = derive(in)
	}
	m.topics = topicsOf(&m.s)
	in.unfold(m.topics)
	m.in = in
	m.s.Version = cluster.SnapshotVersion
	m.s.TakenAt = at
	for i, b := range m.s.Brokers {
		m.brokers[b.ID] = i
	}
	m.refuseImpossible(standIn)
	m.usage()
	m.capacities(standIn)
	m.sizes()
	m.rates()
	m.cpu()
	m.groups()
	m.stale()
	m.s.Sort()
	return m.s
}

type merger struct {
	s       cluster.Snapshot
	in      Input
	brokers map[int]int // id → index
	kafka   bool        // placed by Kafka
	topics  topics
}

// orEmpty tells a cluster without brokers from one that was not read.
func orEmpty(list []cluster.Broker) []cluster.Broker {
	if list == nil {
		return []cluster.Broker{}
	}
	return list
}

// addStale names a signal as stale. Of one that is already, what else is wrong
// is told too, and the first cause stays.
func addStale(s *cluster.Snapshot, x cluster.StaleSignal) {
	i := slices.IndexFunc(s.Stale, func(y cluster.StaleSignal) bool { return y.Signal == x.Signal })
	switch {
	case i < 0:
		s.Stale = append(s.Stale, x)
	case s.Stale[i].Reason != x.Reason:
		s.Stale[i].Reason += "; " + x.Reason
	}
}

func dropStale(s *cluster.Snapshot, signal metrics.Signal) {
	s.Stale = slices.DeleteFunc(s.Stale, func(x cluster.StaleSignal) bool { return x.Signal == signal })
}

func (m *merger) isStale(signal metrics.Signal) bool {
	return slices.ContainsFunc(m.s.Stale, func(x cluster.StaleSignal) bool { return x.Signal == signal })
}

// perBroker calls set for each point of a signal whose broker is there.
func (m *merger) perBroker(signal metrics.Signal, set func(b *cluster.Broker, v float64)) {
	for _, p := range m.in.Points[signal] {
		id, err := strconv.Atoi(p.Labels["broker"])
		if err != nil {
			continue
		}
		if i, ok := m.brokers[id]; ok {
			set(&m.s.Brokers[i], p.Value)
		}
	}
}

func (m *merger) usage() {
	add := func(signal metrics.Signal, field func(u *cluster.Usage, v float64)) {
		m.perBroker(signal, func(b *cluster.Broker, v float64) {
			if b.Usage == nil {
				b.Usage = &cluster.Usage{}
			}
			field(b.Usage, max(v, 0))
		})
	}
	// A copy, so that a remembered placement keeps its own.
	for i, b := range m.s.Brokers {
		if b.Usage != nil {
			u := *b.Usage
			m.s.Brokers[i].Usage = &u
		}
	}
	add(metrics.BrokerCPU, func(u *cluster.Usage, v float64) { u.CPUCores = cluster.Cores(v) })
	for _, signal := range []metrics.Signal{metrics.BrokerBytesIn, metrics.BrokerReplicationIn} {
		add(signal, func(u *cluster.Usage, v float64) { u.NetworkInBytesPerSecond += cluster.BytesPerSecond(v) })
	}
	for _, signal := range []metrics.Signal{metrics.BrokerBytesOut, metrics.BrokerReplicationOut} {
		add(signal, func(u *cluster.Usage, v float64) { u.NetworkOutBytesPerSecond += cluster.BytesPerSecond(v) })
	}
	add(metrics.BrokerRequestHandlerIdle, func(u *cluster.Usage, v float64) { u.RequestHandlerIdle = cluster.Ratio(min(v, 1)) })
	add(metrics.BrokerUnderReplicated, func(u *cluster.Usage, v float64) { u.UnderReplicatedPartitions = int(v) })
	if !m.kafka || m.isStale(metrics.BrokerDiskUsed) {
		add(metrics.BrokerDiskUsed, func(u *cluster.Usage, v float64) { u.DiskBytes = cluster.Bytes(v) })
	}
}

func (m *merger) capacities(standIn cluster.Capacity) {
	m.perBroker(metrics.BrokerContainerCPULimit, func(b *cluster.Broker, v float64) { b.Capacity.CPUCores = cluster.Cores(max(v, 0)) })
	m.perBroker(metrics.BrokerContainerMemLimit, func(b *cluster.Broker, v float64) { b.Capacity.MemoryBytes = cluster.Bytes(max(v, 0)) })
	if !m.kafka || m.isStale(metrics.BrokerDiskCapacity) {
		m.perBroker(metrics.BrokerDiskCapacity, func(b *cluster.Broker, v float64) { b.Capacity.DiskBytes = cluster.Bytes(max(v, 0)) })
	}
	for i := range m.s.Brokers {
		c := &m.s.Brokers[i].Capacity
		*c = c.Or(standIn)
	}
}

// sizes takes partition sizes from the measurements when Kafka has none.
func (m *merger) sizes() {
	if m.kafka && !m.isStale(metrics.PartitionSize) {
		return
	}
	size := m.byPartition(metrics.PartitionSize)
	m.eachPartition(func(t *cluster.Topic, p *cluster.Partition) {
		if v, ok := size[tp{t.Name, p.Partition}]; ok {
			p.Load.SizeBytes = cluster.Bytes(v)
		}
	})
}

func (m *merger) eachPartition(f func(t *cluster.Topic, p *cluster.Partition)) {
	for i := range m.s.Topics {
		t := &m.s.Topics[i]
		for k := range t.Partitions {
			f(t, &t.Partitions[k])
		}
	}
}

type tp struct {
	topic     string
	partition int
}

func (m *merger) byPartition(signal metrics.Signal) map[tp]float64 {
	out := make(map[tp]float64, len(m.in.Points[signal]))
	for _, p := range m.in.Points[signal] {
		n, err := strconv.Atoi(p.Labels["partition"])
		if err != nil {
			continue
		}
		out[tp{p.Labels["topic"], n}] = max(p.Value, 0)
	}
	return out
}

func (m *merger) byTopic(signal metrics.Signal) map[string]float64 {
	out := make(map[string]float64, len(m.in.Points[signal]))
	for _, p := range m.in.Points[signal] {
		out[p.Labels["topic"]] += max(p.Value, 0)
	}
	return out
}

// rates shares each topic's rates among its partitions.
func (m *merger) rates() {
	bytesIn, bytesOut, messages := m.byTopic(metrics.TopicBytesIn), m.byTopic(metrics.TopicBytesOut), m.byTopic(metrics.TopicMessagesIn)
	partBytes, partMessages := m.byPartition(metrics.PartitionBytesIn), m.byPartition(metrics.PartitionMessagesIn)
	for i := range m.s.Topics {
		t := &m.s.Topics[i]
		byBytes := m.weights(t, func(p *cluster.Partition) float64 { return partBytes[tp{t.Name, p.Partition}] })
		byMessages := m.weights(t, func(p *cluster.Partition) float64 { return partMessages[tp{t.Name, p.Partition}] })
		byOffsets := m.weights(t, func(p *cluster.Partition) float64 { return float64(p.Load.MessagesInPerSecond) })
		bySize := m.weights(t, func(p *cluster.Partition) float64 { return float64(p.Load.SizeBytes) })
		share := first(byBytes, byMessages, byOffsets, bySize, equal(len(t.Partitions)))
		messageShare := first(byMessages, byOffsets, share)
		for k := range t.Partitions {
			l := &t.Partitions[k].Load
			l.BytesInPerSecond = cluster.BytesPerSecond(bytesIn[t.Name] * share[k])
			l.BytesOutPerSecond = cluster.BytesPerSecond(bytesOut[t.Name] * share[k])
			if v, ok := messages[t.Name]; ok {
				l.MessagesInPerSecond = cluster.MessagesPerSecond(v * messageShare[k])
			}
		}
	}
	if len(messages) > 0 {
		dropStale(&m.s, metrics.TopicMessagesIn)
	}
}

// weights is each partition's share of the topic by some measure; nil when the
// measure says nothing.
func (m *merger) weights(t *cluster.Topic, measure func(*cluster.Partition) float64) []float64 {
	out := make([]float64, len(t.Partitions))
	sum := 0.0
	for k := range t.Partitions {
		out[k] = measure(&t.Partitions[k])
		sum += out[k]
	}
	if sum <= 0 {
		return nil
	}
	for k := range out {
		out[k] /= sum
	}
	return out
}

func equal(n int) []float64 {
	out := make([]float64, n)
	for k := range out {
		out[k] = 1 / float64(n)
	}
	return out
}

func first(candidates ...[]float64) []float64 {
	for _, c := range candidates {
		if c != nil {
			return c
		}
	}
	return nil
}

// groups fills lag and consumption where Kafka has none.
func (m *merger) groups() {
	index := make(map[string]int, len(m.s.Groups))
	for i, g := range m.s.Groups {
		index[g.Name] = i
	}
	position := map[string]map[tp]int{}
	at := func(group string, key tp, create bool) *cluster.GroupPartition {
		i, ok := index[group]
		if !ok {
			if !create {
				return nil
			}
			i = len(m.s.Groups)
			index[group] = i
			m.s.Groups = append(m.s.Groups, cluster.Group{Name: group, ZonesOfMembers: map[string]int{}})
		}
		if position[group] == nil {
			position[group] = map[tp]int{}
			for k, p := range m.s.Groups[i].Partitions {
				position[group][tp{p.Topic, p.Partition}] = k
			}
		}
		k, ok := position[group][key]
		if !ok {
			if !create {
				return nil
			}
			k = len(m.s.Groups[i].Partitions)
			position[group][key] = k
			m.s.Groups[i].Partitions = append(m.s.Groups[i].Partitions, cluster.GroupPartition{Topic: key.topic, Partition: key.partition})
		}
		return &m.s.Groups[i].Partitions[k]
	}
	if !m.kafka || m.isStale(metrics.GroupLag) {
		for _, p := range m.in.Points[metrics.GroupLag] {
			if n, err := strconv.Atoi(p.Labels["partition"]); err == nil && p.Value >= 0 {
				at(p.Labels["group"], tp{p.Labels["topic"], n}, true).Lag = int64(p.Value)
			}
		}
	}
	for _, p := range m.in.Points[metrics.GroupConsumed] {
		if n, err := strconv.Atoi(p.Labels["partition"]); err == nil {
			if g := at(p.Labels["group"], tp{p.Labels["topic"], n}, false); g != nil {
				g.ConsumedPerSecond = cluster.MessagesPerSecond(max(p.Value, 0))
			}
			continue
		}
		m.spreadConsumption(index, p)
	}
}

// spreadConsumption shares a rate known by topic only evenly among the
// partitions the group reads.
func (m *merger) spreadConsumption(index map[string]int, p metrics.Point) {
	i, ok := index[p.Labels["group"]]
	if !ok {
		return
	}
	var of []int
	for k, g := range m.s.Groups[i].Partitions {
		if g.Topic == p.Labels["topic"] {
			of = append(of, k)
		}
	}
	for _, k := range of {
		m.s.Groups[i].Partitions[k].ConsumedPerSecond = cluster.MessagesPerSecond(max(p.Value, 0) / float64(len(of)))
	}
}

// needed is what a decision needs that only measurements tell, and whether the
// signal must be there for every broker.
var needed = []struct {
	signal    metrics.Signal
	perBroker bool
}{
	{metrics.TopicBytesIn, false}, {metrics.TopicBytesOut, false}, {metrics.TopicMessagesIn, false},
	{
		metrics.BrokerBytesIn,
		true,
	}, {metrics.BrokerBytesOut, true}, {metrics.BrokerReplicationIn, true}, {metrics.BrokerReplicationOut, true},
	{metrics.BrokerCPU, true}, {metrics.BrokerRequestHandlerIdle, true}, {metrics.BrokerUnderReplicated, true},
}

// fromKafka is what Kafka tells when it is there, and else measurements must.
var fromKafka = []metrics.Signal{metrics.PartitionSize, metrics.BrokerDiskUsed, metrics.BrokerDiskCapacity, metrics.GroupLag}

// stale names what stayed unknown.
func (m *merger) stale() {
	for _, n := range needed {
		why := m.in.why(n.signal)
		switch {
		case n.signal == metrics.TopicMessagesIn && why != nil && m.messagesKnown():
			// Kafka's own offsets told it.
		case n.signal == metrics.BrokerUnderReplicated && why != nil && m.kafka:
			// The ISR tells it.
		case n.perBroker && m.in.unresolved(n.signal) != nil:
			addStale(&m.s, *m.in.unresolved(n.signal))
		case why != nil:
			addStale(&m.s, *why)
		case n.perBroker:
			m.staleBrokers(n.signal)
		}
	}
	for _, signal := range fromKafka {
		if m.kafka && !m.isStale(signal) {
			continue
		}
		why := m.in.why(signal)
		if why == nil {
			dropStale(&m.s, signal)
			continue
		}
		addStale(&m.s, *why)
	}
	m.staleConsumption()
	m.staleSums()
}

func (m *merger) messagesKnown() bool {
	if !m.kafka || m.isStale(metrics.TopicMessagesIn) {
		return false
	}
	for _, t := range m.s.Topics {
		for _, p := range t.Partitions {
			if p.Load.MessagesInPerSecond > 0 {
				return true
			}
		}
	}
	return false
}

// staleConsumption: consumers are sized by the records a group reads, which is
// unknown when neither exporter nor offsets tell it.
func (m *merger) staleConsumption() {
	if len(m.s.Groups) == 0 {
		return
	}
	for _, g := range m.s.Groups {
		for _, p := range g.Partitions {
			if p.ConsumedPerSecond > 0 {
				dropStale(&m.s, metrics.GroupConsumed)
				return
			}
		}
	}
	if why := m.in.why(metrics.GroupConsumed); why != nil {
		addStale(&m.s, *why)
	}
}

// staleBrokers names the live brokers that a signal has nothing for: a series
// that vanished.
func (m *merger) staleBrokers(signal metrics.Signal) {
	seen := map[int]bool{}
	for _, p := range m.in.Points[signal] {
		if id, err := strconv.Atoi(p.Labels["broker"]); err == nil {
			seen[id] = true
		}
	}
	var missing []int
	for _, b := range m.s.Brokers {
		if (b.State == cluster.BrokerAlive || b.State == cluster.BrokerDraining) && !seen[b.ID] {
			missing = append(missing, b.ID)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		addStale(&m.s, cluster.StaleSignal{Signal: signal, Cause: cluster.CauseMissing, Brokers: missing,
			Reason: "no series for broker " + abridged(missing)})
	}
}

// sums are the signals that are sums over brokers, each beside what is measured by broker.
var sums = []struct{ broker, topic metrics.Signal }{
	{metrics.BrokerBytesIn, metrics.TopicBytesIn}, {metrics.BrokerBytesOut, metrics.TopicBytesOut},
}

// staleSums: a topic's rate is a sum over brokers, so a broker that is not
// scraped takes its share away without a trace.
func (m *merger) staleSums() {
	for _, pair := range sums {
		i := slices.IndexFunc(
			m.s.Stale,
			func(x cluster.StaleSignal) bool { return x.Signal == pair.broker && x.Cause == cluster.CauseMissing },
		)
		if i >= 0 {
			x := m.s.Stale[i]
			addStale(&m.s, cluster.StaleSignal{Signal: pair.topic, Cause: cluster.CausePartial, Brokers: x.Brokers,
				Reason: "its sum lacks a share: " + x.Reason})
		}
	}
	alive := 0
	for i := range m.s.Brokers {
		if s := m.s.Brokers[i].State; s == cluster.BrokerAlive || s == cluster.BrokerDraining {
			alive++
		}
	}
	for _, pair := range sums {
		if why := m.in.foreignShare(pair.broker, alive); m.kafka && why != "" {
			addStale(&m.s, cluster.StaleSignal{Signal: pair.topic, Cause: cluster.CauseMismatch, Reason: why})
		}
	}
	for _, signal := range []metrics.Signal{metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn} {
		if why := m.strays(signal, m.topics); why != nil {
			addStale(&m.s, *why)
		}
	}
}

// mostNamed is how many brokers a reason names.
const mostNamed = 10

// abridged joins a list, cut short when it is long.
func abridged(list []int) string {
	var names []string
	for _, x := range list[:min(mostNamed, len(list))] {
		names = append(names, strconv.Itoa(x))
	}
	text := strings.Join(names, ", ")
	if len(list) > mostNamed {
		text += fmt.Sprintf(" and %d more", len(list)-mostNamed)
	}
	return text
}
