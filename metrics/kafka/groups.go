package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidetable/tidetable/cluster"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// groups describes every consumer group, of the classic protocol and of
// KIP-848's, and how far each is behind. A lag that cannot be known, because a
// group never committed or the partition has no leader, is left out, not zero.
func (r *Reader) groups(ctx context.Context, now *offsets) ([]cluster.Group, error) {
	listed, err := r.admin.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	names := listed.Groups()
	if len(names) == 0 {
		return nil, nil
	}
	described, err := r.admin.DescribeGroups(ctx, names...)
	if err != nil {
		return nil, err
	}
	found := map[string]*cluster.Group{}
	var others []string
	for _, name := range names {
		g, ok := described[name]
		// A group of the new protocol is not found, or dead, for the old call.
		if !ok || g.Err != nil || g.State == "Dead" {
			others = append(others, name)
			continue
		}
		if g.ProtocolType != "consumer" && g.ProtocolType != "" {
			continue // such as Connect's workers
		}
		found[name] = classic(g)
	}
	if err := r.describeConsumerGroups(ctx, others, found); err != nil {
		return nil, err
	}
	return r.lag(ctx, found, now)
}

func classic(g kadm.DescribedGroup) *cluster.Group {
	out := &cluster.Group{Name: g.Group, State: g.State, Members: len(g.Members), ZonesOfMembers: map[string]int{}}
	for _, m := range g.Members {
		var rack *string
		if join, ok := m.Join.AsConsumer(); ok {
			rack = join.Rack
		}
		countZone(out, rack)
	}
	return out
}

// countZone counts a member in the zone its client names as client.rack; one
// that names none is left out.
func countZone(g *cluster.Group, rack *string) {
	if zone := text(rack); zone != "" {
		g.ZonesOfMembers[zone]++
	}
}

func (r *Reader) describeConsumerGroups(ctx context.Context, names []string, found map[string]*cluster.Group) error {
	if len(names) == 0 {
		return nil
	}
	described, err := r.admin.DescribeConsumerGroups(ctx, names...)
	if err != nil {
		// A cluster without KIP-848 has no such groups: these died meanwhile.
		if errors.Is(err, kerr.UnsupportedVersion) {
			return nil
		}
		return err
	}
	for _, g := range described {
		if g.Err != nil {
			if errors.Is(g.Err, kerr.GroupIDNotFound) || errors.Is(g.Err, kerr.UnsupportedVersion) {
				continue // gone meanwhile, or a share group
			}
			return fmt.Errorf("group %s: %w", g.Group, g.Err)
		}
		out := &cluster.Group{Name: g.Group, State: g.State, Members: len(g.Members), ZonesOfMembers: map[string]int{}}
		for _, m := range g.Members {
			countZone(out, m.RackID)
		}
		found[g.Group] = out
	}
	return nil
}

func (r *Reader) lag(ctx context.Context, found map[string]*cluster.Group, now *offsets) ([]cluster.Group, error) {
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	var failed error
	for _, fetched := range r.admin.FetchManyOffsets(ctx, names...) {
		g := found[fetched.Group]
		if g == nil {
			continue
		}
		if fetched.Err != nil {
			failed = fmt.Errorf("group %s: %w", fetched.Group, fetched.Err)
			now.complete = false
			continue
		}
		fetched.Fetched.Each(func(o kadm.OffsetResponse) {
			key := tp{o.Topic, o.Partition}
			end, ok := now.end[key]
			if o.Err != nil || o.At < 0 || !ok {
				return
			}
			now.committed[gtp{g.Name, key}] = o.At
			g.Partitions = append(g.Partitions, cluster.GroupPartition{
				Topic: o.Topic, Partition: int(o.Partition), Lag: max(end-o.At, 0),
			})
		})
	}
	out := make([]cluster.Group, 0, len(found))
	for _, g := range found {
		out = append(out, *g)
	}
	return out, failed
}
