package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keptConfigs is what sizing, planning and the gates read of a topic's
// configuration, even where it is a default. What was set on the topic itself
// is kept whatever it is.
var keptConfigs = []string{
	"cleanup.policy", "compression.type", "local.retention.bytes", "local.retention.ms", "min.insync.replicas",
	"remote.storage.enable", "retention.bytes", "retention.ms", "segment.bytes",
}

func (r *Reader) configs(ctx context.Context, meta kadm.Metadata) (map[string]map[string]string, error) {
	const atOnce = 1000 // keeps one response to a few megabytes
	out := make(map[string]map[string]string, len(meta.Topics))
	for names := range slices.Chunk(meta.Topics.Names(), atOnce) {
		described, err := r.admin.DescribeTopicConfigs(ctx, names...)
		if err != nil {
			return out, err
		}
		for _, rc := range described {
			if rc.Err != nil {
				if errors.Is(rc.Err, kerr.UnknownTopicOrPartition) {
					continue // deleted meanwhile
				}
				return out, fmt.Errorf("topic %s: %w", rc.Name, rc.Err)
			}
			kept := map[string]string{}
			for _, c := range rc.Configs {
				if c.Value != nil && !c.Sensitive &&
					(c.Source == kmsg.ConfigSourceDynamicTopicConfig || slices.Contains(keptConfigs, c.Key)) {
					kept[c.Key] = *c.Value
				}
			}
			out[rc.Name] = kept
		}
	}
	return out, nil
}

// topics lists the topics as metadata has them. One that cannot be read, such
// as one being deleted, is left out and named.
func (p *placement) topics(configs map[string]map[string]string) {
	for _, t := range p.meta.Topics.Sorted() {
		if t.Err != nil {
			if !errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
				p.stale("placement", fmt.Sprintf("topic %s: %v", t.Topic, t.Err))
			}
			continue
		}
		out := cluster.Topic{Name: t.Topic, ID: t.ID.String(), Internal: t.IsInternal, Config: configs[t.Topic]}
		if t.ID == (kadm.TopicID{}) {
			out.ID = ""
		}
		if out.Config == nil {
			out.Config = map[string]string{}
		}
		for _, x := range t.Partitions.Sorted() {
			if len(x.Replicas) == 0 {
				p.stale("placement", fmt.Sprintf("partition %s-%d: %v", t.Topic, x.Partition, x.Err))
				continue
			}
			out.Partitions = append(out.Partitions, cluster.Partition{
				Partition: int(x.Partition), Replicas: ints(x.Replicas), ISR: ints(x.ISR), Leader: int(x.Leader),
			})
		}
		p.Topics = append(p.Topics, out)
	}
}

func ints(in []int32) []int {
	out := make([]int, len(in))
	for i, x := range in {
		out[i] = int(x)
	}
	return out
}

// reassignments lists all that are in flight. kadm's own call returns an empty
// map for nil topics without asking, so the request is sent by hand.
func (r *Reader) reassignments(ctx context.Context) ([]cluster.Reassignment, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = int32(r.cfg.Timeout.Milliseconds())
	req.Topics = nil // all
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	var out []cluster.Reassignment
	for _, t := range resp.Topics {
		for _, x := range t.Partitions {
			out = append(out, cluster.Reassignment{
				Topic: t.Topic, Partition: int(x.Partition), Replicas: ints(x.Replicas), Adding: ints(x.AddingReplicas),
				Removing: ints(x.RemovingReplicas),
			})
		}
	}
	return out, nil
}

// withEarlier adds to what moves now the moves that have ended since, where the
// replicas that were read in between are still those of the move.
func withEarlier(now, earlier []cluster.Reassignment, topics []cluster.Topic) []cluster.Reassignment {
	same := func(a, b cluster.Reassignment) bool { return a.Topic == b.Topic && a.Partition == b.Partition }
	for _, e := range earlier {
		listed := slices.ContainsFunc(now, func(n cluster.Reassignment) bool { return same(n, e) })
		shown := slices.ContainsFunc(topics, func(t cluster.Topic) bool {
			return t.Name == e.Topic && slices.ContainsFunc(t.Partitions, func(p cluster.Partition) bool {
				return p.Partition == e.Partition && len(p.Replicas) == len(e.Replicas)
			})
		})
		if !listed && shown {
			now = append(now, e)
		}
	}
	return now
}

// offsets is where the logs ended and what the groups had committed.
type offsets struct {
	at        time.Time
	complete  bool
	end       map[tp]int64
	committed map[gtp]int64
}

type tp struct {
	topic     string
	partition int32
}

type gtp struct {
	group string
	tp
}

func (r *Reader) offsets(ctx context.Context, at time.Time) (*offsets, error) {
	o := &offsets{at: at, end: map[tp]int64{}, committed: map[gtp]int64{}}
	listed, err := r.admin.ListEndOffsets(ctx)
	if err != nil {
		return o, err
	}
	listed.Each(func(x kadm.ListedOffset) {
		if x.Err == nil && x.Offset >= 0 {
			o.end[tp{x.Topic, x.Partition}] = x.Offset
		}
	})
	o.complete = true
	return o, nil
}

// rates turns two readings of offsets into records a second. A partition whose
// end went back was recreated, and has no rate this time.
func (p *placement) rates(before, now *offsets) {
	if before == nil || now == nil || !before.complete || !now.complete || now.at.Sub(before.at) < time.Second {
		p.stale(metrics.TopicMessagesIn, "Kafka tells it from the second reading on")
		return
	}
	seconds := now.at.Sub(before.at).Seconds()
	for i := range p.Topics {
		t := &p.Topics[i]
		for k := range t.Partitions {
			x := &t.Partitions[k]
			key := tp{t.Name, int32(x.Partition)}
			was, ok := before.end[key]
			if is, ok2 := now.end[key]; ok && ok2 && is >= was {
				x.Load.MessagesInPerSecond = cluster.MessagesPerSecond(float64(is-was) / seconds)
			}
		}
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		for k := range g.Partitions {
			x := &g.Partitions[k]
			key := gtp{g.Name, tp{x.Topic, int32(x.Partition)}}
			was, ok := before.committed[key]
			if is, ok2 := now.committed[key]; ok && ok2 && is >= was {
				x.ConsumedPerSecond = cluster.MessagesPerSecond(float64(is-was) / seconds)
			}
		}
	}
}
