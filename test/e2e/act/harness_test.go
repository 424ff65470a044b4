// Package act judges mode Act end to end: a policy in a real Kubernetes API,
// real brokers and consumers as its pods, a real Prometheus with a past, and
// tidetable with the rights of the act overlay and no more. A day lasts eight
// minutes.
package act

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// The load and what one broker and one consumer carry of it. By the formulas,
// three brokers do at the low and four at the peak, two consumers and six.
const (
	day         = 8 * time.Minute
	low, peak   = 100e3, 340e3 // B/s produced
	recordBytes = 1024
	perReplica  = 75 // records a second that one consumer does
	lagSLO      = 20 // seconds
	nic         = 1.25e8
	networkIn   = 0.0024 // of nic, that a broker may carry of replicated bytes
	pastDays    = 20
)

// oldCapacity is the load that three brokers carry: their allowance over three
// replicas. The policy keeps nothing free for a loss, since three replicas and
// one broker lost would need four brokers at any load.
const oldCapacity = 3 * networkIn * nic / 3

type bed struct {
	*testbed.Testbed
	shape   testbed.Shape
	began   time.Time
	process *testbed.Process
	account string // a kubeconfig with tidetable's rights
	runs    int
}

// newBed brings everything up: the load is at its low now and at its peak in
// half a day.
func newBed(ctx context.Context, t *testing.T) *bed {
	t.Helper()
	tb := testbed.Start(t, testbed.Options{Kubernetes: true, Prometheus: true})
	b := &bed{Testbed: tb}
	must(t, tb.DeployKafka(ctx, testbed.Namespace, 3))
	must(t, tb.Kafka.CreateTopic(ctx, "orders", 12, 3, map[string]string{"retention.bytes": "4194304", "segment.bytes": "1048576"}))
	b.began = time.Now()
	b.shape = testbed.Day(low, peak, day, (time.Duration(b.began.UnixNano())+day/2)%day)
	must(t, tb.Prometheus.Stop(ctx))
	_, err := tb.Prometheus.Backfill(ctx, testbed.History{
		From: b.began.Add(-pastDays * day), To: b.began, Step: 5 * time.Second,
		Series: testbed.KafkaPast(tb.Kafka.Brokers(), "orders", b.shape, recordBytes, 1, 3),
	})
	must(t, err)
	must(t, tb.Prometheus.Start(ctx))
	load, err := tb.Kafka.Produce(testbed.Producer{Topic: "orders", Shape: b.shape, RecordBytes: recordBytes})
	must(t, err)
	t.Cleanup(load.Stop)
	must(t, tb.DeployConsumers(ctx, testbed.Namespace, "billing", testbed.Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: perReplica}, 2))
	manifest, err := testbed.RenderOverlay("act", testbed.Namespace, "Deployment", "PersistentVolumeClaim")
	must(t, err)
	must(t, tb.Kubernetes.Apply(ctx, testbed.Namespace, manifest))
	config, err := tb.Kubernetes.ServiceAccountConfig(ctx, testbed.Namespace, "tidetable")
	must(t, err)
	b.account = filepath.Join(tb.Dir, "tidetable.kubeconfig")
	must(t, testbed.WriteKubeconfig(b.account, config))
	return b
}

// policy is the document; more is added to its spec.
func (b *bed) policy(t *testing.T, more string) []byte {
	t.Helper()
	bootstrap, err := json.Marshal(b.Kafka.Bootstrap())
	must(t, err)
	return []byte(fmt.Sprintf(`apiVersion: tidetable.io/v1alpha1
kind: KafkaCapacityPolicy
metadata: {name: claims}
spec:
  mode: Act
  interval: 3s
  kafka: {bootstrap: %s}
  prometheus: {url: %q, catalogue: strimzi, scrapeInterval: 2s, timeout: 10s}
  forecast: {quantile: 0.9, history: %dm, step: 10s, horizon: 150s, refresh: 10s}
  brokers:
    target: {kind: StatefulSet, name: %s}
    min: 3
    max: 4
    shape: generic-small
    utilisation: {networkIn: %g, networkOut: 1, cpu: 1, disk: 0.95, diskBandwidth: 1}
    survive: {nothing: true}
    stabilisation: 40s
    startup: {pod: 30s, join: 15s}
  consumers:
    - {group: billing, target: {kind: Deployment, name: billing}, via: scale, min: 2, max: 12, perReplica: %d, stabilisation: 30s, startup: 10s, lag: {maxSeconds: %d}}
  gates: {cooldown: 15s, staleAfter: 30s, ineffective: 10m}
%s`, bootstrap, b.Prometheus.URL, int(pastDays*day/time.Minute), testbed.KafkaSetName, networkIn, perReplica, lagSLO, more))
}

// run starts tidetable as a pod of the act overlay would run it.
func (b *bed) run(t *testing.T) {
	t.Helper()
	b.runs++
	name := fmt.Sprintf("tidetable-%d", b.runs)
	b.process = b.Tidetable(t, name, []string{"POD_NAME=" + name}, "controller", "--kubernetes", "--kubeconfig", b.account,
		"--namespace", testbed.Namespace, "--max-mode", "Act", "--listen", "127.0.0.1:0", "--log-level", "debug")
}

// sizes is how many replicas are wanted, and ready.
type sizes struct{ brokers, brokersReady, consumers, consumersReady int }

func (b *bed) sizes(ctx context.Context) (sizes, error) {
	set, err := b.Kubernetes.Client.AppsV1().StatefulSets(testbed.Namespace).Get(ctx, testbed.KafkaSetName, metav1.GetOptions{})
	if err != nil {
		return sizes{}, err
	}
	d, err := b.Kubernetes.Client.AppsV1().Deployments(testbed.Namespace).Get(ctx, "billing", metav1.GetOptions{})
	if err != nil {
		return sizes{}, err
	}
	return sizes{int(*set.Spec.Replicas), int(set.Status.ReadyReplicas), int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)}, nil
}

// forbidden lists what the API server refused to tidetable's account.
func (b *bed) forbidden(t *testing.T) []string {
	t.Helper()
	out, err := b.Kubernetes.Forbidden("tidetable")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
