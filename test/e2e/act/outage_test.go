package act

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// outage is a part that can be taken away and given back.
type outage struct {
	out, in    string // rows of the table
	gone, back func(ctx context.Context, b *bed) error
	// dark is set where the workloads' sizes cannot be read meanwhile.
	dark bool
}

var (
	prometheusOutage = outage{
		out: rowPromOut, in: "",
		gone: func(_ context.Context, b *bed) error { return b.Prometheus.Process().Kill() },
		back: func(ctx context.Context, b *bed) error { return b.Prometheus.Start(ctx) },
	}
	// Kafka answers nobody: every process stands still, as behind a cut network.
	kafkaOutage = outage{
		out: rowKafkaOut, in: rowKafkaIn,
		gone: func(_ context.Context, b *bed) error { return eachKafka(b, (*testbed.Process).Pause) },
		back: func(_ context.Context, b *bed) error { return eachKafka(b, (*testbed.Process).Resume) },
	}
	apiOutage = outage{
		out: rowAPIOut, in: rowAPIIn, dark: true,
		gone: func(_ context.Context, b *bed) error { return b.Kubernetes.APIServer.Kill() },
		back: func(ctx context.Context, b *bed) error { return b.Kubernetes.StartAPIServer(ctx) },
	}
)

func eachKafka(b *bed, do func(*testbed.Process) error) error {
	errs := []error{do(b.Kafka.Controller)}
	for _, broker := range b.Kafka.Brokers() {
		if broker.Running() {
			errs = append(errs, do(broker.Process()))
		}
	}
	return errors.Join(errs...)
}

// TestOutagesInMidOperation takes Prometheus, Kafka and the API server away for
// a minute and a half each, in mid-scale-out and in mid-scale-in: nothing gets
// smaller meanwhile, and what was begun is completed when the part is back.
func TestOutagesInMidOperation(t *testing.T) {
	requireSoak(t, "five outages of a minute and a half take a quarter of an hour; Prometheus' in mid-scale-in is in every run")
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	b := newBedWith(ctx, t, setup{shape: (&lever{}).shape, journal: true})
	b.kept = true // a leader that cannot renew its lease ends, and a kubelet starts it again
	w := wish{stabilisation: "15s", throttle: "1MB/s", brokerActions: 100}
	b.wants(ctx, t, w)
	b.run(t)
	watched := watch(ctx, t, b)
	b.steady(ctx, t)
	for _, o := range []outage{prometheusOutage, kafkaOutage, apiOutage} {
		w.min = 4
		b.wants(ctx, t, w)
		t.Run(o.out, func(t *testing.T) { b.outage(ctx, t, o, 4, newResult(t, o.out)) })
		w.min = 3
		b.wants(ctx, t, w)
		if o.in == "" {
			b.sized(ctx, t, 3)
			continue
		}
		t.Run(o.in, func(t *testing.T) { b.outage(ctx, t, o, 3, newResult(t, o.in)) })
		if t.Failed() {
			return
		}
	}
	watched.end(t)
	watched.stepsWere(t, 3, 4, 3, 4, 3, 4, 3)
	b.nothingForbidden(t)
}

// outage waits for an operation to a size, takes the part away in its midst for
// a minute and a half, gives it back, and waits for the end.
func (b *bed) outage(ctx context.Context, t *testing.T, o outage, size int, r *result) {
	const span = 90 * time.Second
	joining := func(op *controller.Operation) bool { return op.To > op.From && op.Phase != controller.Scaling }
	if size == 4 {
		b.inPhase(ctx, t, joining, "a scale-out")
	} else {
		b.inPhase(ctx, t, leaving, "a scale-in")
	}
	op, err := b.operation(ctx)
	must(t, err)
	runs := b.runs
	must(t, o.gone(ctx, b))
	gone := time.Now()
	b.holdsFor(ctx, t, "no broker is let go meanwhile", span, func(ctx context.Context) error {
		if broker := b.Kafka.Broker(3); size == 3 && !broker.Running() {
			return errors.New("the fourth broker's process is gone")
		}
		s, err := b.sizes(ctx)
		if o.dark && err != nil {
			return nil
		}
		if err == nil && s.brokers != 4 {
			err = fmt.Errorf("%d brokers are wanted", s.brokers)
		}
		return err
	})
	if op != nil {
		r.fact("gone for %s, from phase %s on", span, op.Phase)
	}
	if o.dark {
		r.fact("without its lease the leader ended; started %d times until it was back", b.runs-runs)
	} else {
		b.heldThrough(ctx, t, gone, r)
	}
	must(t, o.back(ctx, b))
	back := time.Now()
	b.sized(ctx, t, size)
	r.fact("then back: %d brokers and nothing in flight %s later", size, time.Since(back).Round(time.Second))
}
