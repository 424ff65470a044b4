package adminclient

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/rebalance/execute"
)

// deaf is the address of a broker that takes connections and requests, and
// never answers.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

func TestEveryCallEndsWithItsContextThoughABrokerNeverAnswers(t *testing.T) {
	at := kgo.SeedBrokers(deaf(t))
	cl, err := kgo.NewClient(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	store, err := NewStateTopic("", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	store.next = 7 // as if it were claimed
	k := New(cl)
	k.alive = []int{0}
	tp := execute.TP{Topic: "t", Partition: 0}
	admin := NewBrokerAdmin(k)
	for name, call := range map[string]func(context.Context) error{
		"View":      func(ctx context.Context) error { _, err := k.View(ctx, nil); return err },
		"Sizes":     func(ctx context.Context) error { _, err := k.Sizes(ctx, []int{0}, nil); return err },
		"Throttles": func(ctx context.Context) error { _, err := k.Throttles(ctx, []int{0}, []string{"t"}); return err },
		"SetThrottles": func(ctx context.Context) error {
			return k.SetThrottles(ctx, execute.ThrottleChange{Append: []execute.Entry{{Topic: "t", Side: execute.LeaderSide,
				Partition: 0, Broker: 1}}})
		},
		"Reassign": func(ctx context.Context) error {
			_, err := k.Reassign(ctx, []execute.Target{{TP: tp, Replicas: []int{1}}})
			return err
		},
		"Elect":      func(ctx context.Context) error { _, err := k.Elect(ctx, []execute.TP{tp}); return err },
		"Unregister": func(ctx context.Context) error { return k.Unregister(ctx, 1) },
		"Empty":      func(ctx context.Context) error { _, _, err := admin.Empty(ctx, []int{1}); return err },
		"Cordon":     func(ctx context.Context) error { return admin.Cordon(ctx, []int{0}) },
		"Health":     func(ctx context.Context) error { _, err := NewProbe(cl).Health(ctx, []int{0}); return err },
		"Load":       func(ctx context.Context) error { _, err := store.Load(ctx); return err },
		"Claim":      func(ctx context.Context) error { return store.Claim(ctx, "a") },
		"Put":        func(ctx context.Context) error { return store.Put(ctx, []execute.Record{{Key: "k", Value: nil}}) },
		"write":      func(ctx context.Context) error { return store.write(ctx, []execute.Record{{Key: "k", Value: nil}}) },
		"New": func(ctx context.Context) error {
			_, err := execute.New(ctx, execute.Config{Kafka: k, Store: store})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			promptly(t, name, func() {
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
