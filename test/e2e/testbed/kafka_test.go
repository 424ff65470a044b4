package testbed

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKafkaLivesThroughAddedKilledAndRestartedBrokers(t *testing.T) {
	tb := Start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()

	if err := tb.Kafka.CreateTopic(ctx, "orders", 6, 3, nil); err != nil {
		t.Fatal(err)
	}
	admin, err := tb.Kafka.Admin()
	if err != nil {
		t.Fatal(err)
	}
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	zones := map[int32]string{}
	for _, b := range brokers {
		if b.Rack != nil {
			zones[b.NodeID] = *b.Rack
		}
	}
	if len(zones) != 3 || zones[0] != "a" || zones[1] != "b" || zones[2] != "c" {
		t.Errorf("the brokers' racks are %v, want a, b, c", zones)
	}

	client, err := tb.Kafka.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("one")}).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}

	added, err := tb.Kafka.AddBroker(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if added.ID != 3 {
		t.Errorf("the added broker's id is %d, want the lowest free one, 3", added.ID)
	}
	if err := tb.Kafka.Broker(1).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := tb.Kafka.Broker(1).WaitFenced(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("two")}).FirstErr(); err != nil {
		t.Errorf("producing with one broker dead: %v", err)
	}
	if err := tb.Kafka.Broker(1).Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tb.Kafka.RemoveBroker(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := added.WaitFenced(ctx); err != nil {
		t.Fatal(err)
	}
	for _, b := range tb.Kafka.Brokers() {
		if !b.Running() {
			t.Errorf("broker %d does not run at the end", b.ID)
		}
	}
}
