package act

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// watcher looks at the invariants all the while.
type watcher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu sync.Mutex // guards steps
	// of look, read after end
	worst   time.Duration // longest stretch over the lag objective
	unsafe  error
	steps   []int // the brokers wanted, as they changed
	lags    int
	highest float64 // seconds of lag
	busiest float64 // the load over what the consumers that are ready can do, at most

	// of follow, read after end
	operations []string // by id, in the order they began
	two        error
}

// watch checks several times a second that a broker whose pod is not wanted any
// more holds nothing, samples the group's lag, and follows every change of what
// the policy's status says is in flight.
func watch(ctx context.Context, t *testing.T, b *bed) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel}
	client, err := dynamic.NewForConfig(b.Kubernetes.Config)
	must(t, err)
	w.done.Go(func() {
		var over time.Time
		for ctx.Err() == nil {
			w.look(ctx, b, &over)
			pause(ctx, 500*time.Millisecond)
		}
	})
	w.done.Go(func() {
		last := "" // the operation in flight
		for ctx.Err() == nil {
			w.follow(ctx, client, &last)
			pause(ctx, time.Second)
		}
	})
	t.Cleanup(func() { cancel(); w.done.Wait() })
	return w
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// look does nothing about what cannot be read: the faults of some tests are
// just that.
func (w *watcher) look(ctx context.Context, b *bed, over *time.Time) {
	if s, err := b.sizes(ctx); err == nil {
		w.mu.Lock()
		if n := len(w.steps); n == 0 || w.steps[n-1] != s.brokers {
			w.steps = append(w.steps, s.brokers)
		}
		w.mu.Unlock()
		if s.consumersReady > 0 {
			w.busiest = max(w.busiest, b.shape(time.Now())/recordBytes/float64(s.consumersReady*perReplica))
		}
		for _, id := range b.target.IDs(6)[s.brokers:] {
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

// follow takes every version of the policy that the API server tells: one
// operation may take another's place only after none was in flight. What
// changed while the watch was cut off is not told.
func (w *watcher) follow(ctx context.Context, client dynamic.Interface, last *string) {
	events, err := client.Resource(kube.PolicyResource).Namespace(testbed.Namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	defer events.Stop()
	cutOff := *last != ""
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events.ResultChan():
			if !ok {
				return
			}
			o, isPolicy := e.Object.(*unstructured.Unstructured)
			if !isPolicy {
				continue
			}
			state, err := stateOf(o)
			if err != nil {
				continue
			}
			id := ""
			if state.Operation != nil {
				id = state.Operation.ID
			}
			if id != "" && *last != "" && id != *last && !cutOff {
				w.two = fmt.Errorf("operation %s began while %s was in flight", id, *last)
			}
			if id != "" && !slices.Contains(w.operations, id) {
				w.operations = append(w.operations, id)
			}
			*last, cutOff = id, false
		}
	}
}

// end stops looking, and fails the test where something was ever unsafe.
func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.cancel()
	w.done.Wait()
	if w.unsafe != nil {
		t.Error(w.unsafe)
	}
	if w.two != nil {
		t.Error(w.two)
	}
	t.Logf("lag: %d samples, highest %.1f s, longest stretch over %d s: %s; operations: %d", w.lags, w.highest, lagSLO, w.worst.Round(time.Second), len(w.operations))
}

// lagKept fails the test where the group was over its objective for long.
func (w *watcher) lagKept(t *testing.T) {
	t.Helper()
	if w.lags < 20 {
		t.Errorf("the lag was sampled only %d times", w.lags)
	}
	// A rebalance of the group may pause it for a moment; a stretch is a miss.
	if w.busiest > 1 {
		t.Errorf("the load was %.2f times what the consumers that were ready can do", w.busiest)
	}
	if w.worst > 15*time.Second {
		t.Errorf("the group's lag was over its objective for %s at a stretch", w.worst.Round(time.Second))
	}
}

// sofar is the brokers wanted, as they changed until now.
func (w *watcher) sofar() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.steps)
}

// stepsWere fails the test unless the brokers wanted went through want.
func (w *watcher) stepsWere(t *testing.T, want ...int) {
	t.Helper()
	if !slices.Equal(w.steps, want) {
		t.Errorf("the brokers wanted went through %v, want %v", w.steps, want)
	}
}
