package testbed

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KafkaSetName is the StatefulSet that DeployKafka makes.
const KafkaSetName = ClusterName + "-kafka"

// Pool is a StatefulSet of brokers. The zero value has no brokers, and else is
// what DeployKafka makes: ids that are the pods' ordinals, zones in turn.
type Pool struct {
	Name     string // KafkaSetName when empty
	Replicas int
	// FirstOrdinal is the StatefulSet's ordinals.start.
	FirstOrdinal int
	// IDOffset is what the start script adds to a pod's ordinal.
	IDOffset int
	// Zone has every pod of the pool.
	Zone string
	// LogDirs is how many volumes each broker has; one when zero.
	LogDirs int
	// CPULimit is each broker's limit in cores; Options' when zero.
	CPULimit float64
}

// IDs are the ids of the brokers that the pool has with so many replicas.
func (p Pool) IDs(replicas int) []int {
	out := make([]int, replicas)
	for i := range out {
		out[i] = p.FirstOrdinal + i + p.IDOffset
	}
	return out
}

// DeployKafka makes a StatefulSet of brokers in a namespace and waits until
// all are ready. The claims outlive a scale-in, as they must.
func (tb *Testbed) DeployKafka(ctx context.Context, namespace string, replicas int) error {
	return tb.DeployPools(ctx, namespace, Pool{Replicas: replicas})
}

// DeployPools makes the brokers of one cluster, in one StatefulSet each pool,
// and waits until all are ready.
func (tb *Testbed) DeployPools(ctx context.Context, namespace string, pools ...Pool) error {
	if err := tb.Kubernetes.EnsureNamespace(ctx, namespace); err != nil {
		return err
	}
	for i := range pools {
		p := &pools[i]
		if p.Name == "" {
			p.Name = KafkaSetName
		}
		if _, err := tb.Kubernetes.Client.AppsV1().StatefulSets(namespace).Create(ctx, p.set(), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating the brokers' StatefulSet %s: %w", p.Name, err)
		}
	}
	for _, p := range pools {
		if err := tb.Kubernetes.WaitStatefulSet(ctx, namespace, p.Name, p.Replicas); err != nil {
			return err
		}
	}
	return nil
}

func (p Pool) set() *apps.StatefulSet {
	replicas := int32(p.Replicas)
	labels := map[string]string{"app.kubernetes.io/name": "kafka", "app.kubernetes.io/instance": ClusterName, "pool": p.Name}
	retain := apps.RetainPersistentVolumeClaimRetentionPolicyType
	container := core.Container{Name: "kafka", Image: KafkaImage, Env: []core.EnvVar{{Name: idOffsetEnv, Value: strconv.Itoa(p.IDOffset)}}}
	if p.CPULimit > 0 {
		container.Resources.Limits = core.ResourceList{core.ResourceCPU: *quantity(strconv.FormatFloat(p.CPULimit, 'g', -1, 64))}
	}
	set := &apps.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: labels},
		Spec: apps.StatefulSetSpec{
			Replicas: &replicas, ServiceName: p.Name, Selector: &metav1.LabelSelector{MatchLabels: labels},
			PodManagementPolicy:                  apps.ParallelPodManagement,
			PersistentVolumeClaimRetentionPolicy: &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenDeleted: retain, WhenScaled: retain},
			Template:                             core.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels)}},
		},
	}
	if p.FirstOrdinal > 0 {
		set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: int32(p.FirstOrdinal)}
	}
	if p.Zone != "" {
		set.Spec.Template.Spec.NodeSelector = map[string]string{core.LabelTopologyZone: p.Zone}
	}
	for i := range max(1, p.LogDirs) {
		name := volumeName(i)
		container.VolumeMounts = append(container.VolumeMounts, core.VolumeMount{Name: name, MountPath: "/" + name})
		set.Spec.VolumeClaimTemplates = append(set.Spec.VolumeClaimTemplates, core.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: core.PersistentVolumeClaimSpec{
				AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
				Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: *quantity("1Gi")}},
			},
		})
	}
	set.Spec.Template.Spec.Containers = []core.Container{container}
	return set
}

// volumeName is what the i-th volume of a broker is called.
func volumeName(i int) string {
	if i == 0 {
		return "data"
	}
	return "data-" + strconv.Itoa(i)
}

func firstOrdinal(set *apps.StatefulSet) int {
	if set.Spec.Ordinals == nil {
		return 0
	}
	return int(set.Spec.Ordinals.Start)
}
