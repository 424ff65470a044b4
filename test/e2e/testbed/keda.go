package testbed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// ScaledObjectResource is KEDA's.
var ScaledObjectResource = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}

// KEDAOperator is a stub of KEDA for its kafka trigger: for each ScaledObject
// of a Deployment it keeps the HPA keda-hpa-<name>, whose bounds the real HPA
// controller enforces, and computes what KEDA's scaler and the HPA's formula
// give: replicas = ceil(lag / lagThreshold), nothing within the HPA's
// tolerance of 10 %, at most one replica a partition, all of it looked at every
// 15 s as the HPA does, twice as many or four more at a time on the way up, and
// on the way down the highest wish of the stabilisation window.
type KEDAOperator struct {
	tb        *Testbed
	client    dynamic.Interface
	namespace string
	cancel    context.CancelFunc
	done      chan struct{}
	wishes    map[string][]timedWish
	synced    map[string]time.Time // last look at the lag

	mu    sync.Mutex
	first map[string]time.Time // first look
}

type timedWish struct {
	at       time.Time
	replicas int32
}

// StartKEDA installs the custom resource and the stub operator for one
// namespace.
func (tb *Testbed) StartKEDA(ctx context.Context, namespace string) error {
	manifest, err := assets.ReadFile("assets/keda-crd.yaml")
	if err != nil {
		return fmt.Errorf("reading keda's resource: %w", err)
	}
	if err := tb.Kubernetes.Apply(ctx, "", manifest); err != nil {
		return err
	}
	if err := tb.Kubernetes.EnsureNamespace(ctx, namespace); err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(tb.Kubernetes.Config)
	if err != nil {
		return fmt.Errorf("making keda's client: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	o := &KEDAOperator{
		tb: tb, client: client, namespace: namespace, cancel: cancel, done: make(chan struct{}),
		wishes: map[string][]timedWish{}, synced: map[string]time.Time{}, first: map[string]time.Time{},
	}
	tb.operators = append(tb.operators, o)
	go o.run(running)
	return nil
}

func (o *KEDAOperator) looked(name string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first[name].IsZero() {
		o.first[name] = at
	}
}

// KEDALooked is when the lag behind a ScaledObject was looked at for the first
// time, from where on it is looked at every 15 s; zero if it never was.
func (tb *Testbed) KEDALooked(name string) time.Time {
	for _, x := range tb.operators {
		if o, ok := x.(*KEDAOperator); ok {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.first[name]
		}
	}
	return time.Time{}
}

func (o *KEDAOperator) close() {
	o.cancel()
	<-o.done
}

func (o *KEDAOperator) run(ctx context.Context) {
	defer close(o.done)
	for {
		if err := o.reconcile(ctx); err != nil && ctx.Err() == nil {
			o.tb.options.Log("keda: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (o *KEDAOperator) reconcile(ctx context.Context) error {
	objects, err := o.client.Resource(ScaledObjectResource).Namespace(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing ScaledObjects: %w", err)
	}
	var errs []error
	for i := range objects.Items {
		if err := o.scale(ctx, &objects.Items[i]); err != nil {
			errs = append(errs, fmt.Errorf("scaling by %s: %w", objects.Items[i].GetName(), err))
		}
	}
	return errors.Join(errs...)
}

func (o *KEDAOperator) scale(ctx context.Context, object *unstructured.Unstructured) error {
	low, high := bounds(object)
	if err := o.ensureHPA(ctx, object, low, high); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(o.synced[object.GetName()]) < hpaSync {
		return nil
	}
	lag, partitions, threshold, err := o.lag(ctx, object)
	if err != nil || threshold <= 0 {
		return err
	}
	o.synced[object.GetName()] = now
	o.looked(object.GetName(), now)
	target, _, _ := unstructured.NestedString(object.Object, "spec", "scaleTargetRef", "name")
	deployments := o.tb.Kubernetes.Client.AppsV1().Deployments(o.namespace)
	scale, err := deployments.GetScale(ctx, target, metav1.GetOptions{})
	if err != nil {
		return err
	}
	current := scale.Spec.Replicas
	wish := wanted(float64(lag), threshold, current)
	wish = min(max(wish, low), high, int32(max(partitions, 1)))
	next := o.paced(object, now, current, wish)
	if next < current && object.GetAnnotations()["autoscaling.keda.sh/paused-scale-in"] == "true" {
		return nil
	}
	if next == current {
		return nil
	}
	scale.Spec.Replicas = next
	if _, err := deployments.UpdateScale(ctx, target, scale, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	return nil
}

const (
	// hpaTolerance is the HPA's: a ratio this near to one changes nothing.
	hpaTolerance = 0.1
	// hpaSync is how often the HPA looks, --horizontal-pod-autoscaler-sync-period.
	hpaSync = 15 * time.Second
)

// wanted is the HPA's formula for an average value over the replicas.
func wanted(lag, threshold float64, current int32) int32 {
	if current > 0 {
		if ratio := lag / (threshold * float64(current)); math.Abs(ratio-1) <= hpaTolerance {
			return current
		}
	}
	return int32(math.Ceil(lag / threshold))
}

// paced applies the HPA's default behaviour, with the stabilisation window of
// spec.advanced.horizontalPodAutoscalerConfig or 300 s.
func (o *KEDAOperator) paced(object *unstructured.Unstructured, now time.Time, current, wish int32) int32 {
	name := object.GetName()
	window := 300 * time.Second
	if s, ok, _ := unstructured.NestedInt64(object.Object, "spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown", "stabilizationWindowSeconds"); ok {
		window = time.Duration(s) * time.Second
	}
	kept := []timedWish{}
	highest := wish
	for _, w := range o.wishes[name] {
		if now.Sub(w.at) <= window {
			kept = append(kept, w)
			highest = max(highest, w.replicas)
		}
	}
	o.wishes[name] = append(kept, timedWish{now, wish})
	switch {
	case wish > current:
		return min(wish, max(2*current, current+4))
	case wish < current:
		return min(current, highest)
	default:
		return current
	}
}

// lag sums the group's lag on the trigger's topic.
func (o *KEDAOperator) lag(ctx context.Context, object *unstructured.Unstructured) (lag int64, partitions int, threshold float64, err error) {
	triggers, _, _ := unstructured.NestedSlice(object.Object, "spec", "triggers")
	for _, t := range triggers {
		trigger, _ := t.(map[string]any)
		if trigger["type"] != "kafka" {
			continue
		}
		metadata, _, _ := unstructured.NestedStringMap(trigger, "metadata")
		if metadata["consumerGroup"] == "" {
			continue
		}
		threshold = 10 // KEDA's default
		if text := metadata["lagThreshold"]; text != "" {
			if threshold, err = strconv.ParseFloat(text, 64); err != nil {
				return 0, 0, 0, fmt.Errorf("reading lagThreshold: %w", err)
			}
		}
		lag, partitions, err = o.tb.Kafka.Lag(ctx, metadata["consumerGroup"], metadata["topic"])
		return lag, partitions, threshold, err
	}
	return 0, 0, 0, nil
}

func bounds(object *unstructured.Unstructured) (low, high int32) {
	low, high = 0, 100 // KEDA's defaults
	if n, ok, _ := unstructured.NestedInt64(object.Object, "spec", "minReplicaCount"); ok {
		low = int32(n)
	}
	if n, ok, _ := unstructured.NestedInt64(object.Object, "spec", "maxReplicaCount"); ok {
		high = int32(n)
	}
	return low, high
}

// ensureHPA keeps the HPA that KEDA makes for a ScaledObject.
func (o *KEDAOperator) ensureHPA(ctx context.Context, object *unstructured.Unstructured, low, high int32) error {
	target, _, _ := unstructured.NestedString(object.Object, "spec", "scaleTargetRef", "name")
	one := int32(max(low, 1)) // an HPA has no zero: KEDA itself scales to it
	controller := true
	want := &autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Name: "keda-hpa-" + object.GetName(),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Name: object.GetName(), UID: object.GetUID(), Controller: &controller,
			}},
		},
		Spec: autoscaling.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target},
			MinReplicas:    &one, MaxReplicas: high,
			Metrics: []autoscaling.MetricSpec{{
				Type: autoscaling.ExternalMetricSourceType,
				External: &autoscaling.ExternalMetricSource{
					Metric: autoscaling.MetricIdentifier{Name: "s0-kafka-lag"},
					Target: autoscaling.MetricTarget{Type: autoscaling.AverageValueMetricType, AverageValue: quantity("10")},
				},
			}},
		},
	}
	hpas := o.tb.Kubernetes.Client.AutoscalingV2().HorizontalPodAutoscalers(o.namespace)
	have, err := hpas.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = hpas.Create(ctx, want, metav1.CreateOptions{FieldManager: "keda-operator"})
		return err
	}
	if err != nil {
		return err
	}
	if have.Spec.MinReplicas != nil && *have.Spec.MinReplicas == one && have.Spec.MaxReplicas == high {
		return nil
	}
	have.Spec.MinReplicas, have.Spec.MaxReplicas = &one, high
	_, err = hpas.Update(ctx, have, metav1.UpdateOptions{FieldManager: "keda-operator"})
	return err
}
