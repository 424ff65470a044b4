package testbed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// ReplicasOn counts the partition replicas, of all topics, on these brokers.
func (k *Kafka) ReplicasOn(ctx context.Context, ids ...int) (int, error) {
	topics, _, err := k.topics(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	topics.EachPartition(func(p kadm.PartitionDetail) {
		for _, r := range p.Replicas {
			if slices.Contains(ids, int(r)) {
				n++
			}
		}
	})
	return n, nil
}

// Lag sums a group's lag in records on a topic, or on all its topics when none
// is named, and counts their partitions. Where the group has committed
// nothing, all there is is lag.
func (k *Kafka) Lag(ctx context.Context, group, topic string) (lag int64, partitions int, err error) {
	admin, err := k.Admin()
	if err != nil {
		return 0, 0, err
	}
	lags, err := admin.Lag(ctx, group)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the lag of group %s: %w", group, err)
	}
	described := lags[group]
	if err := described.Error(); err != nil {
		return 0, 0, fmt.Errorf("reading the lag of group %s: %w", group, err)
	}
	for _, member := range described.Lag.Sorted() {
		if topic != "" && member.Topic != topic {
			continue
		}
		if member.Err != nil {
			return 0, 0, fmt.Errorf("reading the lag of group %s on %s: %w", group, member.Topic, member.Err)
		}
		lag += max(0, member.Lag)
		partitions++
	}
	return lag, partitions, nil
}

func (k *Kafka) topics(ctx context.Context) (kadm.TopicDetails, *kadm.Client, error) {
	admin, err := k.Admin()
	if err != nil {
		return nil, nil, err
	}
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("listing topics: %w", err)
	}
	return topics, admin, nil
}

// Drain moves every replica off these brokers, as Cruise Control would in
// Strimzi's delegated mode, and waits for the end. It balances nothing.
func (k *Kafka) Drain(ctx context.Context, ids ...int) error {
	return k.reassign(ctx, "", func(replicas []int32, live []int32, turn int) []int32 {
		out := slices.Clone(replicas)
		for i, r := range out {
			if !slices.Contains(ids, int(r)) {
				continue
			}
			for j := range live {
				candidate := live[(turn+j)%len(live)]
				if !slices.Contains(ids, int(candidate)) && !slices.Contains(out, candidate) {
					out[i] = candidate
					break
				}
			}
		}
		return out
	})
}

// Fill gives new brokers their share of replicas: every n-th one, n being the
// number of brokers.
func (k *Kafka) Fill(ctx context.Context, ids ...int) error {
	return k.reassign(ctx, "", func(replicas []int32, live []int32, turn int) []int32 {
		out := slices.Clone(replicas)
		for i, id := range ids {
			if turn%len(live) == i && !slices.Contains(out, int32(id)) {
				out[len(out)-1] = int32(id)
			}
		}
		return out
	})
}

// reassign places the partitions of a topic, or of all where none is named.
func (k *Kafka) reassign(ctx context.Context, topic string, place func(replicas, live []int32, turn int) []int32) error {
	topics, admin, err := k.topics(ctx)
	if err != nil {
		return err
	}
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("listing brokers: %w", err)
	}
	var request kadm.AlterPartitionAssignmentsReq
	moves := 0
	for _, detail := range topics.Sorted() {
		if topic != "" && detail.Topic != topic {
			continue
		}
		for _, p := range detail.Partitions.Sorted() {
			if to := place(p.Replicas, brokers.NodeIDs(), moves+int(p.Partition)); !slices.Equal(to, p.Replicas) {
				request.Assign(detail.Topic, p.Partition, to)
				moves++
			}
		}
	}
	if moves == 0 {
		return nil
	}
	answers, err := admin.AlterPartitionAssignments(ctx, request)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("moving %d partitions: %w", moves, err)
	}
	var all kadm.TopicsSet
	for _, name := range topics.Names() {
		for p := range topics[name].Partitions {
			all.Add(name, p)
		}
	}
	return Poll(ctx, "the moves to end", 300*time.Millisecond, func(ctx context.Context) error {
		under, err := admin.ListPartitionReassignments(ctx, all)
		if err != nil {
			return err
		}
		if len(under.Sorted()) > 0 {
			return errors.New("partitions are still moving")
		}
		return nil
	})
}

// LeadFrom makes a broker the preferred leader, and the leader, of every
// partition of a topic that it has a replica of.
func (k *Kafka) LeadFrom(ctx context.Context, topic string, id int) error {
	if err := k.reassign(ctx, topic, func(replicas, _ []int32, _ int) []int32 {
		if !slices.Contains(replicas, int32(id)) {
			return replicas
		}
		out := []int32{int32(id)}
		for _, r := range replicas {
			if r != int32(id) {
				out = append(out, r)
			}
		}
		return out
	}); err != nil {
		return err
	}
	admin, err := k.Admin()
	if err != nil {
		return err
	}
	if _, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil); err != nil {
		return fmt.Errorf("electing leaders: %w", err)
	}
	return nil
}
