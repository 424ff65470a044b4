// Package hpa holds an exact floor under a HorizontalPodAutoscaler: the HPA
// still reacts above it, and a metric's 10 % tolerance cannot swallow a step
// such as 20 to 21.
package hpa

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Scaler sets spec.minReplicas of one HPA that is not KEDA's.
type Scaler struct {
	Client    workload.Client
	HPA       workload.Target
	Workload  workload.Target
	Now       func() time.Time
	HoldFloor time.Duration // how long a floor outlives the tick that set it
}

func (s Scaler) floor() workload.Floor {
	return workload.Floor{Client: s.Client, Target: s.HPA, Field: []string{"spec", "minReplicas"}, Default: 1}
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
// no more than that is wanted. It never takes replicas away: the HPA does, when
// its own metric allows.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	o, err := s.Client.Get(ctx, s.HPA)
	if err != nil {
		return err
	}
	if workload.MadeByKEDA(o) {
		return fmt.Errorf("raising the floor of %s: KEDA made it and reverts what others write; set the floor on its ScaledObject", s.HPA)
	}
	return s.floor().Raise(ctx, want.Replicas, s.Now().Add(s.HoldFloor))
}

// Expire gives the original floor back when ours is over.
func (s Scaler) Expire(ctx context.Context) (bool, error) { return s.floor().Expire(ctx, s.Now()) }
