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
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	interval    = 3 * time.Second // between ticks
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
	journal string // where the journal is; "" for none
	runs    int
	// kept starts tidetable again whenever it has ended, as a kubelet would; a
	// test that does not expect an end fails at one.
	kept bool
	told told
	// target is the pool that is scaled; the cluster may have others.
	target testbed.Pool
	load   *testbed.Load
}

// setup says what a bed begins with. The zero value is three brokers, two
// consumers, and a day whose low is now.
type setup struct {
	brokers int
	// pools are the brokers, where they are not a StatefulSet with ids that are
	// its ordinals; the first is the one that is scaled.
	pools []testbed.Pool
	// cluster is what else is different about it.
	cluster testbed.Options
	// rf of the topic, 3 when zero.
	rf int
	// noConsumers leaves the group to a reader that nobody scales.
	noConsumers bool
	// volumeMiB bounds each broker's volume; the machine's disk when zero.
	volumeMiB int
	// shape is the load from when it begins on; past, what history has of it.
	shape func(began time.Time) (past, now testbed.Shape)
	// before is done when the brokers are up and nothing is measured yet.
	before func(ctx context.Context, b *bed) error
	// partitions of the topic, 12 when zero, and the bytes that each keeps,
	// 4 MiB when zero.
	partitions, retention int
	journal               bool
}

func followedDay(began time.Time) (past, now testbed.Shape) {
	d := testbed.Day(low, peak, day, (time.Duration(began.UnixNano())+day/2)%day)
	return d, d
}

// newBed brings everything up: the load is at its low now and at its peak in
// half a day.
func newBed(ctx context.Context, t *testing.T) *bed {
	t.Helper()
	return newBedWith(ctx, t, setup{})
}

func (s setup) withDefaults() setup {
	if s.brokers == 0 {
		s.brokers = 3
	}
	if len(s.pools) == 0 {
		s.pools = []testbed.Pool{{Replicas: s.brokers}}
	}
	if s.pools[0].Name == "" {
		s.pools[0].Name = testbed.KafkaSetName
	}
	if s.rf == 0 {
		s.rf = 3
	}
	if s.partitions == 0 {
		s.partitions = 12
	}
	if s.shape == nil {
		s.shape = followedDay
	}
	if s.retention == 0 {
		s.retention = 4 << 20
	}
	return s
}

// newBedWith brings everything up: brokers, a past, load, consumers, and the
// act overlay's account.
func newBedWith(ctx context.Context, t *testing.T, s setup) *bed {
	t.Helper()
	s = s.withDefaults()
	o := s.cluster
	o.Kubernetes, o.Prometheus, o.VolumeMiB = true, true, s.volumeMiB
	tb := testbed.Start(t, o)
	b := &bed{Testbed: tb, target: s.pools[0]}
	if s.journal {
		b.journal = filepath.Join(tb.Dir, "journal.jsonl")
	}
	must(t, tb.Prometheus.Stop(ctx))
	must(t, tb.DeployPools(ctx, testbed.Namespace, s.pools...))
	must(t, tb.Kafka.CreateTopic(ctx, "orders", s.partitions, s.rf, map[string]string{"retention.bytes": strconv.Itoa(s.retention), "segment.bytes": "1048576"}))
	if s.before != nil {
		must(t, s.before(ctx, b))
	}
	b.began = time.Now()
	var err error
	past, now := s.shape(b.began)
	b.shape = now
	// The load begins where the past ends: the brokers' counters begin at zero,
	// and what was produced by the first scrape is all that they have counted.
	b.load, err = tb.Kafka.Produce(testbed.Producer{Topic: "orders", Shape: b.shape, RecordBytes: recordBytes})
	must(t, err)
	t.Cleanup(b.load.Stop)
	_, err = tb.Prometheus.Backfill(ctx, testbed.History{
		From: b.began.Add(-pastDays * day), To: b.began, Step: 5 * time.Second,
		Series: testbed.KafkaPast(tb.Kafka.Brokers(), "orders", past, recordBytes, 1, s.rf),
	})
	must(t, err)
	must(t, tb.Prometheus.Start(ctx))
	if s.noConsumers {
		reader, err := tb.Kafka.Consume(testbed.Consumer{Group: "billing", Topic: "orders"})
		must(t, err)
		t.Cleanup(reader.Stop)
	} else {
		must(t, tb.DeployConsumers(ctx, testbed.Namespace, "billing", testbed.Consumer{Group: "billing", Topic: "orders", RecordsPerSecond: perReplica}, 2))
	}
	manifest, err := testbed.RenderOverlay("act", testbed.Namespace, "Deployment", "PersistentVolumeClaim")
	must(t, err)
	must(t, tb.Kubernetes.Apply(ctx, testbed.Namespace, manifest))
	config, err := tb.Kubernetes.ServiceAccountConfig(ctx, testbed.Namespace, "tidetable")
	must(t, err)
	b.account = filepath.Join(tb.Dir, "tidetable.kubeconfig")
	must(t, testbed.WriteKubeconfig(b.account, config))
	return b
}

// wish is what tests change in the policy; the zero value is the followed
// day's.
type wish struct {
	min, max       int
	stabilisation  string
	cooldown       string
	noConsumers    bool // leave the group out of the policy
	horizon        string
	quantile       float64
	more           string // of the spec, as YAML
	throttle       string
	brokerActions  int
	startupPod     string
	consumersStart string
}

func (w wish) withDefaults() wish {
	or := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	or(&w.stabilisation, "40s")
	or(&w.cooldown, "15s")
	or(&w.horizon, "150s")
	or(&w.startupPod, "30s")
	or(&w.consumersStart, "10s")
	if w.quantile == 0 {
		w.quantile = 0.9
	}
	if w.min == 0 {
		w.min = 3
	}
	if w.max == 0 {
		w.max = 4
	}
	return w
}

// policy is the document.
func (b *bed) policy(t *testing.T, w wish) []byte {
	t.Helper()
	w = w.withDefaults()
	bootstrap, err := json.Marshal(b.Kafka.Bootstrap())
	must(t, err)
	more := w.more
	if !w.noConsumers {
		more += fmt.Sprintf("  consumers:\n    - {group: billing, target: {kind: Deployment, name: billing}, via: scale, min: 2, max: 12, perReplica: %d, stabilisation: 30s, startup: %s, lag: {maxSeconds: %d}}\n",
			perReplica, w.consumersStart, lagSLO)
	}
	if b.journal != "" {
		more += fmt.Sprintf("  journal: {path: %q}\n", b.journal)
	}
	if w.throttle != "" {
		more += fmt.Sprintf("  rebalance: {throttle: %q}\n", w.throttle)
	}
	budget := ""
	if w.brokerActions > 0 {
		budget = fmt.Sprintf(", budget: {brokerActionsPerDay: %d}", w.brokerActions)
	}
	return []byte(fmt.Sprintf(`apiVersion: tidetable.io/v1alpha1
kind: KafkaCapacityPolicy
metadata: {name: claims}
spec:
  mode: Act
  interval: %s
  kafka: {bootstrap: %s}
  prometheus: {url: %q, catalogue: strimzi, scrapeInterval: 2s, timeout: 10s}
  forecast: {quantile: %g, history: %dm, step: 10s, horizon: %s, refresh: 10s}
  brokers:
    target: {kind: StatefulSet, name: %s}
    min: %d
    max: %d
    shape: generic-small
    utilisation: {networkIn: %g, networkOut: 1, cpu: 1, disk: 0.95, diskBandwidth: 1}
    survive: {nothing: true}
    stabilisation: %s
    startup: {pod: %s, join: 15s}
  gates: {cooldown: %s, staleAfter: 30s, ineffective: 10m%s}
  cost: {brokerHour: 1, change: 0.001, movedGigabyte: 0.001} # a day lasts minutes here
%s`, interval, bootstrap, b.Prometheus.URL, w.quantile, int(pastDays*day/time.Minute), w.horizon, b.target.Name, w.min, w.max, networkIn, w.stabilisation, w.startupPod, w.cooldown, budget, more))
}

// journals is the folder that policies may keep their journals in.
func (b *bed) journals() string {
	if b.journal == "" {
		return b.Dir
	}
	return filepath.Dir(b.journal)
}

// wants applies the policy, as an operator would with kubectl.
func (b *bed) wants(ctx context.Context, t *testing.T, w wish) {
	t.Helper()
	must(t, b.Kubernetes.Apply(ctx, testbed.Namespace, b.policy(t, w)))
}

// run starts tidetable as a pod of the act overlay would run it.
func (b *bed) run(t *testing.T) {
	t.Helper()
	b.runs++
	name := fmt.Sprintf("tidetable-%d", b.runs)
	b.process = b.Tidetable(t, name, []string{"POD_NAME=" + name}, "controller", "--kubernetes", "--kubeconfig", b.account,
		"--namespace", testbed.Namespace, "--max-mode", "Act", "--journals", b.journals(), "--listen", "127.0.0.1:0", "--log-level", "debug")
}

// sizes is how many replicas are wanted, and ready.
type sizes struct{ brokers, brokersReady, consumers, consumersReady int }

func (b *bed) sizes(ctx context.Context) (sizes, error) {
	set, err := b.Kubernetes.Client.AppsV1().StatefulSets(testbed.Namespace).Get(ctx, b.target.Name, metav1.GetOptions{})
	if err != nil {
		return sizes{}, err
	}
	out := sizes{brokers: int(*set.Spec.Replicas), brokersReady: int(set.Status.ReadyReplicas)}
	d, err := b.Kubernetes.Client.AppsV1().Deployments(testbed.Namespace).Get(ctx, "billing", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return out, nil
	}
	if err != nil {
		return sizes{}, err
	}
	out.consumers, out.consumersReady = int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)
	return out, nil
}

// nothingForbidden fails the test where the API server refused tidetable's
// account anything.
func (b *bed) nothingForbidden(t *testing.T) {
	t.Helper()
	refused, err := b.Kubernetes.Forbidden("tidetable")
	must(t, err)
	if len(refused) > 0 {
		t.Errorf("requests outside the act overlay's rights were made: %v", refused)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
