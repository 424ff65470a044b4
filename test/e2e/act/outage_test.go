package act

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// outage is a part that can be taken away and given back.
type outage struct {
	part       string
	out, in    string // rows of the table; no in where every run of the tests has it
	span       time.Duration
	gone, back func(ctx context.Context, b *bed) error
	// dark is set where the workloads' sizes cannot be read meanwhile.
	dark bool
}

var outages = []outage{
	{
		part: "Prometheus", out: rowPromOut, span: 90 * time.Second,
		gone: func(_ context.Context, b *bed) error { return b.Prometheus.Process().Kill() },
		back: func(ctx context.Context, b *bed) error { return b.Prometheus.Start(ctx) },
	},
	{
		// Kafka answers nobody: every process stands still, as behind a cut network.
		part: "Kafka", out: rowKafkaOut, in: rowKafkaIn, span: time.Minute,
		gone: func(_ context.Context, b *bed) error { return eachKafka(b, (*testbed.Process).Pause) },
		back: func(_ context.Context, b *bed) error { return eachKafka(b, (*testbed.Process).Resume) },
	},
	{
		part: "API server", out: rowAPIOut, in: rowAPIIn, span: 90 * time.Second, dark: true,
		gone: func(_ context.Context, b *bed) error { return b.Kubernetes.APIServer.Kill() },
		back: func(ctx context.Context, b *bed) error { return b.Kubernetes.StartAPIServer(ctx) },
	},
}

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
// a minute or more each, in mid-scale-in and in mid-scale-out: nothing gets
// smaller meanwhile, and what was begun is completed when the part is back.
func TestOutagesInMidOperation(t *testing.T) {
	requireSoak(t, "five outages of a minute or more take a quarter of an hour; Prometheus' in mid-scale-in is in every run")
	testbed.RequireKubernetes(t)
	for _, o := range outages {
		t.Run(o.part, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			defer cancel()
			o.throughBoth(ctx, t)
		})
	}
}

// throughBoth is a scale-in and a scale-out, with the part gone in the midst of
// each. The scale-in comes first: after an outage it would wait until the
// forecast has earned trust again.
func (o outage) throughBoth(ctx context.Context, t *testing.T) {
	w := wish{min: 3, stabilisation: "15s", throttle: "1MB/s", brokerActions: 100}
	steps := []int{3, 4}
	if o.in != "" {
		w.min, steps = 4, []int{4, 3, 4}
	}
	b := newBedWith(ctx, t, setup{brokers: w.min, shape: (&lever{}).shape, journal: true})
	b.kept = true // a leader that cannot renew its lease ends, and a kubelet starts it again
	b.wants(ctx, t, w)
	b.run(t)
	watched := watch(ctx, t, b)
	b.steady(ctx, t)
	for i, size := range steps[1:] {
		row := o.out
		if size < steps[i] {
			row = o.in
		}
		w.min = size
		b.wants(ctx, t, w)
		b.outage(ctx, t, o, size, newResult(t, row))
	}
	watched.end(t)
	watched.stepsWere(t, steps...)
	b.nothingForbidden(t)
}

// outage waits for an operation to a size, takes the part away in its midst,
// gives it back, and waits for the end.
func (b *bed) outage(ctx context.Context, t *testing.T, o outage, size int, r *result) {
	t.Helper()
	defer r.done()
	joining := func(op *decision.Operation) bool { return op.To > op.From && op.Phase != decision.Scaling }
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
	b.holdsFor(ctx, t, "no broker is let go meanwhile", o.span, func(ctx context.Context) error {
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
		r.fact("gone for %s, from phase %s on", o.span, op.Phase)
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
