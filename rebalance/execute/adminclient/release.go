package adminclient

import (
	"context"
	"fmt"
	"sync"

	"github.com/tidetable/tidetable/rebalance/execute"
)

// Release takes back what an acting mode has left in a cluster: a run under way
// is cancelled, so that every partition is where it was and no throttle is left,
// and brokers that were cordoned take new replicas again. It is the rule for who
// leaves mode Act or Approve, and the way out when nobody runs any more. What it
// does is said, one line at a time; nothing is said where nothing was left.
func (c *Connection) Release(ctx context.Context, cfg execute.Config, say func(string)) error {
	told := teller{say: say}
	cfg.CancelAdopted = true
	cfg.OnEvent = func(e execute.Event) { told.line(string(e.Kind) + ": " + e.Text) }
	m, err := execute.New(ctx, cfg)
	if err != nil {
		return fmt.Errorf("taking over the run under way: %w", err)
	}
	defer m.Close()
	if err := m.Wait(ctx); err != nil {
		return fmt.Errorf("taking back run %s: %w", m.Run().ID, err)
	}
	if told.any() {
		told.line("run " + m.Run().ID + " is taken back")
	}
	admin := NewBrokerAdmin(c.Client)
	ids, err := admin.Cordoned(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return nil
	}
	if err := admin.Uncordon(ctx, ids); err != nil {
		return err
	}
	told.line(fmt.Sprintf("brokers %v take new replicas again", ids))
	return nil
}

// teller lets one line out before the next: a run tells of itself from its own
// loop while its caller speaks.
type teller struct {
	mu    sync.Mutex
	say   func(string)
	lines int
}

func (t *teller) line(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines++
	t.say(s)
}

func (t *teller) any() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lines > 0
}
