package adminclient

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/rebalance/execute"
)

// Release takes back what an acting mode has left in a cluster: a run under way
// is cancelled, so that every partition is where it was and no throttle is left,
// and brokers that were cordoned take new replicas again. It is the rule for who
// leaves mode Act or Approve, and the way out when nobody runs any more. What it
// does is said, a line each; nothing is said where nothing was left.
func (c *Connection) Release(ctx context.Context, cfg execute.Config, say func(string)) error {
	cfg.CancelAdopted = true
	cfg.OnEvent = func(e execute.Event) { say(string(e.Kind) + ": " + e.Text) }
	m, err := execute.New(ctx, cfg)
	if err != nil {
		return fmt.Errorf("taking over the run under way: %w", err)
	}
	defer m.Close()
	if run := m.Run(); run.Active() {
		say("run " + run.ID + " is taken back")
		if err := m.Wait(ctx); err != nil {
			return fmt.Errorf("taking back run %s: %w", run.ID, err)
		}
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
	say(fmt.Sprintf("brokers %v take new replicas again", ids))
	return nil
}
