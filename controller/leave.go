package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// Leave is what a mover asks before everything that it starts, in its own time
// between two ticks of the loop: so that a hold, a freeze, a journal that cannot
// be written, a closed window or a lost Lease stops it at once. Until a loop has
// taken it over, nothing may start.
type Leave struct {
	ask atomic.Pointer[func(ctx context.Context, back bool) error]
}

// May is nil when moves may start; an error is why not. Back is the way back to
// where everything was: only who does not lead may not go it.
func (l *Leave) May(ctx context.Context, back bool) error {
	ask := l.ask.Load()
	if ask == nil {
		return errors.New("no loop has taken the moves over yet")
	}
	return (*ask)(ctx, back)
}

// leaveFresh is how long an answer of the watchers holds: they are asked before
// every submit, and one of them asks the API server.
const leaveFresh = 300 * time.Millisecond

// holds remembers what the watchers said last.
type holds struct {
	mu  sync.Mutex
	at  time.Time
	why string
}

// mayMove answers a mover. It may be asked from any goroutine.
func (c *Controller) mayMove(ctx context.Context, back bool) error {
	if c.cfg.Fence != nil {
		if err := c.cfg.Fence(ctx); err != nil {
			return err
		}
	}
	if back {
		return nil
	}
	now := c.cfg.Clock.Now()
	if why := c.heldByPolicy(); why != "" {
		return errors.New(why)
	}
	if why := c.closedWindow(now); why != "" {
		return errors.New(why)
	}
	if why := c.heldFromOutside(ctx, now); why != "" {
		return errors.New(why)
	}
	return nil
}

// heldByPolicy says how the policy itself stops everything; "" when it does not.
func (c *Controller) heldByPolicy() string {
	if !c.spec.Mode.Acts() {
		return "mode " + string(c.spec.Mode) + " changes nothing"
	}
	if c.spec.Gates.Hold {
		return "gates.hold is set"
	}
	return c.cfg.Policy.Held()
}

// heldFromOutside asks the watchers. One that cannot be asked holds: silence is
// not the same as all being well.
func (c *Controller) heldFromOutside(ctx context.Context, now time.Time) string {
	h := &c.holds
	h.mu.Lock()
	if age := now.Sub(h.at); age >= 0 && age < leaveFresh {
		defer h.mu.Unlock()
		return h.why
	}
	h.mu.Unlock()
	why := c.askWatchers(ctx, now)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.why = now, why
	return why
}

func (c *Controller) askWatchers(ctx context.Context, now time.Time) string {
	for _, w := range c.cfg.Watchers {
		said, err := w.Observations(ctx, now)
		if err != nil {
			return fmt.Sprintf("whether somebody holds is not known: %v", err)
		}
		if why := decision.FrozenBy(said, now); why != "" {
			return why
		}
	}
	return ""
}

// closedWindow says which window that concerns the moves in flight is closed; ""
// when none is. A scale-out is for a load that does not ask what time it is.
// Moves that no operation is known of count as a rebalance.
func (c *Controller) closedWindow(now time.Time) string {
	kind, out := c.machine.MovesFor()
	if out {
		return ""
	}
	if why := c.parts.Act.Closed("gates.windows", now); why != "" {
		return why
	}
	if kind == decision.ScaleBrokers {
		return ""
	}
	return c.parts.Move.Closed("rebalance.windows", now)
}
