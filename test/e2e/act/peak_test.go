package act

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// TestADayThroughAPeakWithTheControllerKilledTwice follows one day: brokers and
// consumers out before the load crosses what three brokers carry, in after it,
// and never a broker's pod gone while it holds a replica. The controller is
// killed at a seeded moment of the scale-out and of the scale-in; its successor
// waits for the lease and completes what it finds. At the peak the leader is
// paused past its lease: it must notice when it wakes, and end.
func TestADayThroughAPeakWithTheControllerKilledTwice(t *testing.T) {
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
	defer cancel()
	r := newResult(t, rowDay)
	b := newBed(ctx, t)
	b.wants(ctx, t, wish{consumersStart: "20s"}) // what a pod and its group's rebalance may take here
	b.run(t)
	w := watch(ctx, t, b)
	seed := seed()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	out := b.killWhile(ctx, t, random, 3*time.Second, func(op *decision.Operation) bool { return op.To > op.From })

	crossing := b.crossing()
	t.Logf("the load crosses %.0f kB/s, what three brokers carry, in %s", oldCapacity/1e3, time.Until(crossing).Round(time.Second))
	filled := b.await(ctx, t, "four brokers, the fourth with replicas", b.fourFilled)
	r.before(t, "the fourth broker was ready and held replicas", filled, crossing)
	six := b.await(ctx, t, "six consumers", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && s.consumersReady < 6 {
			err = fmt.Errorf("%d of %d consumers are ready", s.consumersReady, s.consumers)
		}
		return err
	})
	r.before(t, "six consumers were ready", six, crossing)
	b.pauseLeader(ctx, t)
	in := b.killWhile(ctx, t, random, 3*time.Second, func(op *decision.Operation) bool { return op.To < op.From })
	ended := b.await(ctx, t, "three brokers and few consumers after the peak", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && (s.brokers != 3 || s.brokersReady != 3 || s.consumers > 3) {
			err = fmt.Errorf("the sizes are %+v", s)
		}
		return err
	})
	w.end(t)
	w.lagKept(t)
	w.stepsWere(t, 3, 4, 3)
	b.nothingForbidden(t)
	r.fact("back to three brokers and few consumers %s after the day began; killed in %s and in %s; the paused leader woke and ended; highest lag %.1f s, consumers at most %.0f %% busy",
		ended.Sub(b.began).Round(time.Second), out, in, w.highest, 100*w.busiest)
}

// fourFilled says what is missing until the fourth broker is ready and holds
// replicas.
func (b *bed) fourFilled(ctx context.Context) error {
	s, err := b.sizes(ctx)
	if err != nil {
		return err
	}
	if s.brokersReady != 4 {
		return fmt.Errorf("%d of %d brokers are ready", s.brokersReady, s.brokers)
	}
	n, err := b.Kafka.ReplicasOn(ctx, 3)
	if err == nil && n == 0 {
		err = errors.New("broker 3 has no replicas yet")
	}
	return err
}

// before says how long before the crossing something had come, and fails the
// test where it came after.
func (r *result) before(t *testing.T, what string, at, crossing time.Time) {
	t.Helper()
	if late := at.Sub(crossing); late > 0 {
		t.Errorf("%s %s after the load had crossed what three brokers carry", what, late.Round(time.Second))
	}
	r.fact("%s %s before the load crossed what three brokers carry", what, crossing.Sub(at).Round(time.Second))
}

// seed is a fixed one, or TIDETABLE_SEED.
func seed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("TIDETABLE_SEED"), 10, 64); err == nil {
		return n
	}
	return 20261122
}

// killWhile kills tidetable with SIGKILL some moment after such an operation has
// been seen, starts its successor, and says which phase it was in; none when
// the operation had just ended.
func (b *bed) killWhile(ctx context.Context, t *testing.T, random *rand.Rand, within time.Duration, is func(*decision.Operation) bool) decision.Phase {
	t.Helper()
	b.inPhase(ctx, t, is, "an operation to kill in")
	time.Sleep(time.Duration(random.Int64N(int64(within)))) // which moment is the point, not how long
	at, err := b.operation(ctx)
	must(t, err)
	must(t, b.process.Kill())
	phase := decision.Phase("none")
	if at != nil {
		phase = at.Phase
	}
	t.Logf("killed in phase %s", phase)
	b.run(t)
	return phase
}

// pauseLeader stops the leader's process until another leads, and wakes it: it
// has lost its lease without having run, and may do nothing but end.
func (b *bed) pauseLeader(ctx context.Context, t *testing.T) {
	t.Helper()
	paused := b.process
	must(t, paused.Pause())
	b.run(t)
	successor := fmt.Sprintf("tidetable-%d_", b.runs)
	b.await(ctx, t, "another leader", func(ctx context.Context) error {
		lease, err := b.Kubernetes.Client.CoordinationV1().Leases(testbed.Namespace).Get(ctx, "tidetable", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if h := lease.Spec.HolderIdentity; h == nil || !strings.HasPrefix(*h, successor) {
			return errors.New("the paused one still holds the lease")
		}
		return nil
	})
	must(t, paused.Resume())
	select {
	case <-paused.Done():
	case <-time.After(time.Minute):
		t.Fatalf("a leader that woke up without its lease still runs after a minute, see %s", paused.Log)
	}
	if code := paused.ExitCode(); code == 0 {
		t.Error("a leader that lost its lease ended as if all were well")
	}
	t.Logf("the paused leader woke up and ended with %d", paused.ExitCode())
}

// crossing is when the load first exceeds what three brokers carry.
func (b *bed) crossing() time.Time {
	at := time.Now()
	for b.shape(at) <= oldCapacity {
		at = at.Add(100 * time.Millisecond)
	}
	return at
}
