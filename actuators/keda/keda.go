// Package keda holds an exact floor under a KEDA ScaledObject, and can pause
// its scale-in. The HPA that KEDA makes from it is never touched.
package keda

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// pausedScaleIn is KEDA's annotation that keeps it from scaling in.
const pausedScaleIn = "autoscaling.keda.sh/paused-scale-in"

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

// HoldScaleIn pauses KEDA's scale-in, or lets it go on.
func (s Scaler) HoldScaleIn(ctx context.Context, hold bool) error {
	r, err := s.Client.Resource(s.ScaledObject)
	if err != nil {
		return err
	}
	value := "null" // a merge patch removes the annotation by null
	if hold {
		value = `"true"`
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, pausedScaleIn, value)
	_, err = r.Patch(ctx, s.ScaledObject.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: workload.FieldManager})
	if err != nil {
		return fmt.Errorf("pausing the scale-in of %s: %w", s.ScaledObject, err)
	}
	return nil
}
