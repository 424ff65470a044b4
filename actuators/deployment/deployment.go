// Package deployment scales anything with a scale subresource directly, and
// refuses where an autoscaler already does: see actuators/hpa and
// actuators/keda for setting a floor instead.
package deployment

import (
	"context"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Scaler sets the replicas of one workload.
type Scaler struct {
	Client workload.Client
	Target workload.Target
}

// Current reads what is wanted and what is ready, and whether an autoscaler
// stands in the way.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	scale, err := s.Client.Current(ctx, s.Target)
	if err != nil {
		return scale, err
	}
	owner, err := s.Client.OwnerOf(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	if owner != nil {
		scale.Conflict = workload.OwnedError{Target: s.Target, By: *owner}.Error()
	}
	return scale, nil
}

// Set scales, unless an HPA or a ScaledObject owns the workload: then it
// answers an workload.OwnedError.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	owner, err := s.Client.OwnerOf(ctx, s.Target)
	if err != nil {
		return err // who owns it is unknown, so nothing is written
	}
	if owner != nil {
		return workload.OwnedError{Target: s.Target, By: *owner}
	}
	return s.Client.SetScale(ctx, s.Target, want.From, want.Replicas)
}
