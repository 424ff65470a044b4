package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// stopGrace is how long the tick in hand may go on after the loop was told to
// stop: long enough to end a call, short enough for a pod's shutdown.
const stopGrace = 5 * time.Second

// tickLimit is how long one tick may take before it is cancelled.
func (c *Controller) tickLimit() time.Duration { return max(2*time.Minute, c.spec.Interval.D()) }

// Run ticks at once and then every interval until ctx ends. The tick in hand
// is given a little time to end by itself; what it has not done by then is
// picked up by whoever runs next, since every step is saved before it is taken.
func (c *Controller) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.spec.Interval.D())
	defer ticker.Stop()
	for {
		c.tickOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-c.cfg.Wake:
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// tickOnce runs one tick, bounded in time, and logs what came of it.
func (c *Controller) tickOnce(ctx context.Context) {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.tickLimit())
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	defer stop()
	began := time.Now()
	d, err := c.Tick(work)
	if c.cfg.Timed != nil {
		c.cfg.Timed(time.Since(began))
	}
	log := c.cfg.Logger.With("decision", d.ID, "reason", d.Reason, "outcome", d.Outcome)
	switch {
	case err != nil:
		log.ErrorContext(ctx, "tick failed", "error", err)
	case d.Reason == decision.ReasonSteady || d.Reason == decision.ReasonObserved:
		log.DebugContext(ctx, "tick")
	default:
		log.InfoContext(ctx, "tick", "brokers", d.Seen.AliveBrokers, "recommended", d.Recommended, "bottleneck", d.Requirement.Bottleneck)
	}
}

// Alive tells whether the loop still turns: an error says since when it has
// been stuck. Before the first tick it is alive.
func (c *Controller) Alive() error {
	now, started, ended := c.cfg.Clock.Now(), c.tickStarted.Load(), c.tickEnded.Load()
	if started == 0 {
		return nil
	}
	if since := now.Sub(time.Unix(0, started)); ended < started && since > 2*c.tickLimit() {
		return fmt.Errorf("the loop has been stuck in one tick for %s", decision.Rounded(since))
	}
	if since := now.Sub(time.Unix(0, ended)); ended >= started && since > 3*c.spec.Interval.D()+c.tickLimit() {
		return fmt.Errorf("the loop has not turned for %s", decision.Rounded(since))
	}
	return nil
}

// InFlight tells whether an operation is in flight.
func (c *Controller) InFlight() bool { return c.machine.Busy() }

// Frozen says why the last tick could take no step; "" when it could.
func (c *Controller) Frozen() string {
	if why := c.frozenBy.Load(); why != nil {
		return *why
	}
	return ""
}

// Ready tells whether the loop has lately seen the cluster.
func (c *Controller) Ready() error {
	good := c.lastGood.Load()
	if good == 0 {
		return fmt.Errorf("the cluster has not been observed yet")
	}
	if age := c.cfg.Clock.Now().Sub(time.Unix(0, good)); age > 5*c.spec.Interval.D()+c.tickLimit() {
		return fmt.Errorf("the cluster was last observed %s ago", decision.Rounded(age))
	}
	return nil
}
