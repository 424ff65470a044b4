// Package statefulset scales the StatefulSet of a plain Kafka installation. Only
// the pods of the highest ordinals can leave; which brokers they are is learned
// from Kafka, never computed from the ordinal. The caller drains and proves
// them empty first.
package statefulset

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Scaler sets the replicas of one StatefulSet of brokers.
type Scaler struct {
	Client workload.Client
	Target workload.Target
}

// Current reads what is wanted and what is ready, which pods there are, and what
// speaks against another size.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	set, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	scale, err := s.Client.Current(ctx, s.Target)
	if err != nil {
		return scale, err
	}
	owner, err := s.Client.OwnerOf(ctx, s.Target)
	if err != nil {
		return scale, err
	}
	if owner != nil {
		scale.Conflict = owner.Kind + " " + owner.Name
	}
	scale.Held = cmp.Or(scale.Held, rolling(set))
	scale.NoIn = deletes(set)
	scale.Members, err = s.members(ctx, set)
	if err != nil {
		scale.Unknown = err.Error()
	}
	return scale, nil
}

// deletes says why a scale-in would destroy data: a claim policy of whenScaled:
// Delete removes the leaving broker's volume, and with it the way back.
func deletes(set *unstructured.Unstructured) string {
	if workload.Text(set, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") != "Delete" {
		return ""
	}
	return "its persistentVolumeClaimRetentionPolicy.whenScaled is Delete, which destroys the broker's data; set it to Retain"
}

// rolling says that pods are being replaced, one after the other.
func rolling(set *unstructured.Unstructured) string {
	now, next := workload.Text(set, "status", "currentRevision"), workload.Text(set, "status", "updateRevision")
	if now == "" || next == "" || now == next {
		return ""
	}
	updated, _ := workload.Int(set, "status", "updatedReplicas")
	replicas, _ := workload.Int(set, "spec", "replicas")
	if partition, ok := workload.Int(set, "spec", "updateStrategy", "rollingUpdate", "partition"); ok && updated >= replicas-partition {
		return "" // the rest is kept back on purpose
	}
	return fmt.Sprintf("a rolling update is in flight: %d of %d pods are of revision %s", updated, replicas, next)
}

// Set scales, where nothing speaks against it.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	set, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return err
	}
	now, _ := workload.Int(set, "spec", "replicas")
	if why := deletes(set); want.Replicas < now && why != "" {
		return fmt.Errorf("scaling in %s: %s", s.Target, why)
	}
	owner, err := s.Client.OwnerOf(ctx, s.Target)
	if err != nil {
		return err
	}
	if owner != nil {
		return workload.OwnedError{Target: s.Target, By: *owner}
	}
	return s.Client.SetScale(ctx, s.Target, want.From, want.Replicas)
}

// members are the pods by ordinal: the highest leaves first.
func (s Scaler) members(ctx context.Context, set *unstructured.Unstructured) ([]actuators.Member, error) {
	replicas, ok := workload.Int(set, "spec", "replicas")
	if !ok {
		replicas = 1 // Kubernetes' default
	}
	start, _ := workload.Int(set, "spec", "ordinals", "start")
	pods, err := s.Client.Pods(ctx, set)
	if err != nil {
		return nil, err
	}
	service := workload.Text(set, "spec", "serviceName")
	out := make([]actuators.Member, 0, replicas)
	for i := range replicas {
		out = append(out, member(set, pods, service, start+i))
	}
	return out, nil
}

// member is the pod of an ordinal; one that is not there still has its names.
func member(set *unstructured.Unstructured, pods map[string]*unstructured.Unstructured, service string, ordinal int) actuators.Member {
	name := set.GetName() + "-" + strconv.Itoa(ordinal)
	m := actuators.Member{Pod: name, Ordinal: ordinal, Hosts: []string{name}}
	if service != "" {
		m.Hosts = append(m.Hosts, name+"."+service+"."+set.GetNamespace())
	}
	if pod := pods[name]; pod != nil {
		workload.Describe(&m, pod)
	}
	return m
}
