// Package admin tests on real brokers what is done to a broker that leaves.
package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidetable/tidetable/rebalance/execute/adminclient"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

func TestABrokerLeavesOnlyWhenItsOwnLogDirsAreEmpty(t *testing.T) {
	tb := testbed.Start(t, testbed.Options{Brokers: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	client, err := tb.Kafka.Client()
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := tb.Kafka.Admin()
	if err != nil {
		t.Fatal(err)
	}
	admin := adminclient.NewBrokerAdmin(adminclient.New(client))
	const leaving = 3
	if err := tb.Kafka.CreateTopic(ctx, "orders", 3, 3, nil, []int32{leaving, 0, 1}, []int32{0, 1, 2}, []int32{1, 2, leaving}); err != nil {
		t.Fatal(err)
	}

	empty, why, err := admin.Empty(ctx, []int{leaving})
	if err != nil || empty || why == "" {
		t.Errorf("a broker with replicas: empty %v, %q, %v", empty, why, err)
	}
	if err := admin.Unregister(ctx, []int{leaving}); err == nil {
		t.Error("a broker that is up was unregistered")
	}

	for range 2 { // everything may be done twice
		if err := admin.Cordon(ctx, []int{leaving}); err != nil {
			t.Fatal(err)
		}
	}
	placesNothing(ctx, t, tb, kafka, "while-cordoned", leaving)

	var req kadm.AlterPartitionAssignmentsReq
	req.Assign("orders", 0, []int32{2, 0, 1})
	req.Assign("orders", 2, []int32{1, 2, 0})
	if resp, err := kafka.AlterPartitionAssignments(kadm.ForbidAlterRf(ctx), req); err != nil || resp.Error() != nil {
		t.Fatal(err, resp.Error())
	}
	err = testbed.Poll(ctx, "the broker to be proven empty", 500*time.Millisecond, func(ctx context.Context) error {
		empty, why, err := admin.Empty(ctx, []int{leaving})
		if err == nil && !empty {
			err = notYet(why)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := tb.Kafka.Broker(leaving).Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tb.Kafka.Broker(leaving).WaitFenced(ctx); err != nil {
		t.Fatal(err)
	}
	if empty, why, _ := admin.Empty(ctx, []int{leaving}); empty || why == "" {
		t.Error("a broker that does not answer was proven empty")
	}
	never := leaving + 50
	if empty, why, err := admin.Empty(ctx, []int{never}); empty || !strings.Contains(why, "not registered") || err != nil {
		t.Errorf("a broker that Kafka never heard of: empty %v, %q, %v; it must not be proven empty", empty, why, err)
	}
	if err := admin.Cordon(ctx, []int{never}); err != nil {
		t.Errorf("cordoning a broker that never came: %v", err)
	}
	if err := admin.Unregister(ctx, []int{never}); err != nil {
		t.Errorf("unregistering a broker that never came: %v", err)
	}
	for range 2 {
		if err := admin.Unregister(ctx, []int{leaving}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnUncordonedBrokerTakesReplicasAgain(t *testing.T) {
	tb := testbed.Start(t, testbed.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	client, err := tb.Kafka.Client()
	if err != nil {
		t.Fatal(err)
	}
	admin := adminclient.NewBrokerAdmin(adminclient.New(client))
	if err := admin.Cordon(ctx, []int{2}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := admin.Uncordon(ctx, []int{2}); err != nil {
			t.Fatal(err)
		}
	}
	// With three brokers and three replicas it has to take one, once the
	// controller has heard of it.
	err = testbed.Poll(ctx, "a topic that needs the broker", 500*time.Millisecond, func(ctx context.Context) error {
		return tb.Kafka.CreateTopic(ctx, "orders", 3, 3, nil)
	})
	if err != nil {
		t.Error(err)
	}
}

// placesNothing creates topics until none of one is on the broker: the
// controller hears of a cordon a moment after the broker took it.
func placesNothing(ctx context.Context, t *testing.T, tb *testbed.Testbed, kafka *kadm.Client, topic string, broker int32) {
	t.Helper()
	n := 0
	err := testbed.Poll(ctx, "a topic without replicas on the cordoned broker", time.Second, func(ctx context.Context) error {
		if n++; n > 15 {
			return &testbed.Fatal{Err: notYet("new topics are still placed on it")}
		}
		name := fmt.Sprintf("%s-%d", topic, n)
		if err := tb.Kafka.CreateTopic(ctx, name, 12, 3, nil); err != nil {
			return err
		}
		topics, err := kafka.ListTopics(ctx, name)
		if err != nil {
			return err
		}
		defer kafka.DeleteTopics(ctx, name)
		for _, p := range topics[name].Partitions.Sorted() {
			if slices.Contains(p.Replicas, broker) {
				return notYet(fmt.Sprintf("partition %d of %s is on it", p.Partition, name))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

type notYet string

func (n notYet) Error() string { return string(n) }
