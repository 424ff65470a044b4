// Package workload holds what every actuator needs to scale a workload on a
// Kubernetes API: finding the object whatever version serves it, reading and
// writing its scale subresource, and telling who else owns it. One folder below
// it is one kind of workload; each implements actuators.Scaler.
package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/policy"
)

// FieldManager is the name under which tidetable owns fields.
const FieldManager = "tidetable"

// Target names one workload. Group may be empty where Kind tells it.
type Target struct {
	Group, Kind     string
	Namespace, Name string
}

// String is the target as people write it.
func (t Target) String() string { return t.Kind + " " + t.Namespace + "/" + t.Name }

// groups says which API group a kind is in, so that a policy need not.
var groups = map[string]string{
	"Deployment":              "apps",
	"StatefulSet":             "apps",
	"ReplicaSet":              "apps",
	"HorizontalPodAutoscaler": "autoscaling",
	"ScaledObject":            "keda.sh",
	"Kafka":                   "kafka.strimzi.io",
	"KafkaNodePool":           "kafka.strimzi.io",
}

// Client reads and writes workloads through the dynamic client. The mapper
// finds the served version: Strimzi 1.0 serves only v1, older ones v1beta2.
type Client struct {
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
}

// Resource is the API of the target's kind in its namespace.
func (c Client) Resource(t Target) (dynamic.ResourceInterface, error) {
	group := t.Group
	if group == "" {
		group = groups[t.Kind]
	}
	m, err := c.Mapper.RESTMapping(schema.GroupKind{Group: group, Kind: t.Kind})
	if err != nil {
		return nil, fmt.Errorf("finding the API of %s: %w", t, err)
	}
	return c.Dynamic.Resource(m.Resource).Namespace(t.Namespace), nil
}

// Get reads the target.
func (c Client) Get(ctx context.Context, t Target) (*unstructured.Unstructured, error) {
	r, err := c.Resource(t)
	if err != nil {
		return nil, err
	}
	o, err := r.Get(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t, err)
	}
	return o, nil
}

// List reads all objects of a kind in a namespace; none where the kind is not
// served at all, as where KEDA is not installed.
func (c Client) List(ctx context.Context, kind, namespace string) ([]unstructured.Unstructured, error) {
	t := Target{Kind: kind, Namespace: namespace}
	r, err := c.Resource(t)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := r.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing %s in %s: %w", kind, namespace, err)
	}
	return l.Items, nil
}

// Scale reads the target's scale subresource.
func (c Client) Scale(ctx context.Context, t Target) (replicas int, resourceVersion string, err error) {
	r, err := c.Resource(t)
	if err != nil {
		return 0, "", err
	}
	s, err := r.Get(ctx, t.Name, metav1.GetOptions{}, "scale")
	if err != nil {
		return 0, "", fmt.Errorf("reading the scale of %s: %w", t, err)
	}
	n, _, err := unstructured.NestedInt64(s.Object, "spec", "replicas")
	if err != nil {
		return 0, "", fmt.Errorf("reading the scale of %s: %w", t, err)
	}
	return int(n), s.GetResourceVersion(), nil
}

// maxConflicts is how often a scale is written again when only something else
// of the object, such as its status, changed between reading and writing.
const maxConflicts = 8

// SetScale writes the target's scale subresource if it differs. The write
// is based on the size from, where that is given, and carries the resource
// version that was read: if somebody else changed the
// scale meanwhile it fails rather than undo that, and the next tick sees it.
func (c Client) SetScale(ctx context.Context, t Target, from, replicas int) error {
	first, version, err := c.Scale(ctx, t)
	if err != nil || first == replicas {
		return err
	}
	if from > 0 && first != from {
		return fmt.Errorf("scaling %s from %d to %d: somebody else set it to %d meanwhile", t, from, replicas, first)
	}
	r, err := c.Resource(t)
	if err != nil {
		return err
	}
	for range maxConflicts {
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": version},
			"spec":     map[string]any{"replicas": replicas},
		})
		if err != nil {
			return fmt.Errorf("encoding the scale of %s: %w", t, err)
		}
		_, err = r.Patch(ctx, t.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager}, "scale")
		if err == nil {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("scaling %s from %d to %d: %w", t, first, replicas, err)
		}
		var now int
		if now, version, err = c.Scale(ctx, t); err != nil {
			return err
		}
		if now != first {
			return fmt.Errorf("scaling %s from %d to %d: somebody else set it to %d meanwhile", t, first, replicas, now)
		}
	}
	return fmt.Errorf("scaling %s from %d to %d: it changed at each of %d tries", t, first, replicas, maxConflicts)
}

// Ready reads how many replicas of a workload are ready: status.readyReplicas
// where the kind has it, else status.replicas.
func Ready(o *unstructured.Unstructured) int {
	if n, ok, err := unstructured.NestedInt64(o.Object, "status", "readyReplicas"); ok && err == nil {
		return int(n)
	}
	if o.GetKind() == "Deployment" || o.GetKind() == "StatefulSet" {
		return 0 // these omit readyReplicas when it is zero
	}
	n, _, _ := unstructured.NestedInt64(o.Object, "status", "replicas")
	return int(n)
}

// Current is Scale and Ready as the controller wants them.
func (c Client) Current(ctx context.Context, t Target) (actuators.Scale, error) {
	n, _, err := c.Scale(ctx, t)
	if err != nil {
		return actuators.Scale{}, err
	}
	o, err := c.Get(ctx, t)
	if err != nil {
		return actuators.Scale{}, err
	}
	return actuators.Scale{Replicas: n, Ready: Ready(o), Held: Held(o), Conflict: conflict(o)}, nil
}

// HoldAnnotation on a workload, or on a policy, keeps tidetable's hands off it;
// its value says why, for whoever reads the decision.
const HoldAnnotation = policy.HoldAnnotation

// Held says why an object is to be left alone; empty when it is not.
func Held(o *unstructured.Unstructured) string {
	why, held := o.GetAnnotations()[HoldAnnotation]
	switch {
	case !held || why == "false":
		return ""
	case why == "" || why == "true":
		return "the annotation " + HoldAnnotation + " is set on " + o.GetKind() + " " + o.GetName()
	default:
		return why
	}
}

// conflict names whoever applies the replicas again and again, such as a GitOps
// tool: two managers of one field undo each other.
func conflict(o *unstructured.Unstructured) string {
	if others := Managers(o); len(others) > 0 {
		return fmt.Sprintf("spec.replicas is applied by %s; leave it out of what they apply", strings.Join(others, ", "))
	}
	return ""
}

// Int reads a nested integer; false where it is absent or not an integer.
func Int(o *unstructured.Unstructured, fields ...string) (int, bool) {
	n, ok, err := unstructured.NestedInt64(o.Object, fields...)
	return int(n), ok && err == nil
}

// Text reads a nested string; empty where it is absent.
func Text(o *unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, fields...)
	return s
}
