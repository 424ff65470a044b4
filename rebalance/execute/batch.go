package execute

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// submitNext chooses the next batch and sends it. Why says what stands against
// one; a broker that died this very moment is no error, the next look tells
// what it means.
func (m *Mover) submitNext(ctx context.Context, v verdicts, view View, read Throttles, hold string, lost bool) (why string, err error) {
	batch, why := m.choose(v, view, hold)
	err = m.submit(ctx, v, batch, view, read, lost)
	if silent, ok := silentBrokers(err); ok {
		for _, b := range silent {
			m.work.silent[b] = true
		}
		return err.Error(), nil
	}
	return why, err
}

// mayNotSubmit gives the reasons that hold every new batch.
func (m *Mover) mayNotSubmit(v verdicts, now time.Time) string {
	if len(v.foreign) > 0 {
		return "another tool's reassignment is in flight: " + few(v.foreign)
	}
	if m.cfg.WindowOpen != nil && !m.run.Back {
		if open, why := m.cfg.WindowOpen(now); !open {
			if why == "" {
				why = "no maintenance window is open"
			}
			return why
		}
	}
	return ""
}

// tellHold says when new batches begin to be held, and when no longer: once per
// kind of reason, whatever its details become.
func (m *Mover) tellHold(why string) {
	was := m.work.holding
	m.work.holding = why
	kind, _, _ := strings.Cut(why, ":")
	switch {
	case why == was || why != "" && strings.HasPrefix(was, kind):
	case why == "":
		m.event("hold", "going on: it is over that "+was)
	default:
		m.event("hold", why+": nothing new begins until that is over, what is in flight goes on")
	}
}

// choose asks admit for the next batch.
func (m *Mover) choose(v verdicts, view View, hold string) ([]copying, string) {
	if hold != "" {
		return nil, hold
	}
	batch, held := admit(v.cands, v.running, v.later, limits{
		allowance: func(b int) cluster.Bytes { return m.copied(b, max(m.cfg.Window, 2*m.cfg.Poll)) },
		soon:      func(b int) cluster.Bytes { return m.copied(b, 2*m.cfg.Poll) },
		room:      m.room(v.running),
		carries: func(b int, s Side, in cluster.BytesPerSecond) bool {
			return m.cfg.Throttle.carries(m.sideIncoming(s, in))
		},
	})
	if len(batch)+len(v.running) > 0 {
		return batch, ""
	}
	for _, c := range v.cands {
		if why := held[c.tp]; why != "" {
			return nil, fmt.Sprintf("%s: %s", c.tp, why)
		}
	}
	return nil, ""
}

// copied is what a broker copies in a while at its present throttle.
func (m *Mover) copied(b int, while time.Duration) cluster.Bytes {
	rate := m.cfg.Throttle.Start
	for _, s := range Sides {
		if r, ok := m.work.rates[RateOn{b, s}]; ok {
			rate = min(rate, r)
		}
	}
	return cluster.Bytes(float64(rate) * while.Seconds())
}

// room is the free space of a broker less what is still to arrive.
func (m *Mover) room(running []copying) func(int) cluster.Bytes {
	coming := map[int]cluster.Bytes{}
	for _, c := range running {
		coming[c.to] += needs(c)
	}
	return func(b int) cluster.Bytes {
		s, ok := m.work.sizes.Brokers[b]
		if !ok || s.Usable < 0 {
			return -1
		}
		return max(s.Usable-coming[b], 0)
	}
}

// submit sets the throttles of a batch and then sends it; with an empty batch
// it only brings the throttles up to date. Everything that will be ours is
// written down first.
func (m *Mover) submit(ctx context.Context, v verdicts, batch []copying, view View, read Throttles, lost bool) error {
	if err := m.applyThrottles(ctx, v, batch, view, read, lost); err != nil {
		return err
	}
	if len(batch) == 0 {
		return nil
	}
	targets := make([]Target, 0, len(batch))
	var bytes cluster.Bytes
	for _, c := range batch {
		targets = append(targets, Target{TP: c.tp, Replicas: v.steps[c.tp].Step})
		bytes += c.left
	}
	// The last look before the cluster changes: is the state still ours?
	if err := m.cfg.Store.Check(ctx); err != nil {
		return err
	}
	refused, err := m.cfg.Kafka.Reassign(ctx, targets)
	if err != nil {
		return err
	}
	m.tellRefused(refused)
	m.batches++
	m.emit(Event{Kind: "batch", Batch: m.batches, Partitions: len(batch) - len(refused), Bytes: bytes,
		Text: fmt.Sprintf("batch %d: %d partitions, %v", m.batches, len(batch)-len(refused), bytes)})
	return nil
}
