package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidetable/tidetable/actuators"
)

// Annotations that say whose floor it is, until when it holds, and what was
// there before: whoever finds them can undo the floor by hand.
const (
	FloorUntil    = "tidetable.io/floor-until"
	FloorOriginal = "tidetable.io/floor-original"
)

// Floor is a lower bound on an autoscaler's replicas, held for a while. It is
// a state over an interval, not an event: applied again at each tick, gone by
// itself when nobody applies it any more and Expire runs.
type Floor struct {
	Client Client
	Target Target
	// Field is where the bound lives, such as spec.minReplicas.
	Field []string
	// Default is what Kubernetes takes when the field is absent.
	Default int
}

// Read gives the present bound, and the one before ours.
func (f Floor) Read(ctx context.Context) (now, original int, o *unstructured.Unstructured, err error) {
	o, err = f.Client.Get(ctx, f.Target)
	if err != nil {
		return 0, 0, nil, err
	}
	now, ok := Int(o, f.Field...)
	if !ok {
		now = f.Default
	}
	original = now
	if s := o.GetAnnotations()[FloorOriginal]; s != "" {
		if original, err = strconv.Atoi(s); err != nil {
			return 0, 0, nil, fmt.Errorf("reading %s of %s: %q is not a number", FloorOriginal, f.Target, s)
		}
	}
	return now, original, o, nil
}

// Raise holds the bound at n until the given time. It never lowers what people
// asked for: n under the original bound gives the original back.
func (f Floor) Raise(ctx context.Context, n int, until time.Time) error {
	_, original, o, err := f.Read(ctx)
	if err != nil {
		return err
	}
	if n <= original {
		return f.release(ctx, o, original)
	}
	if limit, ok := Int(o, "spec", maxField(f.Field)); ok && n > limit {
		return fmt.Errorf("raising the floor of %s to %d: its maximum is %d", f.Target, n, limit)
	}
	return f.apply(ctx, o, n, map[string]any{
		FloorUntil:    until.UTC().Format(time.RFC3339),
		FloorOriginal: strconv.Itoa(original),
	})
}

// Current is the bound as the wanted replicas, beside the workload's ready ones.
func (f Floor) Current(ctx context.Context, workload Target) (actuators.Scale, error) {
	now, _, o, err := f.Read(ctx)
	if err != nil {
		return actuators.Scale{}, err
	}
	w, err := f.Client.Get(ctx, workload)
	if err != nil {
		return actuators.Scale{}, err
	}
	held := Held(o)
	if held == "" {
		held = Held(w)
	}
	return actuators.Scale{Replicas: now, Ready: Ready(w), Held: held}, nil
}

// Refresh moves the end of a floor of ours; where there is none it does nothing.
func (f Floor) Refresh(ctx context.Context, until time.Time) error {
	now, original, o, err := f.Read(ctx)
	if err != nil || o.GetAnnotations()[FloorUntil] == "" {
		return err
	}
	return f.apply(ctx, o, now, map[string]any{
		FloorUntil:    until.UTC().Format(time.RFC3339),
		FloorOriginal: strconv.Itoa(original),
	})
}

// Expire gives the original bound back once the floor's time is over, whoever
// set it: a controller that died must not leave its floor behind.
func (f Floor) Expire(ctx context.Context, now time.Time) (expired bool, err error) {
	_, original, o, err := f.Read(ctx)
	if err != nil {
		return false, err
	}
	s := o.GetAnnotations()[FloorUntil]
	if s == "" {
		return false, nil
	}
	until, err := time.Parse(time.RFC3339, s)
	if err == nil && now.Before(until) {
		return false, nil
	}
	// A time that cannot be read is over: the floor would stand for ever.
	return true, f.release(ctx, o, original)
}

// release writes the original bound and lets go of the annotations, in that
// order within one request: applying without a field we own would delete it.
func (f Floor) release(ctx context.Context, o *unstructured.Unstructured, original int) error {
	if o.GetAnnotations()[FloorOriginal] == "" {
		return nil // no floor of ours
	}
	return f.apply(ctx, o, original, nil)
}

// apply is one server-side apply of the bound and our annotations. The field is
// taken over by force: that is the floor's purpose, and the original is kept.
func (f Floor) apply(ctx context.Context, o *unstructured.Unstructured, n int, annotations map[string]any) error {
	r, err := f.Client.Resource(f.Target)
	if err != nil {
		return err
	}
	meta := map[string]any{"name": f.Target.Name, "namespace": f.Target.Namespace}
	if annotations != nil {
		meta["annotations"] = annotations
	}
	body := map[string]any{"apiVersion": o.GetAPIVersion(), "kind": o.GetKind(), "metadata": meta}
	if err := unstructured.SetNestedField(body, int64(n), f.Field...); err != nil {
		return fmt.Errorf("building the floor of %s: %w", f.Target, err)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding the floor of %s: %w", f.Target, err)
	}
	force := true
	_, err = r.Patch(ctx, f.Target.Name, types.ApplyPatchType, raw, metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("applying a floor of %d to %s: %w", n, f.Target, err)
	}
	return nil
}

// maxField is the upper bound beside a lower one.
func maxField(field []string) string {
	switch field[len(field)-1] {
	case "minReplicas":
		return "maxReplicas"
	default:
		return "maxReplicaCount"
	}
}
