package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// In the bubble of synctest time is not real: these tests take no time, and
// measure exactly.

func TestRunTicksAtOnceAndThenEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		c := newLoop(t, Config{Policy: testPolicy(policy.Observe), Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) {
			at = append(at, time.Now())
			s := loaded(3, 1e6)
			s.TakenAt = time.Now()
			return s, nil
		})})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		begin := time.Now()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(at) != 3 || !at[0].Equal(begin) || at[2].Sub(begin) != 2*time.Minute {
			t.Errorf("ticks at %v", at)
		}
		if c.Alive() != nil || c.Ready() != nil {
			t.Errorf("alive: %v, ready: %v", c.Alive(), c.Ready())
		}
	})
}

// A tick that hangs is cancelled soon after the loop is told to stop: the whole
// process is gone in under ten seconds.
func TestStopsWithinTenSecondsWhateverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLoop(
			t,
			Config{Policy: testPolicy(policy.Observe), Observer: observerFunc(func(ctx context.Context) (cluster.Snapshot, error) {
				<-ctx.Done()
				return cluster.Snapshot{}, ctx.Err()
			})},
		)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		begin := time.Now()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin) - time.Minute; took > 9*time.Second {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestStopLetsTheTickInHandEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen error
		c := newLoop(
			t,
			Config{Policy: testPolicy(policy.Observe), Observer: observerFunc(func(ctx context.Context) (cluster.Snapshot, error) {
				time.Sleep(3 * time.Second)
				seen = ctx.Err()
				return loaded(3, 1e6), nil
			})},
		)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_ = c.Run(ctx)
		if seen != nil {
			t.Errorf("the tick was cut off: %v", seen)
		}
	})
}

func TestLivezNoticesALoopThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		c := newLoop(t, Config{Policy: testPolicy(policy.Observe), Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) {
			<-stuck // whoever ignores his context
			return cluster.Snapshot{}, errors.New("late")
		})})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if err := c.Alive(); err != nil {
			t.Errorf("called dead after two minutes: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if err := c.Alive(); err == nil || !strings.Contains(err.Error(), "stuck in one tick") {
			t.Errorf("after twelve minutes in one tick: %v", err)
		}
		if c.Ready() == nil {
			t.Error("ready without ever having seen the cluster")
		}
		close(stuck)
		cancel()
		<-done
	})
}

func TestWakeMakesTheLoopLookAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks, wake := 0, make(chan struct{}, 1)
		c := newLoop(
			t,
			Config{Policy: testPolicy(policy.Observe), Wake: wake, Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) {
				ticks++
				return loaded(3, 1e6), nil
			})},
		)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx) }()
		synctest.Wait()
		wake <- struct{}{}
		synctest.Wait()
		if ticks != 2 {
			t.Errorf("%d ticks without any time passing, want 2", ticks)
		}
		cancel()
		<-done
	})
}
