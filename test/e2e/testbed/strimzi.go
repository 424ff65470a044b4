package testbed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Strimzi's resources.
var (
	KafkaResource         = schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: "kafkas"}
	KafkaNodePoolResource = schema.GroupVersionResource{Group: "kafka.strimzi.io", Version: "v1", Resource: "kafkanodepools"}
)

const (
	strimziClusterLabel = "strimzi.io/cluster"
	strimziPoolLabel    = "strimzi.io/pool-name"
)

// StrimziOperator is a stub of Strimzi's cluster operator: for each
// KafkaNodePool of brokers it gives out node ids, keeps one pod per id, takes
// brokers away only when they are empty (and else says so in a condition of the
// Kafka resource, leaving spec.replicas as it is), unregisters what left, and,
// where the Kafka resource has spec.cruiseControl.autoRebalance, moves data on
// scale-up and scale-down itself. What it does was seen with Strimzi 1.2.0.
type StrimziOperator struct {
	tb        *Testbed
	client    dynamic.Interface
	namespace string
	cancel    context.CancelFunc
	done      chan struct{}
}

// StartStrimzi installs the custom resources and the stub operator for one
// namespace.
func (tb *Testbed) StartStrimzi(ctx context.Context, namespace string) (*StrimziOperator, error) {
	manifest, err := assets.ReadFile("assets/strimzi-crds.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the strimzi resources: %w", err)
	}
	if err := tb.Kubernetes.Apply(ctx, "", manifest); err != nil {
		return nil, err
	}
	if err := tb.Kubernetes.EnsureNamespace(ctx, namespace); err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(tb.Kubernetes.Config)
	if err != nil {
		return nil, fmt.Errorf("making the operator's client: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	o := &StrimziOperator{tb: tb, client: client, namespace: namespace, cancel: cancel, done: make(chan struct{})}
	tb.operators = append(tb.operators, o)
	go o.run(running)
	return o, nil
}

func (o *StrimziOperator) close() {
	o.cancel()
	<-o.done
}

func (o *StrimziOperator) run(ctx context.Context) {
	defer close(o.done)
	for {
		if err := o.reconcile(ctx); err != nil && ctx.Err() == nil {
			o.tb.options.Log("strimzi operator: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (o *StrimziOperator) reconcile(ctx context.Context) error {
	pools, err := o.client.Resource(KafkaNodePoolResource).Namespace(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing node pools: %w", err)
	}
	// Ids are unique in a cluster, over all its pools.
	used := map[int]bool{}
	for i := range pools.Items {
		for _, id := range nodeIDs(&pools.Items[i]) {
			used[id] = true
		}
	}
	var errs []error
	for i := range pools.Items {
		errs = append(errs, o.reconcilePool(ctx, &pools.Items[i], used))
	}
	return errors.Join(errs...)
}

func (o *StrimziOperator) reconcilePool(ctx context.Context, pool *unstructured.Unstructured, used map[int]bool) error {
	roles, _, _ := unstructured.NestedStringSlice(pool.Object, "spec", "roles")
	if !slices.Equal(roles, []string{"broker"}) {
		return nil // the testbed's controller is not in a pod
	}
	kafka, err := o.kafkaOf(ctx, pool)
	if err != nil || kafka.GetAnnotations()[pauseAnnotation] == "true" || pool.GetAnnotations()[pauseAnnotation] == "true" {
		return err
	}
	want, _, _ := unstructured.NestedInt64(pool.Object, "spec", "replicas")
	have := nodeIDs(pool)
	joined, left := []int{}, []int{}
	switch {
	case int(want) > len(have):
		joined = nextIDs(used, annotated(pool, "strimzi.io/next-node-ids"), int(want)-len(have))
		have = append(have, joined...)
	case int(want) < len(have):
		left = leavingIDs(have, annotated(pool, "strimzi.io/remove-node-ids"), len(have)-int(want))
		held, err := o.makeEmpty(ctx, kafka, left)
		if err != nil {
			return err
		}
		if held != "" {
			return o.conditions(ctx, kafka, readyCondition(), warning(fmt.Sprintf("Reverting scale-down of %s to %d replicas: %s", pool.GetName(), len(have), held)))
		}
		have = slices.DeleteFunc(have, func(id int) bool { return slices.Contains(left, id) })
	}
	slices.Sort(have)
	for _, id := range left {
		if err := o.removeNode(ctx, pool, id); err != nil {
			return err
		}
		delete(used, id)
	}
	for _, id := range have {
		if err := o.ensurePod(ctx, pool, id); err != nil {
			return err
		}
	}
	if err := errors.Join(o.status(ctx, pool, have), o.conditions(ctx, kafka, readyCondition())); err != nil {
		return err
	}
	if len(joined) > 0 {
		return o.fill(ctx, kafka, joined)
	}
	return nil
}

// Annotations by which people stop the operator, or switch its check off.
const (
	pauseAnnotation     = "strimzi.io/pause-reconciliation"
	uncheckedAnnotation = "strimzi.io/skip-broker-scaledown-check"
)

// kafkaOf is the pool's Kafka resource; an empty one where there is none.
func (o *StrimziOperator) kafkaOf(ctx context.Context, pool *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	name := pool.GetLabels()[strimziClusterLabel]
	kafka, err := o.client.Resource(KafkaResource).Namespace(o.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &unstructured.Unstructured{Object: map[string]any{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Kafka %s: %w", name, err)
	}
	return kafka, nil
}

func readyCondition() map[string]any { return map[string]any{"type": "Ready", "status": "True"} }

func warning(message string) map[string]any {
	return map[string]any{"type": "Warning", "status": "True", "reason": "ScaleDownPreventionCheck", "message": message}
}

// conditions sets those of the Kafka resource, and writes only what changes.
func (o *StrimziOperator) conditions(ctx context.Context, kafka *unstructured.Unstructured, all ...any) error {
	if kafka.GetName() == "" {
		return nil
	}
	fresh, err := o.client.Resource(KafkaResource).Namespace(o.namespace).Get(ctx, kafka.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading Kafka %s: %w", kafka.GetName(), err)
	}
	old, _, _ := unstructured.NestedSlice(fresh.Object, "status", "conditions")
	if reflect.DeepEqual(old, all) {
		return nil
	}
	if err := unstructured.SetNestedSlice(fresh.Object, all, "status", "conditions"); err != nil {
		return fmt.Errorf("setting the conditions of Kafka %s: %w", kafka.GetName(), err)
	}
	_, err = o.client.Resource(KafkaResource).Namespace(o.namespace).UpdateStatus(ctx, fresh, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return nil // the next turn sees the newer object
	}
	return err
}

// makeEmpty drains what leaves where Cruise Control would, and says what still
// holds replicas.
func (o *StrimziOperator) makeEmpty(ctx context.Context, kafka *unstructured.Unstructured, ids []int) (string, error) {
	loaded, err := o.tb.Kafka.ReplicasOn(ctx, ids...)
	if err != nil || loaded == 0 || kafka.GetAnnotations()[uncheckedAnnotation] == "true" {
		return "", err
	}
	delegated, err := delegated(kafka, "remove-brokers")
	if err != nil {
		return "", err
	}
	if !delegated {
		return fmt.Sprintf("cannot scale down brokers %v because they hold %d partition replicas", ids, loaded), nil
	}
	return "", o.rebalance(ctx, kafka, "RebalanceOnScaleDown", "remove-brokers", ids, func(ctx context.Context) error {
		return o.tb.Kafka.Drain(ctx, ids...)
	})
}

// fill moves data onto new brokers where Cruise Control would.
func (o *StrimziOperator) fill(ctx context.Context, kafka *unstructured.Unstructured, ids []int) error {
	delegated, err := delegated(kafka, "add-brokers")
	if err != nil || !delegated {
		return err
	}
	return o.rebalance(ctx, kafka, "RebalanceOnScaleUp", "add-brokers", ids, func(ctx context.Context) error {
		for _, id := range ids {
			if err := Poll(ctx, fmt.Sprintf("broker %d", id), 300*time.Millisecond, func(ctx context.Context) error {
				b := o.tb.Kafka.Broker(id)
				if b == nil || !b.Running() {
					return errors.New("it does not run yet")
				}
				return b.unfenced(ctx)
			}); err != nil {
				return err
			}
		}
		return o.tb.Kafka.Fill(ctx, ids...)
	})
}

// delegated tells whether the operator rebalances by itself in a direction. With
// the other direction alone it fails at every reconciliation.
func delegated(kafka *unstructured.Unstructured, mode string) (bool, error) {
	modes, _, _ := unstructured.NestedSlice(kafka.Object, "spec", "cruiseControl", "autoRebalance")
	for _, m := range modes {
		if m, ok := m.(map[string]any); ok && m["mode"] == mode {
			return true, nil
		}
	}
	if len(modes) > 0 {
		return false, fmt.Errorf("no auto-rebalancing configuration specified for mode %s", mode)
	}
	return false, nil
}

// rebalance shows a state while it moves, as Strimzi's auto-rebalance does.
func (o *StrimziOperator) rebalance(ctx context.Context, kafka *unstructured.Unstructured, state, mode string, ids []int, move func(context.Context) error) error {
	show := func(state string, modes []any) error {
		fresh, err := o.client.Resource(KafkaResource).Namespace(o.namespace).Get(ctx, kafka.GetName(), metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading Kafka %s: %w", kafka.GetName(), err)
		}
		value := map[string]any{"state": state, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
		if modes != nil {
			value["modes"] = modes
		}
		if err := unstructured.SetNestedField(fresh.Object, value, "status", "autoRebalance"); err != nil {
			return fmt.Errorf("setting autoRebalance: %w", err)
		}
		_, err = o.client.Resource(KafkaResource).Namespace(o.namespace).UpdateStatus(ctx, fresh, metav1.UpdateOptions{})
		return err
	}
	if err := show(state, []any{map[string]any{"mode": mode, "brokers": toAny(ids)}}); err != nil {
		return err
	}
	return errors.Join(move(ctx), show("Idle", nil))
}

func (o *StrimziOperator) status(ctx context.Context, pool *unstructured.Unstructured, ids []int) error {
	fresh, err := o.client.Resource(KafkaNodePoolResource).Namespace(o.namespace).Get(ctx, pool.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading node pool %s: %w", pool.GetName(), err)
	}
	status := map[string]any{
		"nodeIds": toAny(ids), "replicas": int64(len(ids)), "clusterId": o.tb.Kafka.ClusterID,
		"labelSelector":      strimziPoolLabel + "=" + pool.GetName(),
		"observedGeneration": pool.GetGeneration(),
	}
	if fmt.Sprint(fresh.Object["status"]) == fmt.Sprint(any(status)) {
		return nil
	}
	fresh.Object["status"] = status
	_, err = o.client.Resource(KafkaNodePoolResource).Namespace(o.namespace).UpdateStatus(ctx, fresh, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return nil // the next turn sees the newer object
	}
	return err
}

func (o *StrimziOperator) podName(pool *unstructured.Unstructured, id int) string {
	return fmt.Sprintf("%s-%s-%d", pool.GetLabels()[strimziClusterLabel], pool.GetName(), id)
}

// ensurePod makes the node's claim and pod if they are not there.
func (o *StrimziOperator) ensurePod(ctx context.Context, pool *unstructured.Unstructured, id int) error {
	name := o.podName(pool, id)
	client := o.tb.Kubernetes.Client.CoreV1()
	if _, err := client.Pods(o.namespace).Get(ctx, name, metav1.GetOptions{}); err == nil || !apierrors.IsNotFound(err) {
		return err
	}
	labels := map[string]string{
		strimziClusterLabel: pool.GetLabels()[strimziClusterLabel], strimziPoolLabel: pool.GetName(),
		"strimzi.io/kind": "Kafka", "strimzi.io/broker-role": "true",
	}
	claim := &core.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data-0-" + name, Labels: labels},
		Spec: core.PersistentVolumeClaimSpec{
			AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: *quantity("1Gi")}},
		},
	}
	if _, err := client.PersistentVolumeClaims(o.namespace).Create(ctx, claim, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating claim %s: %w", claim.Name, err)
	}
	pod := &core.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(labels)},
		Spec: core.PodSpec{
			Containers: []core.Container{{Name: "kafka", Image: KafkaImage}},
			Volumes: []core.Volume{{Name: "data-0", VolumeSource: core.VolumeSource{
				PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
			}}},
		},
	}
	if _, err := client.Pods(o.namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating pod %s: %w", name, err)
	}
	return nil
}

// removeNode deletes the pod, waits for the broker's end, and unregisters it.
func (o *StrimziOperator) removeNode(ctx context.Context, pool *unstructured.Unstructured, id int) error {
	name := o.podName(pool, id)
	err := o.tb.Kubernetes.Client.CoreV1().Pods(o.namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting pod %s: %w", name, err)
	}
	if err := Poll(ctx, "pod "+name+" to go", 200*time.Millisecond, func(ctx context.Context) error {
		_, err := o.tb.Kubernetes.Client.CoreV1().Pods(o.namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	}); err != nil {
		return err
	}
	return o.tb.Kafka.Unregister(ctx, id)
}

func nodeIDs(pool *unstructured.Unstructured) []int {
	raw, _, _ := unstructured.NestedSlice(pool.Object, "status", "nodeIds")
	var ids []int
	for _, v := range raw {
		if n, ok := v.(int64); ok {
			ids = append(ids, int(n))
		}
	}
	return ids
}

func int64At(o *unstructured.Unstructured, path ...string) int64 {
	n, _, _ := unstructured.NestedInt64(o.Object, path...)
	return n
}

func toAny(ids []int) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}

// annotated reads ids and rising or falling ranges such as [7, 10-12].
func annotated(pool *unstructured.Unstructured, key string) []int {
	var out []int
	for part := range strings.SplitSeq(strings.Trim(pool.GetAnnotations()[key], "[] "), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(strings.TrimSpace(last)); err != nil {
				continue
			}
		}
		step := 1
		if to < from {
			step = -1
		}
		for id := from; id != to+step; id += step {
			out = append(out, id)
		}
	}
	return out
}

// nextIDs takes n free ids, wished ones first, then the lowest.
func nextIDs(used map[int]bool, wished []int, n int) []int {
	var out []int
	for id := 0; len(out) < n; {
		next := id
		if len(wished) > 0 {
			next, wished = wished[0], wished[1:]
		} else {
			id++
		}
		if !used[next] {
			used[next] = true
			out = append(out, next)
		}
	}
	return out
}

// leavingIDs takes n ids away, wished ones first, then the highest.
func leavingIDs(have, wished []int, n int) []int {
	candidates := slices.DeleteFunc(slices.Clone(wished), func(id int) bool { return !slices.Contains(have, id) })
	for _, id := range slices.Backward(slices.Sorted(slices.Values(have))) {
		if !slices.Contains(candidates, id) {
			candidates = append(candidates, id)
		}
	}
	return candidates[:n]
}
