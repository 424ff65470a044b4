package testbed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const strimziManifest = `
apiVersion: kafka.strimzi.io/v1
kind: Kafka
metadata: {name: tide}
spec: {kafka: {}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {name: brokers, labels: {strimzi.io/cluster: tide}}
spec: {replicas: 3, roles: [broker], storage: {type: ephemeral}}
`

func TestStrimziStubScalesPoolsAsDocumented(t *testing.T) {
	RequireKubernetes(t)
	tb := Start(t, Options{Kubernetes: true})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	operator, err := tb.StartStrimzi(ctx, Namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.Kubernetes.Apply(ctx, Namespace, []byte(strimziManifest)); err != nil {
		t.Fatal(err)
	}
	pools := operator.client.Resource(KafkaNodePoolResource).Namespace(Namespace)
	wait := func(what string, check func(pool *unstructured.Unstructured) error) {
		t.Helper()
		if err := Poll(ctx, what, 300*time.Millisecond, func(ctx context.Context) error {
			pool, err := pools.Get(ctx, "brokers", metav1.GetOptions{})
			if err != nil {
				return err
			}
			return check(pool)
		}); err != nil {
			t.Fatal(err)
		}
	}
	nodes := func(want ...int) func(*unstructured.Unstructured) error {
		return func(pool *unstructured.Unstructured) error {
			if got := nodeIDs(pool); !slices.Equal(got, want) {
				return fmt.Errorf("its node ids are %v", got)
			}
			for _, id := range want {
				if b := tb.Kafka.Broker(id); b == nil || !b.Running() || b.unfenced(ctx) != nil {
					return fmt.Errorf("broker %d is not up", id)
				}
			}
			return nil
		}
	}
	resize := func(replicas int) {
		t.Helper()
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
		if _, err := pools.Patch(ctx, "brokers", types.MergePatchType, patch, metav1.PatchOptions{}, "scale"); err != nil {
			t.Fatal(err)
		}
	}
	wait("three nodes", nodes(0, 1, 2))
	resize(4)
	wait("a fourth node with the lowest free id", nodes(0, 1, 2, 3))

	if err := tb.Kafka.CreateTopic(ctx, "orders", 0, 0, nil, []int32{0, 1, 3}, []int32{3, 1, 2}); err != nil {
		t.Fatal(err)
	}
	// A broker with replicas is not taken away: the operator says so of the Kafka
	// resource, and leaves spec.replicas as it is.
	kafkas := operator.client.Resource(KafkaResource).Namespace(Namespace)
	resize(3)
	wait("the scale-down to be refused", func(pool *unstructured.Unstructured) error {
		kafka, err := kafkas.Get(ctx, "tide", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if n := int64At(pool, "spec", "replicas"); n != 3 {
			return &Fatal{fmt.Errorf("spec.replicas was set to %d", n)}
		}
		if conditions, _, _ := unstructured.NestedSlice(kafka.Object, "status", "conditions"); !strings.Contains(fmt.Sprint(conditions), "ScaleDownPreventionCheck") {
			return errors.New("it is not")
		}
		return nil
	})
	wait("all four to stay", nodes(0, 1, 2, 3))

	// With auto-rebalance the operator drains it itself.
	delegated := []byte(`{"spec":{"cruiseControl":{"autoRebalance":[{"mode":"add-brokers"},{"mode":"remove-brokers"}]}}}`)
	if _, err := kafkas.Patch(ctx, "tide", types.MergePatchType, delegated, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	wait("the highest id to leave", nodes(0, 1, 2))
	if n, err := tb.Kafka.ReplicasOn(ctx, 3); err != nil || n != 0 {
		t.Errorf("broker 3 still holds %d replicas, %v", n, err)
	}
	kafka, err := kafkas.Get(ctx, "tide", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if state, _, _ := unstructured.NestedString(kafka.Object, "status", "autoRebalance", "state"); state != "Idle" {
		t.Errorf("the auto-rebalance state is %q at the end, want Idle", state)
	}
}
