package observe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// derive reads the placement off measurements alone: which broker reports a
// size for a partition holds a replica of it. Replica order, ISR and configs
// are not exported, and said to be unknown.
func derive(in Input) cluster.Snapshot {
	var s cluster.Snapshot
	zones := map[int]string{}
	ids := map[int]bool{}
	for signal, points := range in.Points {
		for _, p := range points {
			id, err := strconv.Atoi(p.Labels["broker"])
			if err != nil || id < 0 {
				continue
			}
			ids[id] = true
			if signal == metrics.BrokerZone {
				zones[id] = p.Labels["zone"]
			}
		}
	}
	for id := range ids {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: id, Zone: zones[id], State: cluster.BrokerAlive})
	}
	s.Topics = deriveTopics(in)
	s.Sort()
	placed := cluster.StaleSignal{
		Signal: cluster.SignalPlacement,
		Cause:  cluster.CauseInferred,
		Reason: "read off Prometheus, without Kafka",
	}
	if why := in.why(metrics.ReplicaSize); len(s.Topics) == 0 {
		placed.Cause, placed.Reason = cluster.CauseNotRead, "unknown: Kafka was not read, and Prometheus has no size by replica"
		if why != nil {
			placed.Reason += " (" + why.Reason + ")"
		}
	}
	if why := in.unresolved(metrics.ReplicaSize); why != nil && len(s.Topics) == 0 {
		placed.Reason += " (" + why.Reason + ")"
		addStale(&s, *why)
	}
	addStale(&s, placed)
	addStale(&s, cluster.StaleSignal{Signal: cluster.SignalISR, Cause: cluster.CauseInferred,
		Reason: "only Kafka knows it; every replica is taken to be in sync"})
	addStale(&s, cluster.StaleSignal{Signal: cluster.SignalTopicConfigs, Cause: cluster.CauseNotRead, Reason: "only Kafka knows them"})
	if why := in.why(metrics.BrokerZone); len(zones) == 0 && why != nil {
		addStale(&s, *why)
	}
	return s
}

func deriveTopics(in Input) []cluster.Topic {
	leader := map[tp]int{}
	for _, p := range in.Points[metrics.PartitionLeader] {
		n, err1 := strconv.Atoi(p.Labels["partition"])
		id, err2 := strconv.Atoi(p.Labels["broker"])
		if err1 == nil && err2 == nil && p.Value > 0 {
			leader[tp{p.Labels["topic"], n}] = id
		}
	}
	partitions := map[tp]*cluster.Partition{}
	for _, p := range in.Points[metrics.ReplicaSize] {
		n, err1 := strconv.Atoi(p.Labels["partition"])
		id, err2 := strconv.Atoi(p.Labels["broker"])
		if err1 != nil || err2 != nil || n < 0 || id < 0 || p.Labels["topic"] == "" {
			continue
		}
		key := tp{p.Labels["topic"], n}
		x := partitions[key]
		if x == nil {
			x = &cluster.Partition{Partition: n, Leader: cluster.NoLeader}
			partitions[key] = x
		}
		x.Replicas = append(x.Replicas, id)
		x.Load.SizeBytes = max(x.Load.SizeBytes, cluster.Bytes(p.Value))
	}
	topics := map[string]*cluster.Topic{}
	for key, x := range partitions {
		slices.Sort(x.Replicas)
		x.Replicas = slices.Compact(x.Replicas)
		if id, ok := leader[key]; ok {
			if i := slices.Index(x.Replicas, id); i >= 0 {
				x.Leader = id
				x.Replicas = slices.Insert(slices.Delete(x.Replicas, i, i+1), 0, id)
			}
		}
		x.ISR = slices.Clone(x.Replicas)
		t := topics[key.topic]
		if t == nil {
			t = &cluster.Topic{Name: key.topic, Internal: strings.HasPrefix(key.topic, "__"), Config: map[string]string{}}
			topics[key.topic] = t
		}
		t.Partitions = append(t.Partitions, *x)
	}
	out := make([]cluster.Topic, 0, len(topics))
	for _, t := range topics {
		out = append(out, *t)
	}
	return out
}
