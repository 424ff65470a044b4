package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// await polls, and fails at once when tidetable has ended, unless the bed
// keeps it running.
func (b *bed) await(ctx context.Context, t *testing.T, what string, check func(context.Context) error) time.Time {
	t.Helper()
	must(t, b.poll(ctx, t, what, check))
	t.Logf("%s: %s after the load began", what, time.Since(b.began).Round(time.Second))
	return time.Now()
}

func (b *bed) poll(ctx context.Context, t *testing.T, what string, check func(context.Context) error) error {
	t.Helper()
	return testbed.Poll(ctx, what, 300*time.Millisecond, func(ctx context.Context) error {
		if b.process.Running() {
			return check(ctx)
		}
		ended := fmt.Errorf("tidetable ended with %d, see %s", b.process.ExitCode(), b.process.Log)
		if !b.kept {
			return &testbed.Fatal{Err: ended}
		}
		t.Logf("%v; it is started again", ended)
		pause(ctx, 2*time.Second)
		b.run(t)
		return ended
	})
}

// holdsFor looks at something all the time for so long; it must never fail.
func (b *bed) holdsFor(ctx context.Context, t *testing.T, what string, span time.Duration, check func(context.Context) error) {
	t.Helper()
	ends := time.Now().Add(span)
	var broken error
	must(t, b.poll(ctx, t, what, func(ctx context.Context) error {
		if broken = check(ctx); broken != nil || time.Now().After(ends) {
			return nil
		}
		return errors.New("its time is not over")
	}))
	if broken != nil {
		t.Fatalf("%s: %v", what, broken)
	}
	t.Logf("%s, for %s: %s after the load began", what, span, time.Since(b.began).Round(time.Second))
}

// object is the policy as the API server has it.
func (b *bed) object(ctx context.Context) (*unstructured.Unstructured, error) {
	client, err := dynamic.NewForConfig(b.Kubernetes.Config)
	if err != nil {
		return nil, err
	}
	return client.Resource(kube.PolicyResource).Namespace(testbed.Namespace).Get(ctx, "claims", metav1.GetOptions{})
}

// operation is what the policy's status says is in flight; nil when nothing is.
func (b *bed) operation(ctx context.Context) (*decision.Operation, error) {
	o, err := b.object(ctx)
	if err != nil {
		return nil, err
	}
	state, err := stateOf(o)
	return state.Operation, err
}

func stateOf(o *unstructured.Unstructured) (operation.State, error) {
	var state operation.State
	text, _, err := unstructured.NestedString(o.Object, "status", "operation")
	if err != nil || text == "" {
		return state, err
	}
	err = json.Unmarshal([]byte(text), &state)
	return state, err
}

// told is what the journal has said so far.
type told struct {
	next uint64
	all  []decision.Decision
}

// decisions reads what the journal has, oldest first.
func (b *bed) decisions(ctx context.Context) ([]decision.Decision, error) {
	err := journal.Read(ctx, b.journal, b.told.next, func(e journal.Entry) error {
		b.told.next = e.Seq + 1
		if e.Kind != journal.KindDecision {
			return nil
		}
		d, err := e.Decision()
		if err == nil {
			b.told.all = append(b.told.all, d)
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		err = nil // nothing has been decided yet
	}
	return b.told.all, err
}

// since is the decisions of ticks that began after a time.
func (b *bed) since(ctx context.Context, at time.Time) ([]decision.Decision, error) {
	all, err := b.decisions(ctx)
	for i, d := range all {
		if d.Time.After(at) {
			return all[i:], err
		}
	}
	return nil, err
}

// sized waits until so many brokers are wanted and ready and nothing is in
// flight.
func (b *bed) sized(ctx context.Context, t *testing.T, brokers int) time.Time {
	t.Helper()
	return b.await(ctx, t, fmt.Sprintf("%d brokers, and nothing in flight", brokers), func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err != nil {
			return err
		}
		op, err := b.operation(ctx)
		if err == nil && (s.brokers != brokers || s.brokersReady != brokers || op != nil) {
			err = fmt.Errorf("the sizes are %+v, the operation is %+v", s, op)
		}
		return err
	})
}

// inPhase waits until an operation is in one of some phases.
func (b *bed) inPhase(ctx context.Context, t *testing.T, is func(*decision.Operation) bool, what string) time.Time {
	t.Helper()
	return b.await(ctx, t, what, func(ctx context.Context) error {
		op, err := b.operation(ctx)
		if err == nil && (op == nil || !is(op)) {
			err = fmt.Errorf("the operation is %+v", op)
		}
		return err
	})
}
