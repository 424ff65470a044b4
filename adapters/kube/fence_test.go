package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/kubernetes/fake"

	"github.com/tidetable/tidetable/actuators"
)

type countingScaler struct{ sets int }

func (s *countingScaler) Current(context.Context) (actuators.Scale, error) {
	return actuators.Scale{}, nil
}
func (s *countingScaler) Set(context.Context, actuators.Scale) error { s.sets++; return nil }

func TestZeroFenceRefuses(t *testing.T) {
	if err := new(Fence).Check(); !errors.Is(err, ErrNotLeader) {
		t.Errorf("Check = %v", err)
	}
}

func TestLeaderThatWasPausedPastItsLeaseCannotWrite(t *testing.T) {
	now := time.Now()
	f := NewFence(RenewDeadline, func() time.Time { return now })
	s := &countingScaler{}
	fenced := FencedScaler{Scaler: s, Fence: f}
	f.Renewed(now)
	if err := fenced.Set(t.Context(), actuators.Scale{Replicas: 4}); err != nil {
		t.Fatalf("a leader's write: %v", err)
	}
	now = now.Add(LeaseDuration) // SIGSTOP, another takes over, SIGCONT
	if err := fenced.Set(t.Context(), actuators.Scale{Replicas: 5}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a paused leader's write: %v", err)
	}
	if s.sets != 1 {
		t.Errorf("%d writes went through, want 1", s.sets)
	}
}

func TestLeaseIsGivenBackOnlyAfterTheWriterStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewSimpleClientset()
		ctx, cancel := context.WithCancel(t.Context())
		e := Election{
			Client:    client,
			Namespace: "ns",
			Name:      "tidetable",
			Identity:  "a",
			Logger:    slog.New(slog.DiscardHandler),
			Now:       time.Now,
		}
		stoppedAt := make(chan error, 1)
		done := make(chan error, 1)
		go func() {
			done <- e.Run(ctx, func(ctx context.Context, fence *Fence) error {
				<-ctx.Done()
				time.Sleep(5 * time.Second) // finishing the action in hand
				stoppedAt <- fence.Check()
				return ctx.Err()
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-stoppedAt; err != nil {
			t.Errorf("the lease was gone while the writer still worked: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
