package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// The groups of the compared day. Both read the same topic on the same brokers
// at the same time; tidetable sizes one, KEDA's formula the other.
const (
	aheadGroup = "billing"
	lagGroup   = "audit"
	// lagThreshold is KEDA's: ten seconds of one replica's work, half of what
	// the objective allows, which leaves the other half to the pods' start.
	lagThreshold = 10 * perReplica
)

// The load is at its low dayBegins after it began, so that both policies are at
// work by then, and the recording ends dayEnds after the next low.
const (
	dayBegins = time.Minute
	dayEnds   = time.Minute
)

// recorded is one day as it was seen. Its files (the journal, the policy, the
// snapshot of the start and the traces of the whole) lie in Dir.
type recorded struct {
	Dir     string    `json:"-"`
	First   time.Time `json:"first"` // the first decision that saw the load
	ByLag   time.Time `json:"byLag"` // when KEDA first looked at the other group
	Samples []sample  `json:"samples"`
	// MovedBytes is what Kafka itself counted as reassigned bytes in.
	MovedBytes float64 `json:"movedBytes"`
}

type sample struct {
	At      time.Time             `json:"at"`
	Brokers pods                  `json:"brokers"`
	Groups  map[string]groupState `json:"groups"`
	Moved   float64               `json:"moved"` // of MovedBytes, so far
}

type pods struct{ Want, Ready int }

type groupState struct {
	Pods pods  `json:"pods"`
	Lag  int64 `json:"lag"` // records, by committed offsets
	// Seconds is the partition that is furthest behind, over its share of what
	// is produced.
	Seconds float64 `json:"seconds"`
}

// recordDay runs the day without any fault, and writes down what it saw.
// TIDETABLE_RECORD keeps the files in a folder for a look afterwards.
func recordDay(ctx context.Context, t *testing.T) *recorded {
	t.Helper()
	dir := os.Getenv("TIDETABLE_RECORD")
	if dir == "" {
		// Two tests read it. The testbed sweeps what a process left behind.
		var err error
		dir, err = os.MkdirTemp("", fmt.Sprintf("tidetable-testbed-%d-day-", os.Getpid()))
		must(t, err)
	}
	must(t, os.MkdirAll(dir, 0o755))
	b := newComparedBed(ctx, t, filepath.Join(dir, "journal.jsonl"))
	r := &recorded{Dir: dir}
	policy := b.policy(t, wish{})
	must(t, os.WriteFile(filepath.Join(dir, "policy.yaml"), policy, 0o644))
	b.snapshot(ctx, t, filepath.Join(dir, "start.json"))
	must(t, b.Kubernetes.Apply(ctx, testbed.Namespace, policy))
	b.run(t)
	b.await(ctx, t, "the first decision", func(ctx context.Context) error {
		all, err := b.decisions(ctx)
		i := slices.IndexFunc(all, func(d decision.Decision) bool { return d.Seen.BytesIn > 0 })
		if err == nil && i < 0 {
			return errors.New("there is none")
		}
		if err == nil {
			r.First = all[i].Time
		}
		return err
	})
	// Both policies begin at the same time.
	must(t, b.Kubernetes.Apply(ctx, testbed.Namespace, fmt.Appendf(nil, scaledObject, lagGroup, lagGroup, lagGroup, lagThreshold)))
	r.watch(ctx, t, b)
	if r.ByLag = b.KEDALooked(lagGroup); r.ByLag.IsZero() {
		t.Fatal("KEDA never looked at the group")
	}
	b.snapshot(ctx, t, filepath.Join(dir, "end.json"))
	must(t, b.process.Stop(ctx))
	text, err := json.Marshal(r)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "recorded.json"), text, 0o644))
	t.Logf("recorded in %s: %d samples, %.1f MB moved", dir, len(r.Samples), r.MovedBytes/1e6)
	return r
}

const scaledObject = `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: %s}
spec:
  scaleTargetRef: {name: %s}
  minReplicaCount: 2
  maxReplicaCount: 12
  triggers:
    - {type: kafka, metadata: {consumerGroup: %s, topic: orders, lagThreshold: "%d"}}
`

// newComparedBed is a bed with the second group and KEDA, and with logs that
// keep all of the day: then what is moved is what was produced, to the byte.
func newComparedBed(ctx context.Context, t *testing.T, journal string) *bed {
	t.Helper()
	b := newBedWith(ctx, t, setup{
		retention: 64 << 20,
		shape:     func(began time.Time) (past, now testbed.Shape) { return followedDay(began.Add(dayBegins)) },
		before: func(ctx context.Context, b *bed) error {
			return b.DeployConsumers(ctx, testbed.Namespace, lagGroup, testbed.Consumer{Group: lagGroup, Topic: "orders", RecordsPerSecond: perReplica}, 2)
		},
	})
	b.journal = journal
	must(t, b.StartKEDA(ctx, testbed.Namespace))
	return b
}

// snapshot is what a planner would take of the cluster.
func (b *bed) snapshot(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	r := b.Run(ctx, t, "snapshot", "--prometheus", b.Prometheus.URL, "--bootstrap", b.Kafka.Bootstrap()[0],
		"--lookback", fmt.Sprintf("%dm", int((pastDays+2)*day/time.Minute)), "--step", "10s", "--scrape-interval", "2s", "--rate-over", "2s", "-o", path)
	switch {
	case r.Exit > 1:
		t.Fatalf("taking a snapshot ended with %d: %s", r.Exit, r.Stderr)
	case r.Exit == 1: // a broker that has just joined has no series yet, and the day is told without it
		t.Logf("the snapshot is not whole: %s", r.Stderr)
	}
}

// watch samples until the day is over and the next one's peak has been seen
// coming.
func (r *recorded) watch(ctx context.Context, t *testing.T, b *bed) {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		s, err := r.look(ctx, b)
		switch {
		case ctx.Err() != nil:
			t.Fatalf("the day did not end: %v", errors.Join(ctx.Err(), err))
		case !b.process.Running():
			t.Fatalf("tidetable ended with %d, see %s", b.process.ExitCode(), b.process.Log)
		case err != nil:
			t.Logf("looking: %v", err)
			continue
		}
		r.Samples = append(r.Samples, s)
		r.MovedBytes = max(r.MovedBytes, s.Moved)
		if now.After(b.began.Add(dayBegins + day + dayEnds)) {
			return
		}
	}
}

func (r *recorded) look(ctx context.Context, b *bed) (sample, error) {
	s := sample{At: time.Now(), Groups: map[string]groupState{}}
	var mu sync.Mutex
	var work sync.WaitGroup
	var errs []error
	do := func(f func() error) {
		work.Go(func() {
			if err := f(); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	for _, name := range []string{aheadGroup, lagGroup} {
		do(func() error {
			g, err := b.groupState(ctx, name, s.At)
			mu.Lock()
			s.Groups[name] = g
			mu.Unlock()
			return err
		})
	}
	do(func() error {
		set, err := b.Kubernetes.Client.AppsV1().StatefulSets(testbed.Namespace).Get(ctx, testbed.KafkaSetName, metav1.GetOptions{})
		if err == nil {
			s.Brokers = pods{int(*set.Spec.Replicas), int(set.Status.ReadyReplicas)}
		}
		return err
	})
	do(func() error {
		// The brokers' counters; one that has gone keeps its highest.
		v, err := b.Prometheus.Query(ctx, "sum(max_over_time(kafka_server_brokertopicmetrics_reassignmentbytesin_total[15m]))")
		if err == nil && len(v) > 0 {
			s.Moved = v[0].Value
		}
		return err
	})
	work.Wait()
	return s, errors.Join(errs...)
}

func (b *bed) groupState(ctx context.Context, name string, at time.Time) (groupState, error) {
	var g groupState
	d, err := b.Kubernetes.Client.AppsV1().Deployments(testbed.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return g, err
	}
	g.Pods = pods{int(*d.Spec.Replicas), int(d.Status.ReadyReplicas)}
	admin, err := b.Kafka.Admin()
	if err != nil {
		return g, err
	}
	lags, err := admin.Lag(ctx, name)
	if err != nil {
		return g, err
	}
	of, ok := lags[name]
	if err := of.Error(); !ok || err != nil {
		return g, fmt.Errorf("reading the lag of %s: %w", name, err)
	}
	each := slices.Collect(func(yield func(kadm.GroupMemberLag) bool) {
		for _, l := range of.Lag.Sorted() {
			if l.Topic == "orders" && l.Err == nil && !yield(l) {
				return
			}
		}
	})
	for _, l := range each {
		behind := max(l.Lag, 0)
		g.Lag += behind
		g.Seconds = max(g.Seconds, float64(behind)/(b.shape(at)/recordBytes/float64(len(each))))
	}
	return g, nil
}
