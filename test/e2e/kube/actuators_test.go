package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/deployment"
	"github.com/tidetable/tidetable/actuators/hpa"
	"github.com/tidetable/tidetable/actuators/keda"
	"github.com/tidetable/tidetable/actuators/statefulset"
	"github.com/tidetable/tidetable/actuators/strimzi"
	"github.com/tidetable/tidetable/actuators/workload"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

const podTemplate = `{metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: none}]}}`

func newWorkload(kind, name, more string) string {
	return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: kafka}\n" +
		"spec: {selector: {matchLabels: {app: x}}, template: " + podTemplate + more + "}"
}

func hpaFor(name, target, spec string) string {
	return "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: " + name + ", namespace: kafka}\n" +
		"spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: " + target + "}, " + spec + "}"
}

func replicas(t *testing.T, f *fixture, ctx context.Context, kind, name string) int {
	t.Helper()
	n, _ := workload.Int(f.get(ctx, t, kind, name), "spec", "replicas")
	return n
}

func TestWorkloadsAreScaledOnARealAPI(t *testing.T) {
	ctx, f := start(t)
	t.Run("a StatefulSet's scale changes and nothing else of it", func(t *testing.T) { testStatefulSet(ctx, t, f) })
	t.Run("a StatefulSet that deletes volumes is never scaled in", func(t *testing.T) { testVolumesStay(ctx, t, f) })
	t.Run("a workload that an HPA owns is not scaled directly", func(t *testing.T) { testOwned(ctx, t, f) })
	t.Run("an HPA's floor rises, expires and gives the original back", func(t *testing.T) { testFloor(ctx, t, f) })
	t.Run("KEDA's own HPA is left alone and its ScaledObject gets the floor", func(t *testing.T) { testKEDA(ctx, t, f) })
	t.Run("a Strimzi node pool scales by its ids", func(t *testing.T) { testStrimzi(ctx, t, f) })
}

func testStatefulSet(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, newWorkload("StatefulSet", "kafka", ", serviceName: kafka, replicas: 3"))
	s := statefulset.Scaler{Client: f.client(), Target: f.target("StatefulSet", "kafka")}
	if err := s.Set(ctx, actuators.Scale{Replicas: 5}); err != nil {
		t.Fatal(err)
	}
	now, err := s.Current(ctx)
	if err != nil || now.Replicas != 5 || now.Ready != 0 {
		t.Errorf("current = %+v, %v; want 5 wanted and none ready, as no node runs pods here", now, err)
	}
	if n := len(now.Members); n != 5 || now.Members[4].Pod != "kafka-4" || now.Members[4].Started {
		t.Errorf("members = %+v; want five pods that never started, the highest ordinal last", now.Members)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 6, From: 4}); err == nil || !strings.Contains(err.Error(), "somebody else set it to 5") {
		t.Errorf("a wish based on another size: %v", err)
	}
	before := f.get(ctx, t, "StatefulSet", "kafka").GetGeneration()
	if err := s.Set(ctx, actuators.Scale{Replicas: 5}); err != nil {
		t.Fatal(err)
	}
	if after := f.get(ctx, t, "StatefulSet", "kafka").GetGeneration(); after != before {
		t.Error("setting the scale it has wrote to the API")
	}
}

func testVolumesStay(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, newWorkload("StatefulSet", "careless", ", serviceName: kafka, replicas: 3, persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Retain}"))
	s := statefulset.Scaler{Client: f.client(), Target: f.target("StatefulSet", "careless")}
	if now, err := s.Current(ctx); err != nil || !strings.Contains(now.NoIn, "whenScaled") {
		t.Errorf("before anything is drained: %+v, %v", now, err)
	}
	err := s.Set(ctx, actuators.Scale{Replicas: 2})
	if err == nil || !strings.Contains(err.Error(), "whenScaled") {
		t.Errorf("scaling in = %v", err)
	}
	if n := replicas(t, f, ctx, "StatefulSet", "careless"); n != 3 {
		t.Errorf("it has %d replicas, want 3", n)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 4}); err != nil {
		t.Errorf("scaling out: %v", err)
	}
}

func testOwned(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, newWorkload("Deployment", "owned", ", replicas: 2"))
	f.mustApply(ctx, t, newWorkload("Deployment", "free", ", replicas: 2"))
	f.mustApply(ctx, t, hpaFor("owner", "owned", "minReplicas: 2, maxReplicas: 10"))
	var owned workload.OwnedError
	err := deployment.Scaler{Client: f.client(), Target: f.target("Deployment", "owned")}.Set(ctx, actuators.Scale{Replicas: 5})
	if !errors.As(err, &owned) || owned.By.Name != "owner" {
		t.Errorf("scaling an owned workload = %v", err)
	}
	if err := (deployment.Scaler{Client: f.client(), Target: f.target("Deployment", "free")}).Set(ctx, actuators.Scale{Replicas: 5}); err != nil {
		t.Errorf("scaling a free workload: %v", err)
	}
	if n := replicas(t, f, ctx, "Deployment", "free"); n != 5 {
		t.Errorf("the free one has %d replicas, want 5", n)
	}
}

func testFloor(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, newWorkload("Deployment", "billing", ", replicas: 2"))
	f.mustApply(ctx, t, hpaFor("billing", "billing", "minReplicas: 2, maxReplicas: 10"))
	now := time.Now()
	s := hpa.Scaler{
		Client: f.client(), HPA: f.target("HorizontalPodAutoscaler", "billing"), Workload: f.target("Deployment", "billing"),
		Now: func() time.Time { return now }, HoldFloor: 10 * time.Minute,
	}
	floor := func() int {
		n, _ := workload.Int(f.get(ctx, t, "HorizontalPodAutoscaler", "billing"), "spec", "minReplicas")
		return n
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 6}); err != nil {
		t.Fatal(err)
	}
	if floor() != 6 {
		t.Fatalf("the floor is %d, want 6", floor())
	}
	// The real HPA controller follows the floor without any metric.
	err := testbed.Poll(ctx, "the HPA to follow its floor", 300*time.Millisecond, func(context.Context) error {
		if n := replicas(t, f, ctx, "Deployment", "billing"); n != 6 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 7}); err != nil || floor() != 7 {
		t.Fatalf("raising it again: %v, floor %d", err, floor())
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 11}); err == nil {
		t.Error("a floor above the maximum was taken")
	}
	if expired, err := s.Expire(ctx); err != nil || expired {
		t.Errorf("a floor in its time expired: %v, %v", expired, err)
	}
	now = now.Add(11 * time.Minute)
	if expired, err := s.Expire(ctx); err != nil || !expired || floor() != 2 {
		t.Errorf("after its time: expired %v, %v, floor %d, want 2", expired, err, floor())
	}
	if a := f.get(ctx, t, "HorizontalPodAutoscaler", "billing").GetAnnotations(); a[workload.FloorUntil] != "" || a[workload.FloorOriginal] != "" {
		t.Errorf("our annotations are still there: %v", a)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 1}); err != nil || floor() != 2 {
		t.Errorf("a floor under the original: %v, floor %d, want 2", err, floor())
	}
}

func testKEDA(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, newWorkload("Deployment", "keda", ", replicas: 2"))
	f.mustApply(ctx, t, "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: keda, namespace: kafka}\nspec: {scaleTargetRef: {name: keda}, minReplicaCount: 1, maxReplicaCount: 10, triggers: [{type: kafka}]}")
	f.mustApply(ctx, t, hpaFor("keda-hpa-keda", "keda", "minReplicas: 1, maxReplicas: 10"))
	theirs := hpa.Scaler{Client: f.client(), HPA: f.target("HorizontalPodAutoscaler", "keda-hpa-keda"), Workload: f.target("Deployment", "keda"), Now: time.Now, HoldFloor: time.Minute}
	if err := theirs.Set(ctx, actuators.Scale{Replicas: 4}); err == nil {
		t.Error("KEDA's own HPA was written to")
	}
	owner, err := f.client().OwnerOf(ctx, f.target("Deployment", "keda"))
	if err != nil || owner == nil || owner.Kind != "ScaledObject" {
		t.Errorf("owner = %v, %v; want the ScaledObject", owner, err)
	}
	s := keda.Scaler{Client: f.client(), ScaledObject: f.target("ScaledObject", "keda"), Workload: f.target("Deployment", "keda"), Now: time.Now, HoldFloor: time.Minute}
	if err := s.Set(ctx, actuators.Scale{Replicas: 4}); err != nil {
		t.Fatal(err)
	}
	if n, _ := workload.Int(f.get(ctx, t, "ScaledObject", "keda"), "spec", "minReplicaCount"); n != 4 {
		t.Errorf("the floor is %d, want 4", n)
	}
}

func testStrimzi(ctx context.Context, t *testing.T, f *fixture) {
	f.mustApply(ctx, t, "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: claims, namespace: kafka}\nspec: {entityOperator: {topicOperator: {watchedNamespace: kafka}}}")
	pool := func(name, roles string) string {
		return "apiVersion: kafka.strimzi.io/v1\nkind: KafkaNodePool\nmetadata: {name: " + name + ", namespace: kafka, labels: {strimzi.io/cluster: claims}}\nspec: {replicas: 3, roles: " + roles + "}"
	}
	f.mustApply(ctx, t, pool("controllers", "[controller]"))
	f.mustApply(ctx, t, pool("brokers", "[broker]"))
	f.setStatus(ctx, t, "KafkaNodePool", "controllers", `{"nodeIds":[0,1,2]}`)
	f.setStatus(ctx, t, "KafkaNodePool", "brokers", `{"nodeIds":[3,4,7]}`)
	s := strimzi.Scaler{Client: f.client(), Target: f.target("KafkaNodePool", "brokers")}
	now := func() actuators.Scale {
		t.Helper()
		scale, err := s.Current(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return scale
	}
	if m := now().Members; len(m) != 3 || *m[2].ID != 7 || m[2].Pod != "claims-brokers-7" {
		t.Errorf("members = %+v; want the highest id of the pool last", m)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 4}); err != nil {
		t.Fatal(err)
	}
	if n := replicas(t, f, ctx, "KafkaNodePool", "brokers"); n != 4 {
		t.Errorf("the pool has %d replicas, want 4", n)
	}
	if err := (strimzi.Scaler{Client: f.client(), Target: f.target("KafkaNodePool", "controllers")}).Set(ctx, actuators.Scale{Replicas: 5}); err == nil {
		t.Error("a pool of controllers was scaled")
	}
	if x := now(); x.Delegated || x.NoIn != "" || x.NoOut != "" {
		t.Errorf("without autoRebalance: %+v", x)
	}
	if on, err := s.RevertsThrottles(ctx); err != nil || !on {
		t.Errorf("reverts throttles = %v, %v with a topic operator and no Cruise Control", on, err)
	}
	f.mustApply(ctx, t, "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: claims, namespace: kafka}\nspec: {entityOperator: {topicOperator: {watchedNamespace: kafka}}, cruiseControl: {autoRebalance: [{mode: add-brokers}]}}")
	// With one mode alone the operator fails when it should rebalance the other way.
	if x := now(); !x.Delegated || x.NoOut != "" || !strings.Contains(x.NoIn, "add-brokers and not remove-brokers") {
		t.Errorf("with add-brokers alone: %+v", x)
	}
	if err := s.Set(ctx, actuators.Scale{Replicas: 3}); err == nil {
		t.Error("a scale-in was asked for that the operator fails at")
	}
	if on, err := s.RevertsThrottles(ctx); err != nil || on {
		t.Errorf("reverts throttles = %v, %v with Cruise Control on", on, err)
	}
	f.mustApply(ctx, t, "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: claims, namespace: kafka, annotations: "+
		"{strimzi.io/skip-broker-scaledown-check: \"true\", strimzi.io/pause-reconciliation: \"true\"}}\nspec: {kafka: {replicas: 3}}")
	f.setStatus(ctx, t, "Kafka", "claims", `{"conditions":[{"type":"Warning","reason":"ScaleDownPreventionCheck","message":"Reverting scale-down of Kafka claims"}]}`)
	if x := now(); !strings.Contains(x.NoIn, "skip-broker-scaledown-check") || !strings.Contains(x.Held, "pause-reconciliation") || !strings.Contains(x.Refused, "Reverting") {
		t.Errorf("annotations and conditions of the Kafka resource: %+v", x)
	}
}
