package workload

import (
	"context"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tidetable/tidetable/actuators"
)

// Pods lists the pods that a workload selects, by name.
func (c Client) Pods(ctx context.Context, owner *unstructured.Unstructured) (map[string]*unstructured.Unstructured, error) {
	labels, _, err := unstructured.NestedStringMap(owner.Object, "spec", "selector", "matchLabels")
	if err != nil || len(labels) == 0 {
		return nil, fmt.Errorf("listing the pods of %s %s: its selector has no labels", owner.GetKind(), owner.GetName())
	}
	r, err := c.Resource(Target{Kind: "Pod", Namespace: owner.GetNamespace()})
	if err != nil {
		return nil, err
	}
	list, err := r.List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of %s %s: %w", owner.GetKind(), owner.GetName(), err)
	}
	out := make(map[string]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		out[list.Items[i].GetName()] = &list.Items[i]
	}
	return out, nil
}

// Describe adds what a pod says of itself: its addresses, its labels and
// annotations, and whether it has ever run.
func Describe(m *actuators.Member, pod *unstructured.Unstructured) {
	if ip := Text(pod, "status", "podIP"); ip != "" {
		m.Hosts = append(m.Hosts, ip)
	}
	all, _, _ := unstructured.NestedSlice(pod.Object, "status", "podIPs")
	for _, x := range all {
		if o, ok := x.(map[string]any); ok {
			if ip, ok := o["ip"].(string); ok && !slices.Contains(m.Hosts, ip) {
				m.Hosts = append(m.Hosts, ip)
			}
		}
	}
	m.Labels = map[string]string{}
	maps.Copy(m.Labels, pod.GetLabels())
	maps.Copy(m.Labels, pod.GetAnnotations())
	m.Started = started(pod)
}

// started tells whether some container of a pod runs, or has run.
func started(pod *unstructured.Unstructured) bool {
	for _, list := range []string{"containerStatuses", "initContainerStatuses"} {
		statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", list)
		for _, x := range statuses {
			s, ok := x.(map[string]any)
			if !ok {
				return true
			}
			_, running, _ := unstructured.NestedMap(s, "state", "running")
			_, ended, _ := unstructured.NestedMap(s, "state", "terminated")
			_, before, _ := unstructured.NestedMap(s, "lastState", "terminated")
			restarts, _, _ := unstructured.NestedInt64(s, "restartCount")
			if running || ended || before || restarts > 0 {
				return true
			}
		}
	}
	return false
}
