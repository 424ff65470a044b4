// Package statefulset scales the StatefulSet of a plain Kafka installation. A
// broker's id is its pod's ordinal plus an offset, so only the highest ids can
// leave, and only when they are empty: the caller drains and proves it first.
package statefulset

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Scaler sets the replicas of one StatefulSet of brokers.
type Scaler struct {
	Client workload.Client
	Target workload.Target
	// IDOffset is what is added to a pod's ordinal to get the broker's id.
	IDOffset int
}

// Current reads what is wanted and what is ready.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	return s.Client.Current(ctx, s.Target)
}

// Set scales. A scale-in is refused where it would destroy data: a claim policy
// of whenScaled: Delete removes the leaving broker's volume, and with it the
// way back.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	o, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return err
	}
	now, _ := workload.Int(o, "spec", "replicas")
	if want.Replicas < now && workload.Text(o, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") == "Delete" {
		return fmt.Errorf(
			"scaling in %s: its persistentVolumeClaimRetentionPolicy.whenScaled is Delete, which destroys the broker's data; set it to Retain",
			s.Target,
		)
	}
	owner, err := s.Client.OwnerOf(ctx, s.Target)
	if err != nil {
		return err
	}
	if owner != nil {
		return workload.OwnedError{Target: s.Target, By: *owner}
	}
	return s.Client.SetScale(ctx, s.Target, want.Replicas)
}

// Joining lists the broker ids that come when the set grows to the given size.
func (s Scaler) Joining(ctx context.Context, to int) ([]int, error) {
	from, start, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	return ids(start+from, start+to), nil
}

// Leaving lists the broker ids that go when the set shrinks to the given size:
// always the highest ordinals.
func (s Scaler) Leaving(ctx context.Context, to int) ([]int, error) {
	from, start, err := s.size(ctx)
	if err != nil {
		return nil, err
	}
	return ids(start+to, start+from), nil
}

func (s Scaler) size(ctx context.Context) (replicas, firstID int, err error) {
	o, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return 0, 0, err
	}
	n, ok := workload.Int(o, "spec", "replicas")
	if !ok {
		n = 1 // Kubernetes' default
	}
	start, _ := workload.Int(o, "spec", "ordinals", "start")
	return n, start + s.IDOffset, nil
}

func ids(from, to int) []int {
	var out []int
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
