// Package recommend judges the loop up to its recommendation on real parts: a
// Kafka cluster under load, read by a Prometheus with two weeks of history.
package recommend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// The load is at its daily low while the test runs and doubles within the
// horizon: the peak comes twelve hours from now, as it did on each of the
// fourteen days before.
const (
	low         = 200e3 // B/s produced now
	peak        = 2 * low
	day         = 24 * time.Hour
	days        = 14
	recordBytes = 1024
	replicas    = 3
	readers     = 1
)

// What one broker may carry of replicated bytes coming in: the share of a
// generic-small machine's 1.25e8 B/s that the policy allows.
const (
	nic       = 1.25e8
	networkIn = 0.004
)

// brokersByHand is the formula ΣW·RF / B ≤ u·nic_in, with one broker lost.
func brokersByHand(produced float64) int {
	return int(math.Ceil(produced*replicas/(networkIn*nic))) + 1
}

type bed struct {
	*testbed.Testbed
	t        *testing.T
	ctx      context.Context
	consumer *testbed.Load
	producer *testbed.Load
}

// newBed starts everything and waits until the load is seen.
func newBed(t *testing.T) *bed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	t.Cleanup(cancel)
	began := time.Now()
	shape := testbed.Day(low, peak, day, (time.Duration(began.UnixNano())+12*time.Hour)%day)
	tb := testbed.Start(t, testbed.Options{
		Prometheus: true,
		History: func(k *testbed.Kafka) []testbed.History {
			// The last minutes are as dense as the live scrapes, so that a rate
			// over both is the load's.
			to, series := time.Now(), testbed.KafkaPast(k.Brokers(), "orders", shape, recordBytes, readers, replicas)
			dense := to.Add(-10 * time.Minute)
			return []testbed.History{
				{From: to.Add(-days * day), To: dense, Step: time.Minute, Series: series},
				{From: dense, To: to, Step: 5 * time.Second, Series: series},
			}
		},
	})
	b := &bed{Testbed: tb, t: t, ctx: ctx}
	retention := map[string]string{"retention.bytes": "8388608"}
	if err := tb.Kafka.CreateTopic(ctx, "orders", 12, replicas, retention); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.producer, err = tb.Kafka.Produce(testbed.Producer{Topic: "orders", Shape: shape, RecordBytes: recordBytes}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.producer.Stop)
	if b.consumer, err = tb.Kafka.Consume(testbed.Consumer{Group: "billing", Topic: "orders"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.consumer.Stop)
	if err := tb.Prometheus.WaitTargets(ctx); err != nil {
		t.Fatal(err)
	}
	b.waitSeen()
	return b
}

// waitSeen waits until Prometheus has the load of the running brokers.
func (b *bed) waitSeen() {
	b.t.Helper()
	err := testbed.Poll(b.ctx, "the load to be seen", time.Second, func(ctx context.Context) error {
		got, err := b.Prometheus.Query(ctx, `sum(rate(kafka_server_brokertopicmetrics_bytesin_total{topic="orders"}[2m]))`)
		if err != nil {
			return err
		}
		if len(got) != 1 || got[0].Value < 0.75*low {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// policy writes the policy document and returns its path.
func (b *bed) policy(more string) string {
	b.t.Helper()
	bootstrap, err := json.Marshal(b.Kafka.Bootstrap())
	if err != nil {
		b.t.Fatal(err)
	}
	text := fmt.Sprintf(`apiVersion: tidetable.io/v1alpha1
kind: KafkaCapacityPolicy
metadata: {name: claims}
spec:
  mode: Recommend
  interval: 2s
  kafka: {bootstrap: %s}
  prometheus: {url: %q, catalogue: strimzi, timeout: 10s}
  forecast: {quantile: 0.9, history: %dd, step: 5m, horizon: 13h}
  brokers:
    min: 3
    max: 12
    shape: generic-small
    utilisation: {networkIn: %g, networkOut: 1, cpu: 1, disk: 0.9, diskBandwidth: 1}
    survive: {brokers: 1}
%s`, bootstrap, b.Prometheus.URL, days, networkIn, more)
	path := filepath.Join(b.Dir, "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// once runs controller --once and reads its Decision.
func (b *bed) once(policy string) decision.Decision {
	b.t.Helper()
	r := b.Run(b.ctx, b.t, "controller", "--once", "--policy", policy, "--output", "json")
	if r.Exit != 0 {
		b.t.Fatalf("controller --once exits %d, want 0; stderr:\n%s", r.Exit, r.Stderr)
	}
	return b.decision(r.Stdout)
}

func (b *bed) decision(raw []byte) decision.Decision {
	b.t.Helper()
	var d decision.Decision
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&d); err != nil {
		b.t.Fatalf("reading the decision: %v\n%.2000s", err, raw)
	}
	return d
}
