package testbed

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodsAreRealBrokersAndConsumers(t *testing.T) {
	RequireKubernetes(t)
	tb := Start(t, Options{Kubernetes: true})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()

	if err := tb.DeployKafka(ctx, Namespace, 3); err != nil {
		t.Fatal(err)
	}
	if err := tb.Kafka.CreateTopic(ctx, "orders", 6, 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := tb.DeployConsumers(ctx, Namespace, "billing", Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: 100}, 2); err != nil {
		t.Fatal(err)
	}
	producer, err := tb.Kafka.Produce(Producer{Topic: "orders", Shape: Constant(50 << 10)})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Stop()
	admin, err := tb.Kafka.Admin()
	if err != nil {
		t.Fatal(err)
	}
	waitMembers(t, ctx, admin, "billing", 2)

	// More replicas are more brokers and more members of the group.
	scale(t, ctx, tb, "statefulsets", KafkaSetName, 4)
	scale(t, ctx, tb, "deployments", "billing", 3)
	if err := tb.Kubernetes.WaitStatefulSet(ctx, Namespace, KafkaSetName, 4); err != nil {
		t.Fatal(err)
	}
	if b := tb.Kafka.Broker(3); b == nil || b.Zone != "a" {
		t.Fatalf("broker 3 is %+v, want one in zone a", b)
	}
	waitMembers(t, ctx, admin, "billing", 3)

	// A deleted pod comes back as the same broker with its data.
	dir := tb.Kafka.Broker(1).DataDirs()[0]
	pid := tb.Kafka.Broker(1).Process().PID()
	if err := tb.Kubernetes.Client.CoreV1().Pods(Namespace).Delete(ctx, KafkaSetName+"-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	err = Poll(ctx, "broker 1 to come back", 300*time.Millisecond, func(ctx context.Context) error {
		b := tb.Kafka.Broker(1)
		if !b.Running() || b.Process().PID() == pid {
			return fmt.Errorf("it has not")
		}
		return b.unfenced(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if now := tb.Kafka.Broker(1).DataDirs()[0]; now != dir {
		t.Errorf("broker 1 came back on %s, want its volume %s", now, dir)
	}

	// Fewer replicas: the highest ordinal's process ends, its volume stays.
	gone := tb.Kafka.Broker(3)
	scale(t, ctx, tb, "statefulsets", KafkaSetName, 3)
	if err := tb.Kubernetes.WaitStatefulSet(ctx, Namespace, KafkaSetName, 3); err != nil {
		t.Fatal(err)
	}
	if err := Poll(ctx, "broker 3 to end", 200*time.Millisecond, func(context.Context) error {
		if gone.Running() {
			return fmt.Errorf("it runs")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone.DataDirs()[0]); err != nil {
		t.Errorf("the volume of broker 3 after the scale-in: %v", err)
	}
}

func scale(t *testing.T, ctx context.Context, tb *Testbed, resource, name string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	err := tb.Kubernetes.Client.AppsV1().RESTClient().Patch(types.MergePatchType).
		Namespace(Namespace).Resource(resource).Name(name).SubResource("scale").Body(patch).Do(ctx).Error()
	if err != nil {
		t.Fatalf("scaling %s to %d: %v", name, replicas, err)
	}
}

func waitMembers(t *testing.T, ctx context.Context, admin *kadm.Client, group string, want int) {
	t.Helper()
	err := Poll(ctx, fmt.Sprintf("%d members of group %s", want, group), 300*time.Millisecond, func(ctx context.Context) error {
		described, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		g := described[group]
		if g.Err != nil {
			return g.Err
		}
		if g.State != "Stable" || len(g.Members) != want {
			return fmt.Errorf("it is %s with %d members", g.State, len(g.Members))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
