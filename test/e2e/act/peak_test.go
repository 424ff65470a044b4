package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/internal/kube"
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
	b := newBed(ctx, t)
	must(t, b.Kubernetes.Apply(ctx, testbed.Namespace, b.policy(t, "")))
	b.run(t)
	w := watch(ctx, t, b)
	seed := seed()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b.killDuring(ctx, t, random, controller.Scaling, controller.Joining, controller.Filling)

	crossing := b.crossing()
	t.Logf("the load crosses %.0f kB/s, what three brokers carry, in %s", oldCapacity/1e3, time.Until(crossing).Round(time.Second))
	filled := b.await(ctx, t, "four brokers, the fourth with replicas", func(ctx context.Context) error {
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
	})
	if late := filled.Sub(crossing); late > 0 {
		t.Errorf("the fourth broker carried load %s after the load had crossed what three carry", late.Round(time.Second))
	} else {
		t.Logf("the fourth broker carried load %s before the load crossed what three carry", (-late).Round(time.Second))
	}
	b.await(ctx, t, "six consumers", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && s.consumersReady < 6 {
			err = fmt.Errorf("%d of %d consumers are ready", s.consumersReady, s.consumers)
		}
		return err
	})
	b.pauseLeader(ctx, t)
	b.killDuring(ctx, t, random, controller.Cordoning, controller.Draining, controller.Proving, controller.Shrinking)
	b.await(ctx, t, "three brokers and few consumers after the peak", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && (s.brokers != 3 || s.brokersReady != 3 || s.consumers > 3) {
			err = fmt.Errorf("the sizes are %+v", s)
		}
		return err
	})
	w.end(t)
	if want := []int{3, 4, 3}; !slices.Equal(w.steps, want) {
		t.Errorf("the brokers wanted went through %v, want %v: one operation out and one in", w.steps, want)
	}
	if refused := b.forbidden(t); len(refused) > 0 {
		t.Errorf("requests outside the act overlay's rights were made: %v", refused)
	}
}

// seed is a fixed one, or TIDETABLE_SEED.
func seed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("TIDETABLE_SEED"), 10, 64); err == nil {
		return n
	}
	return 20261122
}

// killDuring kills tidetable with SIGKILL some moment after an operation has
// entered one of the phases, and starts its successor.
func (b *bed) killDuring(ctx context.Context, t *testing.T, random *rand.Rand, phases ...controller.Phase) {
	t.Helper()
	var op *controller.Operation
	b.await(ctx, t, fmt.Sprintf("an operation in one of %v", phases), func(ctx context.Context) error {
		var err error
		if op, err = b.operation(ctx); err == nil && (op == nil || !slices.Contains(phases, op.Phase)) {
			err = fmt.Errorf("the operation is %+v", op)
		}
		return err
	})
	time.Sleep(time.Duration(random.Int64N(int64(3 * time.Second)))) // which moment is the point, not how long
	at, err := b.operation(ctx)
	must(t, err)
	must(t, b.process.Kill())
	phase := controller.Phase("")
	if at != nil {
		phase = at.Phase
	}
	t.Logf("killed in phase %q", phase)
	b.run(t)
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

// operation is what the policy's status says is in flight.
func (b *bed) operation(ctx context.Context) (*controller.Operation, error) {
	client, err := dynamic.NewForConfig(b.Kubernetes.Config)
	if err != nil {
		return nil, err
	}
	o, err := client.Resource(kube.PolicyResource).Namespace(testbed.Namespace).Get(ctx, "claims", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	text, _, err := unstructured.NestedString(o.Object, "status", "operation")
	if err != nil || text == "" {
		return nil, err
	}
	var state controller.State
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return nil, err
	}
	return state.Operation, nil
}

// crossing is when the load first exceeds what three brokers carry.
func (b *bed) crossing() time.Time {
	at := time.Now()
	for b.shape(at) <= oldCapacity {
		at = at.Add(100 * time.Millisecond)
	}
	return at
}

// await polls, and fails at once when tidetable has ended.
func (b *bed) await(ctx context.Context, t *testing.T, what string, check func(context.Context) error) time.Time {
	t.Helper()
	err := testbed.Poll(ctx, what, 300*time.Millisecond, func(ctx context.Context) error {
		if !b.process.Running() {
			return &testbed.Fatal{Err: fmt.Errorf("tidetable ended with %d, see %s", b.process.ExitCode(), b.process.Log)}
		}
		return check(ctx)
	})
	must(t, err)
	t.Logf("%s: %s after the load began", what, time.Since(b.began).Round(time.Second))
	return time.Now()
}

// watcher looks at the invariants all the while.
type watcher struct {
	cancel  context.CancelFunc
	done    chan struct{}
	worst   time.Duration // longest stretch over the lag objective
	unsafe  error
	steps   []int // the brokers wanted, as they changed
	lags    int
	highest float64 // seconds of lag
}

// watch checks several times a second that a broker whose pod is not wanted any
// more holds nothing, and samples the group's lag.
func watch(ctx context.Context, t *testing.T, b *bed) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		var over time.Time
		for ctx.Err() == nil {
			w.look(ctx, b, &over)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *watcher) look(ctx context.Context, b *bed, over *time.Time) {
	if s, err := b.sizes(ctx); err == nil {
		if n := len(w.steps); n == 0 || w.steps[n-1] != s.brokers {
			w.steps = append(w.steps, s.brokers)
		}
		for id := s.brokers; id < 6; id++ {
			if n, err := b.Kafka.ReplicasOn(ctx, id); err == nil && n > 0 {
				w.unsafe = fmt.Errorf("broker %d holds %d replicas and %d brokers are wanted", id, n, s.brokers)
			}
		}
	}
	lag, _, err := b.Kafka.Lag(ctx, "billing", "orders")
	if err != nil {
		return
	}
	w.lags++
	seconds := float64(lag) / (b.shape(time.Now()) / recordBytes)
	w.highest = max(w.highest, seconds)
	if seconds <= lagSLO {
		*over = time.Time{}
		return
	}
	if over.IsZero() {
		*over = time.Now()
	}
	w.worst = max(w.worst, time.Since(*over))
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.cancel()
	<-w.done
	if w.unsafe != nil {
		t.Error(w.unsafe)
	}
	t.Logf("lag: %d samples, highest %.1f s, longest stretch over %d s: %s", w.lags, w.highest, lagSLO, w.worst.Round(time.Second))
	if w.lags < 20 {
		t.Errorf("the lag was sampled only %d times", w.lags)
	}
	// A rebalance of the group may pause it for a moment; a stretch is a miss.
	if w.worst > 15*time.Second {
		t.Errorf("the group's lag was over its objective for %s at a stretch", w.worst.Round(time.Second))
	}
}
