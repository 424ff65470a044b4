package adminclient

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// A controller was uninstalled in the middle of a run: nothing of it may be left.
func TestReleaseTakesBackWhatAGoneControllerLeft(t *testing.T) {
	w := newWire(t, placement.SixBrokers())
	ctx := t.Context()
	before := slices.Clone(w.model.Topics["hot"].Partitions[0].Replicas)
	first := w.process(t)
	if err := first.StartWith(ctx, w.model.Spread(), execute.Options{}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		first.Step(ctx)
		w.pass(time.Second)
	}
	first.Close()
	conn, err := Connect("state", kgo.SeedBrokers(w.fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	cfg := conn.Config(20e6)
	cfg.Poll = 10 * time.Millisecond
	stop := make(chan struct{})
	defer close(stop)
	go func() { // time passes in the cluster meanwhile
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				w.pass(time.Second)
			}
		}
	}()
	var said []string
	var talking atomic.Int32
	if err := conn.Release(ctx, cfg, func(line string) {
		if talking.Add(1) > 1 {
			t.Error("two lines are told at once")
		}
		defer talking.Add(-1)
		time.Sleep(20 * time.Millisecond) // the run's first event comes meanwhile
		said = append(said, line)
	}); err != nil {
		t.Fatalf("%v; said %q", err, said)
	}
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "is taken back") }) {
		t.Errorf("said %q", said)
	}
	w.mu.Lock()
	for id, b := range w.model.Brokers {
		if b.Leader != 0 || b.Follower != 0 {
			t.Errorf("broker %d still has a throttle", id)
		}
	}
	hot := w.model.Topics["hot"]
	if len(hot.LeaderThrottled)+len(hot.FollowerThrottled) > 0 || !slices.Equal(hot.Partitions[0].Replicas, before) {
		t.Errorf("partition 0 is on %v, was on %v; throttled %v %v", hot.Partitions[0].Replicas, before, hot.LeaderThrottled, hot.FollowerThrottled)
	}
	w.mu.Unlock()
	said = nil
	if err := conn.Release(ctx, cfg, func(line string) { said = append(said, line) }); err != nil || len(said) > 0 {
		t.Errorf("a second time: %v, said %q", err, said)
	}
}
