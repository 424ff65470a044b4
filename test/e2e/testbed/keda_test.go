package testbed

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestKEDAStubFollowsTheLagAndItsBounds(t *testing.T) {
	RequireKubernetes(t)
	tb := Start(t, Options{Kubernetes: true, Brokers: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if err := tb.DeployKafka(ctx, Namespace, 1); err != nil {
		t.Fatal(err)
	}
	if err := tb.Kafka.CreateTopic(ctx, "orders", 6, 1, map[string]string{"min.insync.replicas": "1"}); err != nil {
		t.Fatal(err)
	}
	// One replica reads 20 records per second; 100 come.
	if err := tb.DeployConsumers(ctx, Namespace, "billing", Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: 20}, 1); err != nil {
		t.Fatal(err)
	}
	if err := tb.StartKEDA(ctx, Namespace); err != nil {
		t.Fatal(err)
	}
	object := `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: billing}
spec:
  scaleTargetRef: {name: billing}
  minReplicaCount: 1
  maxReplicaCount: 3
  triggers:
    - {type: kafka, metadata: {consumerGroup: billing, topic: orders, lagThreshold: "50"}}
`
	if err := tb.Kubernetes.Apply(ctx, Namespace, []byte(object)); err != nil {
		t.Fatal(err)
	}
	producer, err := tb.Kafka.Produce(Producer{Topic: "orders", Shape: Constant(100 << 10)})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Stop()
	// The lag asks for more than three; the maximum is three.
	if err := tb.Kubernetes.WaitDeployment(ctx, Namespace, "billing", 3); err != nil {
		t.Fatal(err)
	}
	hpa, err := tb.Kubernetes.Client.AutoscalingV2().HorizontalPodAutoscalers(Namespace).Get(ctx, "keda-hpa-billing", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *hpa.Spec.MinReplicas != 1 || hpa.Spec.MaxReplicas != 3 {
		t.Errorf("the HPA's bounds are %d to %d, want 1 to 3", *hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas)
	}
}

func TestKEDAStubComputesAsTheHPADoes(t *testing.T) {
	for _, tt := range []struct {
		lag     float64
		current int32
		want    int32
	}{
		{lag: 0, current: 3, want: 0},
		{lag: 1000, current: 10, want: 10}, // exactly on target
		{lag: 1090, current: 10, want: 10}, // within the tolerance
		{lag: 1110, current: 10, want: 12},
		{lag: 910, current: 10, want: 10},
		{lag: 880, current: 10, want: 9},
		{lag: 50, current: 0, want: 1},
	} {
		if got := wanted(tt.lag, 100, tt.current); got != tt.want {
			t.Errorf("a lag of %g with %d replicas gives %d, want %d", tt.lag, tt.current, got, tt.want)
		}
	}
}
