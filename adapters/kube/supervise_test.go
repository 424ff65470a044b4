package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// What a loop lacks at its start may be there later: a journal's folder, Kafka.
func TestALoopThatCannotStartIsStartedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan []Object)
		var starts []time.Time
		done := make(chan struct{})
		go func() {
			defer close(done)
			Supervise(ctx, in, slog.New(slog.DiscardHandler), func(ctx context.Context, _ Object) error {
				starts = append(starts, time.Now())
				if len(starts) < 4 {
					return errors.New("the journal's folder is not there")
				}
				<-ctx.Done()
				return nil
			})
		}()
		in <- []Object{{Generation: 1}}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(starts) != 4 {
			t.Fatalf("started %d times, want 4", len(starts))
		}
		if first, second := starts[1].Sub(starts[0]), starts[2].Sub(starts[1]); first != firstRetry || second != 2*firstRetry {
			t.Errorf("started anew after %s and %s", first, second)
		}
		cancel()
		<-done
	})
}

// Whose policy is deleted takes back what it has in flight; whose is edited, or
// whose process ends, goes on with it.
func TestALoopIsToldThatItsPolicyIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		next []Object
		gone bool
	}{"deleted": {nil, true}, "edited": {[]Object{{Generation: 2}}, false}} {
		ctx, cancel := context.WithCancel(t.Context())
		in := make(chan []Object)
		ended, done := make(chan error, 2), make(chan struct{})
		go func() {
			defer close(done)
			Supervise(ctx, in, slog.New(slog.DiscardHandler), func(ctx context.Context, _ Object) error {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil
			})
		}()
		in <- []Object{{Generation: 1}}
		in <- c.next
		if why := <-ended; errors.Is(why, ErrGone) != c.gone {
			t.Errorf("%s: the loop is told %v", name, why)
		}
		cancel()
		<-done
	}
}
