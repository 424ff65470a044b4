package controller

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/rebalance"
)

// Observer reads the cluster. A partial reading is not an error: what is
// missing is in Snapshot.Stale.
type Observer interface {
	Observe(ctx context.Context) (cluster.Snapshot, error)
}

// History reads what a signal was. One series a label set, sorted by labels.
type History interface {
	History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error)
}

// Mover carries plans out. Its state lives in Kafka, so that a new leader
// adopts what the last one left running.
type Mover interface {
	Start(ctx context.Context, p rebalance.Plan) error
	Progress(ctx context.Context) (rebalance.Progress, error)
	Cancel(ctx context.Context) error
}

// BrokerAdmin does to brokers what is neither scaling nor moving. Every call
// is idempotent.
type BrokerAdmin interface {
	// Cordon keeps new replicas off the brokers where the cluster can do that,
	// and does nothing where it cannot.
	Cordon(ctx context.Context, ids []int) error
	Uncordon(ctx context.Context, ids []int) error
	// Empty proves, from the brokers' own log directories, that nothing is
	// left on them; why names what is.
	Empty(ctx context.Context, ids []int) (empty bool, why string, err error)
	// Unregister forgets brokers whose pods are gone.
	Unregister(ctx context.Context, ids []int) error
}

// Planner makes plans; it is pure. rebalance.Planner is one.
type Planner interface {
	Plan(ctx context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error)
}

// Journal records decisions.
type Journal interface {
	Record(ctx context.Context, d decision.Decision) error
}

// Watcher gives what was said from outside, such as by Alertmanager. Its error
// is a stale signal: silence is not the same as all being well.
type Watcher interface {
	Observations(ctx context.Context, now time.Time) ([]decision.Observation, error)
}

// Approvals tells whether a person has approved a proposal, in mode Approve.
type Approvals interface {
	Approved(ctx context.Context, p decision.Proposal) (by string, ok bool, err error)
}

// Store keeps State between ticks, restarts and leaders.
type Store interface {
	Load(ctx context.Context) (State, error)
	Save(ctx context.Context, s State) error
}

// Clock is the time, real or simulated.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the present, in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }
