package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// layout is a cluster that is not like the followed day's: other ids, pools,
// zones, roles, disks or versions.
type layout struct {
	name    string
	cluster testbed.Options
	pools   []testbed.Pool // the first is the policy's target
	rf      int            // 3 when zero
	quick   bool           // its short day is in every run of the tests
	// refused is why its first scale-in below what there were is refused; the
	// annotation of a hold is tried where it is empty.
	refused string
}

var layouts = []layout{
	{name: "ids from 100 by the start script", pools: []testbed.Pool{{Replicas: 3, IDOffset: 100}}, quick: true},
	{name: "ids from 100 by ordinals.start", pools: []testbed.Pool{{Replicas: 3, FirstOrdinal: 100}}},
	{name: "ids from 1 by the start script", pools: []testbed.Pool{{Replicas: 3, IDOffset: 1}}},
	{
		name: "ids from 1 by ordinals.start, brokers without racks", pools: []testbed.Pool{{Replicas: 3, FirstOrdinal: 1}},
		cluster: testbed.Options{NoRacks: true}, quick: true,
	},
	{
		name: "two pools, one a zone", rf: 2, quick: true, cluster: testbed.Options{Brokers: 2, Zones: []string{"a", "b"}},
		pools: []testbed.Pool{{Name: "kafka-a", Replicas: 2, Zone: "a"}, {Name: "kafka-b", Replicas: 2, Zone: "b", IDOffset: 100}},
	},
	{
		name: "two pools of two sizes by limits",
		pools: []testbed.Pool{
			{Name: "kafka-large", Replicas: 3, CPULimit: 2}, {Name: "kafka-small", Replicas: 1, CPULimit: 1, FirstOrdinal: 50},
		},
	},
	{
		name: "combined nodes: three of four are the controllers too", pools: []testbed.Pool{{Replicas: 4}},
		cluster: testbed.Options{Voters: []int{1, 2, 3}}, refused: "a voter never leaves",
	},
	{name: "two log directories a broker", pools: []testbed.Pool{{Replicas: 3, LogDirs: 2}}},
	{name: "Kafka 3.9", pools: []testbed.Pool{{Replicas: 3}}, cluster: testbed.Options{OldestKafka: true}},
}

// replicated is what so many brokers carry of produced bytes.
func (l layout) carried(brokers float64) float64 {
	return brokers * networkIn * nic / float64(l.copies())
}

func (l layout) copies() int {
	if l.rf > 0 {
		return l.rf
	}
	return 3
}

// all is how many brokers the cluster begins with.
func (l layout) all() int {
	n := 0
	for _, p := range l.pools {
		n += p.Replicas
	}
	return n
}

// tide is the load of the short day: below what the cluster carries, as it
// always was, until it rises to what one more broker does.
type tide struct {
	layout
	high atomic.Bool
}

func (l *tide) shape(began time.Time) (past, now testbed.Shape) {
	n := float64(l.all())
	past = testbed.Day(l.carried(n*0.15), l.carried(n*0.25), day, time.Duration(began.UnixNano())%day)
	return past, func(at time.Time) float64 {
		if l.high.Load() {
			return l.carried(n + 0.7)
		}
		return past(at)
	}
}

// TestOtherPeoplesClustersAreScaledWithoutLosingAReplica follows a short day on
// clusters of other layouts: the load rises, one more broker comes and is
// filled, the load falls, and the broker goes when it is proven empty. What the
// testbed knows decides, not what tidetable believes.
func TestOtherPeoplesClustersAreScaledWithoutLosingAReplica(t *testing.T) {
	testbed.RequireKubernetes(t)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			if !l.quick {
				requireSoak(t, "each layout takes minutes")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
			defer cancel()
			l.day(ctx, t)
		})
	}
}

// TestAVoterNeverLeaves has the last of four brokers be one of the cluster's
// controllers, and asks for three: nothing goes, and the decision says why.
func TestAVoterNeverLeaves(t *testing.T) {
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	l := layouts[slices.IndexFunc(layouts, func(l layout) bool { return l.refused != "" })]
	load := &tide{layout: l}
	b := newBedWith(ctx, t, setup{shape: load.shape, journal: true, noConsumers: true, pools: slices.Clone(l.pools), cluster: l.cluster})
	w := wish{min: l.pools[0].Replicas, stabilisation: "5s", cooldown: "1s", noConsumers: true, horizon: "60s", quantile: 0.5}
	b.run(t)
	t.Log(l.held(ctx, t, b, w, load))
	if gone := b.Kubernetes.Agent.Departures(); len(gone) > 0 {
		t.Errorf("pods went: %+v", gone)
	}
	b.nothingLost(ctx, t, l)
	b.nothingForbidden(t)
}

// day is the short day, and in a soak the rest of the matrix's row too.
func (l layout) day(ctx context.Context, t *testing.T) {
	load := &tide{layout: l}
	from, m := l.pools[0].Replicas, newMatrixRow(t, l.name)
	s := setup{shape: load.shape, journal: true, noConsumers: true, pools: slices.Clone(l.pools), cluster: l.cluster, rf: l.copies()}
	b := newBedWith(ctx, t, s)
	w := wish{
		min: from, max: from + 1, stabilisation: "10s", cooldown: "5s", noConsumers: true, brokerActions: 100, startupPod: "20s",
		horizon: "60s", quantile: 0.5, // what a rise has taught is forgotten sooner
	}
	if soak() {
		w.throttle = "1MB/s" // long enough to be killed in
	}
	b.wants(ctx, t, w)
	b.run(t)
	watched := watch(ctx, t, b)
	b.seenFor(ctx, t, l)
	if soak() {
		m.cells[columnRebalance] = l.evened(ctx, t, b)
		b.seenFor(ctx, t, l)
	}

	load.high.Store(true)
	rose := time.Now()
	b.sized(ctx, t, from+1)
	joined := b.target.IDs(from + 1)[from]
	if n, err := b.Kafka.ReplicasOn(ctx, joined); err != nil || n == 0 {
		t.Errorf("broker %d holds %d replicas after its operation, %v", joined, n, err)
	}
	m.cells[columnOut] = fmt.Sprintf("broker %d, %s after the rise", joined, time.Since(rose).Round(time.Second))

	load.high.Store(false)
	fell := time.Now()
	if soak() {
		phase := b.killWhile(ctx, t, rand.New(rand.NewPCG(seed(), 2)), 3*time.Second, leaving)
		m.cells[columnKill] = fmt.Sprintf("in %s; completed by its successor", phase)
	}
	b.sized(ctx, t, from)
	b.departed(ctx, t, joined)
	m.cells[columnIn] = fmt.Sprintf("broker %d, %s after the fall", joined, time.Since(fell).Round(time.Second))
	watched.end(t)
	watched.stepsWere(t, from, from+1, from)
	if soak() {
		m.cells[columnHold] = l.held(ctx, t, b, w, load)
	}
	b.nothingLost(ctx, t, l)
	b.nothingForbidden(t)
}

// seenFor waits until the load has been seen as it is and is trusted.
func (b *bed) seenFor(ctx context.Context, t *testing.T, l layout) {
	t.Helper()
	b.await(ctx, t, "two quiet ticks", func(ctx context.Context) error {
		all, err := b.decisions(ctx)
		if err != nil || len(all) < 2 {
			return fmt.Errorf("%d decisions so far, %w", len(all), err)
		}
		for _, d := range all[len(all)-2:] {
			if d.Operation != nil || d.Reason != decision.ReasonSteady || float64(d.Seen.BytesIn) < l.carried(0.1*float64(l.all())) {
				return fmt.Errorf("%s: %s", d.Reason, d.Outcome)
			}
		}
		return nil
	})
}

// evened lets one broker lead nearly all of the topic, and starts tidetable
// again, since the balance is looked at when it starts and seldom after: a
// rebalance must be begun and carried out.
func (l layout) evened(ctx context.Context, t *testing.T, b *bed) string {
	t.Helper()
	must(t, b.Kafka.LeadFrom(ctx, "orders", b.target.IDs(1)[0]))
	time.Sleep(15 * time.Second) // until the rates that Prometheus has are the new ones
	must(t, b.process.Stop(ctx))
	began := time.Now()
	b.run(t)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	b.await(ctx, t, "the topic's leaders to be evened out", func(ctx context.Context) error {
		ds, err := b.since(ctx, began)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(ds, func(d decision.Decision) bool { return d.Operation != nil && d.Operation.Kind == decision.Rebalance }) {
			return fmt.Errorf("no rebalance has begun in %d decisions", len(ds))
		}
		op, err := b.operation(ctx)
		if err == nil && op != nil {
			err = fmt.Errorf("the operation is %+v", op)
		}
		return err
	})
	return fmt.Sprintf("in %s", time.Since(began).Round(time.Second))
}

// departed fails the test unless the broker's pod was the only one to go, and
// was empty then.
func (b *bed) departed(ctx context.Context, t *testing.T, id int) {
	t.Helper()
	must(t, testbed.Poll(ctx, "the pod to have gone", 200*time.Millisecond, func(context.Context) error {
		if len(b.Kubernetes.Agent.Departures()) == 0 {
			return errors.New("no pod has gone")
		}
		return nil
	}))
	all := b.Kubernetes.Agent.Departures()
	for _, d := range all {
		if d.Err != nil || d.Replicas > 0 || d.Broker != id {
			t.Errorf("pod %s, broker %d, went with %d replicas, %v; broker %d was to go", d.Pod, d.Broker, d.Replicas, d.Err, id)
		}
	}
	if len(all) != 1 {
		t.Errorf("%d pods went, want one: %+v", len(all), all)
	}
}

// held has the workload held, or asks for what must be refused: nothing
// changes, and the decision says why.
func (l layout) held(ctx context.Context, t *testing.T, b *bed, w wish, load *tide) string {
	t.Helper()
	words, from := l.refused, w.min
	if words == "" {
		words = "somebody looks at it"
		patch := []byte(`{"metadata":{"annotations":{"tidetable.io/hold":"` + words + `"}}}`)
		_, err := b.Kubernetes.Client.AppsV1().StatefulSets(testbed.Namespace).Patch(ctx, b.target.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		must(t, err)
		load.high.Store(true)
	} else {
		w.min--
		b.wants(ctx, t, w)
	}
	at, said := time.Now(), 0
	b.await(ctx, t, "five decisions that say why", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && s.brokers != from {
			err = &testbed.Fatal{Err: fmt.Errorf("%d brokers are wanted", s.brokers)}
		}
		if err != nil {
			return err
		}
		ds, err := b.since(ctx, at)
		if err != nil {
			return err
		}
		said = 0
		for _, d := range ds {
			if text, err := json.Marshal(d); err == nil && strings.Contains(string(text), words) {
				said++
			}
		}
		if said < 5 {
			return fmt.Errorf("%d of %d decisions say %q", said, len(ds), words)
		}
		return nil
	})
	return fmt.Sprintf("“%s”", words)
}

// nothingLost looks at what Kafka has in the end: every partition has all its
// replicas, in sync and on brokers that live, and every record that was
// acknowledged.
func (b *bed) nothingLost(ctx context.Context, t *testing.T, l layout) {
	t.Helper()
	b.load.Stop()
	acknowledged := b.load.Records()
	admin, err := b.Kafka.Admin()
	must(t, err)
	must(t, testbed.Poll(ctx, "every partition to have all its replicas in sync", 300*time.Millisecond, func(ctx context.Context) error {
		brokers, err := admin.ListBrokers(ctx)
		if err != nil {
			return err
		}
		topics, err := admin.ListTopicsWithInternal(ctx)
		if err != nil {
			return err
		}
		live, broken := brokers.NodeIDs(), []string{}
		topics.EachPartition(func(p kadm.PartitionDetail) {
			want := l.copies()
			alive := !slices.ContainsFunc(p.Replicas, func(id int32) bool { return !slices.Contains(live, id) })
			if p.Topic != "orders" {
				want = len(p.Replicas) // internal ones are as Kafka made them
			}
			if len(p.Replicas) != want || len(p.ISR) != want || !alive {
				broken = append(broken, fmt.Sprintf("%s-%d: replicas %v, in sync %v", p.Topic, p.Partition, p.Replicas, p.ISR))
			}
		})
		if len(broken) > 0 {
			return fmt.Errorf("brokers %v: %s", live, strings.Join(broken, "; "))
		}
		return nil
	}))
	ends, err := admin.ListEndOffsets(ctx, "orders")
	must(t, err)
	var written int64
	ends.Each(func(o kadm.ListedOffset) { written += o.Offset })
	if written < acknowledged {
		t.Errorf("the topic has had %d records and %d were acknowledged", written, acknowledged)
	}
	for _, p := range l.pools[1:] {
		set, err := b.Kubernetes.Client.AppsV1().StatefulSets(testbed.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
		must(t, err)
		if n := int(*set.Spec.Replicas); n != p.Replicas {
			t.Errorf("pool %s is nobody's target and has %d replicas of %d", p.Name, n, p.Replicas)
		}
	}
}
