// Package keda holds an exact floor under a KEDA ScaledObject, and can pause
// its scale-in. The HPA that KEDA makes from it is never touched.
package keda

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Scaler sets spec.minReplicaCount of one ScaledObject.
type Scaler struct {
	Client       workload.Client
	ScaledObject workload.Target
	Workload     workload.Target
	Now          func() time.Time
	HoldFloor    time.Duration
}

func (s Scaler) floor() workload.Floor {
	return workload.Floor{Client: s.Client, Target: s.ScaledObject, Field: []string{"spec", "minReplicaCount"}, Default: 0}
}

// Current reads the floor as what is wanted, and how many replicas are ready:
// what the autoscaler adds above the floor is its own affair.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	return s.floor().Current(ctx, s.Workload)
}

// Refresh keeps a floor of ours standing: it is held as long as somebody says so.
func (s Scaler) Refresh(ctx context.Context) error {
	return s.floor().Refresh(ctx, s.Now().Add(s.HoldFloor))
}

// Set raises the floor to the wanted replicas, or gives the original back when
// no more than that is wanted.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	return s.floor().Raise(ctx, want.Replicas, s.Now().Add(s.HoldFloor))
}

// Expire gives the original floor back when ours is over.
func (s Scaler) Expire(ctx context.Context) (bool, error) { return s.floor().Expire(ctx, s.Now()) }
