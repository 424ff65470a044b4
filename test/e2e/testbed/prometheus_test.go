package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPrometheusSeesTheLoadAndTheBackfilledPast(t *testing.T) {
	tb := Start(t, Options{Brokers: 2, Prometheus: true, VolumeBytes: 1e9, CPULimit: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	k, p := tb.Kafka, tb.Prometheus

	// The past goes in while Prometheus is down, as history does at the start.
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	to := time.Now().Add(-time.Minute)
	past := History{From: to.Add(-5 * time.Hour), To: to, Step: 30 * time.Second,
		Series: KafkaPast(k.Brokers(), "orders", Constant(4096), 1024, 1, 2)}
	if _, err := p.Backfill(ctx, past); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitTargets(ctx); err != nil {
		t.Fatal(err)
	}

	if err := k.CreateTopic(ctx, "orders", 4, 2, nil); err != nil {
		t.Fatal(err)
	}
	producer, err := k.Produce(Producer{Topic: "orders", Shape: Constant(200e3)})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Stop()
	consumer, err := k.Consume(Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Stop()

	// Each series a catalogue of Strimzi's names would ask for, with a value
	// that the load makes true.
	for _, want := range []struct {
		expr      string
		low, high float64
	}{
		{`sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesin_total{topic="orders"}[20s]))`, 150e3, 300e3},
		{`sum by (topic) (rate(kafka_server_brokertopicmetrics_messagesin_total{topic="orders"}[20s]))`, 150, 250},
		{`sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesout_total{topic="orders"}[20s]))`, 50e3, 300e3},
		{`sum by (namespace) (rate(kafka_server_brokertopicmetrics_replicationbytesin_total[20s]))`, 150e3, 300e3},
		{`max by (namespace) (kafka_server_replicamanager_underreplicatedpartitions)`, 0, 0},
		{`1e-9 * min by (namespace) (rate(kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_count_total[20s]))`, 0.01, 1.1},
		{`sum by (topic) (kafka_log_log_size{topic="orders"})`, 1000, 1e9},
		{`count by (namespace) (rate(container_cpu_usage_seconds_total[20s]) > 0)`, 2, 2},
		{`max by (namespace) (kubelet_volume_stats_capacity_bytes)`, 1e9, 1e9},
		{`max by (request) (kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.99"})`, 0.01, 1e5},
		{`max by (namespace) (jvm_memory_used_bytes{area="heap"} or jvm_memory_bytes_used{area="heap"})`, 1e6, 1e9},
		{`sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesin_total{topic="orders"}[5m] offset 2h))`, 4000, 4200},
	} {
		err := Poll(ctx, want.expr, time.Second, func(ctx context.Context) error {
			got, err := p.Query(ctx, want.expr)
			if err != nil {
				return err
			}
			if len(got) != 1 {
				return fmt.Errorf("got %v, want one series", got)
			}
			for _, v := range got {
				if !(v.Value >= want.low && v.Value <= want.high) {
					return fmt.Errorf("got %g, want %g to %g", v.Value, want.low, want.high)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := producer.Err(); err != nil {
		t.Error(err)
	}

	dir, err := p.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if blocks, _ := filepath.Glob(filepath.Join(dir, "*", "meta.json")); len(blocks) < 3 {
		entries, _ := os.ReadDir(dir)
		t.Errorf("the snapshot of five hours holds %d blocks: %v", len(blocks), entries)
	}
}
