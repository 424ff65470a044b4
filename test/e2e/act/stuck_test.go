package act

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// Volumes of so much, half of each taken by a partition without replicas: four
// brokers' data fit on three in sum, and the fourth's partition on none.
const (
	volumeMiB  = 64
	archiveMiB = volumeMiB / 2
)

// TestADrainWithoutSpaceHoldsUntilThePolicyIsEdited: the load needs three of
// four brokers, and what the fourth holds fits nowhere else. The drain holds
// and says why, for as long as one looks; the policy's edit takes it back.
func TestADrainWithoutSpaceHoldsUntilThePolicyIsEdited(t *testing.T) {
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	r := newResult(t, rowStuck)
	s := setup{brokers: 4, volumeMiB: volumeMiB, before: archive, partitions: 3, retention: 1 << 20, journal: true, shape: (&lever{}).shape}
	w := wish{noConsumers: true, stabilisation: "10s"}
	if err := testbed.MountRefused(); err != nil {
		t.Logf("volumes cannot be bounded here (%v): brokers that may take nothing stand in for brokers without space", err)
		s.volumeMiB, w.more = 0, "  rebalance: {exclude: {brokers: [0, 1, 2]}}\n"
	}
	b := newBedWith(ctx, t, s)
	before, err := b.placement(ctx)
	must(t, err)
	b.wants(ctx, t, w)
	b.run(t)
	watched := watch(ctx, t, b)
	stuck := func(op *decision.Operation) bool { return op.Phase == decision.Draining }
	held := b.inPhase(ctx, t, stuck, "a drain")

	const ticks = 10
	b.await(ctx, t, fmt.Sprintf("%d more ticks, all of which hold", ticks), func(ctx context.Context) error {
		return b.allHeld(ctx, held, ticks)
	})
	b.toldWhy(ctx, t)
	during, err := b.placement(ctx)
	must(t, err)
	if !maps.EqualFunc(during, before, slices.Equal) {
		t.Errorf("a drain that cannot finish moved replicas:\nbefore %v\nafter  %v", before, during)
	}
	r.fact("held for %d ticks of %s and says so in the reason, the status, its condition and an event", ticks, interval)

	w.min = 4
	edited := time.Now()
	b.wants(ctx, t, w)
	b.sized(ctx, t, 4)
	b.await(ctx, t, "the journal to tell of the cancellation", func(ctx context.Context) error {
		ds, err := b.since(ctx, edited)
		if err == nil && !slices.ContainsFunc(ds, func(d decision.Decision) bool {
			return slices.ContainsFunc(d.Notes, func(n string) bool { return strings.HasPrefix(n, "cancelled") })
		}) {
			err = fmt.Errorf("none of %d decisions does", len(ds))
		}
		return err
	})
	b.takesReplicas(ctx, t, 3)
	after, err := b.placement(ctx)
	must(t, err)
	if !maps.EqualFunc(after, before, slices.Equal) {
		t.Errorf("the placement is not what it was:\nbefore %v\nafter  %v", before, after)
	}
	r.fact("brokers.min raised: taken back within %s, every replica where it was, the broker takes new ones", time.Since(edited).Round(time.Second))
	watched.end(t)
	watched.stepsWere(t, 4)
	b.nothingForbidden(t)
}

// archive gives every broker a partition that has no replica elsewhere.
func archive(ctx context.Context, b *bed) error {
	configs := map[string]string{"min.insync.replicas": "1", "retention.bytes": "-1"}
	if err := b.Kafka.CreateTopic(ctx, "archive", 4, 1, configs, []int32{0}, []int32{1}, []int32{2}, []int32{3}); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Kafka.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	value := make([]byte, 256<<10)
	var records []*kgo.Record
	for p := range int32(4) {
		for range archiveMiB * 4 {
			records = append(records, &kgo.Record{Topic: "archive", Partition: p, Value: value})
		}
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// placement is which brokers hold what, by topic, each partition's replicas
// behind one another; what tidetable keeps for itself is left out.
func (b *bed) placement(ctx context.Context) (map[string][]int32, error) {
	admin, err := b.Kafka.Admin()
	if err != nil {
		return nil, err
	}
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string][]int32{}
	topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Topic == "orders" || p.Topic == "archive" {
			out[fmt.Sprintf("%s-%d", p.Topic, p.Partition)] = p.Replicas
		}
	})
	return out, nil
}

// allHeld tells whether so many ticks since a time have all held and said why.
func (b *bed) allHeld(ctx context.Context, since time.Time, ticks int) error {
	ds, err := b.since(ctx, since)
	if err != nil {
		return err
	}
	for _, d := range ds {
		op := d.Operation
		if d.Reason == decision.ReasonObservationFailed {
			continue // a busy machine; nothing was done either
		}
		if d.Reason != decision.ReasonHeld || op == nil || op.Phase != decision.Draining || !strings.Contains(d.Outcome, "emptied") {
			return &testbed.Fatal{Err: fmt.Errorf("%s: %s: %s: %+v", d.ID, d.Reason, d.Outcome, op)}
		}
	}
	if s, err := b.sizes(ctx); err != nil || s.brokers != 4 {
		return &testbed.Fatal{Err: fmt.Errorf("%d brokers are wanted, %v", s.brokers, err)}
	}
	if len(ds) < ticks {
		return fmt.Errorf("%d ticks so far", len(ds))
	}
	return nil
}

// toldWhy looks where an operator would: at the policy and its events.
func (b *bed) toldWhy(ctx context.Context, t *testing.T) {
	t.Helper()
	o, err := b.object(ctx)
	must(t, err)
	t.Logf("the status says: %v", o.Object["status"].(map[string]any)["why"])
	found := false
	for _, c := range o.Object["status"].(map[string]any)["conditions"].([]any) {
		c := c.(map[string]any)
		message := fmt.Sprint(c["message"])
		found = found || c["type"] == policy.ConditionHeld && c["status"] == "True" && strings.Contains(message, "cannot be emptied")
	}
	if !found {
		t.Errorf("no condition Held says that the broker cannot be emptied: %v", o.Object["status"])
	}
	events, err := b.Kubernetes.Client.CoreV1().Events(testbed.Namespace).List(ctx, metav1.ListOptions{})
	must(t, err)
	for _, e := range events.Items {
		if e.Reason == decision.ReasonHeld && strings.Contains(e.Message, "cannot be emptied") {
			return
		}
	}
	t.Errorf("none of %d events says that the broker cannot be emptied", len(events.Items))
}

// takesReplicas waits until a new topic has replicas on a broker: Kafka places
// none on one that is cordoned.
func (b *bed) takesReplicas(ctx context.Context, t *testing.T, broker int) {
	t.Helper()
	const topic = "after-the-hold"
	must(t, b.Kafka.CreateTopic(ctx, topic, 12, 3, nil))
	admin, err := b.Kafka.Admin()
	must(t, err)
	topics, err := admin.ListTopics(ctx, topic)
	must(t, err)
	n := 0
	topics.EachPartition(func(p kadm.PartitionDetail) {
		if slices.Contains(p.Replicas, int32(broker)) {
			n++
		}
	})
	if n == 0 {
		t.Errorf("broker %d was given none of 12 partitions' replicas: it is cordoned still", broker)
	}
}
