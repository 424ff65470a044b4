package workload

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Owner is an autoscaler that already scales a workload.
type Owner struct {
	Kind, Name string // HorizontalPodAutoscaler or ScaledObject
}

// OwnedError refuses a direct scale: two hands on one wheel fight each other.
type OwnedError struct {
	Target Target
	By     Owner
}

func (e OwnedError) Error() string {
	return fmt.Sprintf("%s is scaled by %s %s; set its floor instead (via: floor)", e.Target, e.By.Kind, e.By.Name)
}

// OwnerOf finds the autoscaler that scales the target, a ScaledObject before
// the HPA that KEDA made for it; nil where there is none.
func (c Client) OwnerOf(ctx context.Context, t Target) (*Owner, error) {
	scaled, err := c.List(ctx, "ScaledObject", t.Namespace)
	if err != nil {
		return nil, err
	}
	for i := range scaled {
		kind := Text(&scaled[i], "spec", "scaleTargetRef", "kind")
		if kind == "" {
			kind = "Deployment" // KEDA's default
		}
		if kind == t.Kind && Text(&scaled[i], "spec", "scaleTargetRef", "name") == t.Name {
			return &Owner{"ScaledObject", scaled[i].GetName()}, nil
		}
	}
	hpas, err := c.List(ctx, "HorizontalPodAutoscaler", t.Namespace)
	if err != nil {
		return nil, err
	}
	for i := range hpas {
		if Text(&hpas[i], "spec", "scaleTargetRef", "kind") != t.Kind || Text(&hpas[i], "spec", "scaleTargetRef", "name") != t.Name {
			continue
		}
		return &Owner{"HorizontalPodAutoscaler", hpas[i].GetName()}, nil
	}
	return nil, nil
}

// MadeByKEDA tells whether an HPA belongs to a ScaledObject: KEDA reverts
// whatever others write to it.
func MadeByKEDA(hpa *unstructured.Unstructured) bool {
	for _, r := range hpa.GetOwnerReferences() {
		if r.Kind == "ScaledObject" {
			return true
		}
	}
	return strings.HasPrefix(hpa.GetName(), "keda-hpa-")
}

// Managers names every field manager but ours that owns spec.replicas, sorted
// as the API lists them. A GitOps tool among them would revert us.
func Managers(o *unstructured.Unstructured) []string {
	var out []string
	for _, m := range o.GetManagedFields() {
		if m.Manager == FieldManager || m.FieldsV1 == nil {
			continue
		}
		raw := string(m.FieldsV1.GetRawBytes())
		if m.Operation == "Apply" && strings.Contains(raw, `"f:spec":{`) && strings.Contains(raw, `"f:replicas":{}`) {
			out = append(out, m.Manager)
		}
	}
	return out
}
