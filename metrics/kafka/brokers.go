package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type fencedBroker struct {
	id   int
	rack string
	host string
}

// fenced asks for the brokers that are registered but fenced, which metadata
// leaves out. Brokers older than Kafka 4.0 do not tell, and give none.
func (r *Reader) fenced(ctx context.Context) ([]fencedBroker, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeFencedBrokers = true
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	var out []fencedBroker
	for _, b := range resp.Brokers {
		if b.IsFenced {
			out = append(out, fencedBroker{id: int(b.NodeID), rack: text(b.Rack), host: b.Host})
		}
	}
	return out, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// metadataTopic is the log that KRaft's controllers agree on (KIP-595).
const metadataTopic = "__cluster_metadata"

// voters asks which nodes vote in the quorum of controllers. A cluster that
// ZooKeeper leads has none, and does not know the question.
func (r *Reader) voters(ctx context.Context) (map[int]bool, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic = metadataTopic
	t.Partitions = []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, r.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		if r.withoutQuorum(ctx) {
			return nil, nil
		}
		return nil, err
	}
	out := map[int]bool{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			for _, v := range p.CurrentVoters {
				out[int(v.ReplicaID)] = true
			}
		}
	}
	return out, nil
}

// withoutQuorum tells whether no broker knows the question: ZooKeeper leads.
func (r *Reader) withoutQuorum(ctx context.Context) bool {
	versions, err := r.admin.ApiVersions(ctx)
	if err != nil || len(versions) == 0 {
		return false
	}
	key := kmsg.NewPtrDescribeQuorumRequest().Key()
	for _, v := range versions {
		if _, _, known := v.KeyVersions(key); known || v.Err != nil {
			return false
		}
	}
	return true
}

// brokers lists the alive, the fenced, and those that only replica lists still
// know: the dead.
func (p *placement) brokers(fenced []fencedBroker, voters map[int]bool) {
	seen := map[int]bool{}
	add := func(id int, rack, host string, state cluster.BrokerState) {
		if !seen[id] {
			seen[id] = true
			p.Brokers = append(p.Brokers, cluster.Broker{ID: id, Zone: rack, Host: host, State: state, Voter: voters[id]})
		}
	}
	for _, b := range fenced {
		add(b.id, b.rack, b.host, cluster.BrokerFenced)
	}
	for _, b := range p.meta.Brokers {
		add(int(b.NodeID), text(b.Rack), b.Host, cluster.BrokerAlive)
	}
	for _, t := range p.meta.Topics {
		for _, part := range t.Partitions {
			for _, id := range part.Replicas {
				add(int(id), "", "", cluster.BrokerDead)
			}
		}
	}
}

// logDirs fills sizes, what the disks hold and what they could. Of a
// partition's replicas the largest counts: the others are catching up.
func (p *placement) logDirs(all kadm.DescribedAllLogDirs) {
	size := map[string]map[int32]int64{}
	index := map[int]int{}
	for i, b := range p.Brokers {
		index[b.ID] = i
	}
	for id, dirs := range all {
		i, ok := index[int(id)]
		if !ok {
			continue
		}
		b := &p.Brokers[i]
		v := volumesOf(dirs)
		b.Usage = &cluster.Usage{DiskBytes: cluster.Bytes(v.used)}
		b.Capacity.DiskBytes = cluster.Bytes(v.capacity)
		b.Directories = directoriesOf(dirs)
		if v.cordoned && b.State == cluster.BrokerAlive {
			b.State = cluster.BrokerDraining
		}
		if v.err != nil {
			p.stale(metrics.BrokerDiskUsed, reason(v.err))
		}
		if !v.told {
			p.stale(metrics.BrokerDiskCapacity, "the brokers do not report their volumes (Kafka before 3.3, or remote storage)")
		}
		dirs.Each(func(d kadm.DescribedLogDir) {
			d.Topics.Each(func(x kadm.DescribedLogDirPartition) {
				if x.IsFuture {
					return
				}
				if size[x.Topic] == nil {
					size[x.Topic] = map[int32]int64{}
				}
				size[x.Topic][x.Partition] = max(size[x.Topic][x.Partition], x.Size)
			})
		})
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		for k := range t.Partitions {
			t.Partitions[k].Load.SizeBytes = cluster.Bytes(size[t.Name][int32(t.Partitions[k].Partition)])
		}
	}
	for _, b := range p.Brokers {
		if _, ok := all[int32(b.ID)]; !ok && b.State == cluster.BrokerAlive {
			p.stale(metrics.BrokerDiskUsed, "a broker did not describe its log directories")
			p.stale(metrics.BrokerDiskCapacity, "a broker did not describe its log directories")
		}
	}
}

// directoriesOf lists a broker's log directories where they must be told apart.
func directoriesOf(dirs kadm.DescribedLogDirs) []cluster.Directory {
	var out []cluster.Directory
	apart := len(dirs) > 1
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		d := dirs[path]
		x := cluster.Directory{Path: path, Bytes: cluster.Bytes(max(0, d.TotalBytes)), Free: cluster.Bytes(max(0, d.UsableBytes)),
			Offline: errors.Is(d.Err, kerr.KafkaStorageError), Cordoned: d.IsCordoned}
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if !p.IsFuture {
				x.Replicas++
			}
		})
		apart = apart || x.Offline
		out = append(out, x)
	}
	if !apart {
		return nil
	}
	return out
}

type volumes struct {
	used, capacity int64
	told           bool // every directory reported its volume
	cordoned       bool // every directory is cordoned: nothing new is placed here
	err            error
}

// volumesOf sums a broker's log directories. What a volume can hold for Kafka
// is what its logs take now and what is still usable, which leaves out what
// others keep on it. Directories that report the very same sizes share a
// volume.
func volumesOf(dirs kadm.DescribedLogDirs) volumes {
	v := volumes{told: len(dirs) > 0, cordoned: len(dirs) > 0}
	type volume struct{ total, usable int64 }
	logs := map[volume]int64{}
	for _, d := range dirs {
		if d.Err != nil {
			v.err = d.Err
		}
		v.used += d.Size()
		v.cordoned = v.cordoned && d.IsCordoned
		if d.TotalBytes < 0 || d.UsableBytes < 0 {
			v.told = false
			continue
		}
		logs[volume{d.TotalBytes, d.UsableBytes}] += d.Size()
	}
	for vol, held := range logs {
		v.capacity += max(min(vol.total, held+vol.usable), held)
	}
	if !v.told {
		v.capacity = 0
	}
	return v
}
