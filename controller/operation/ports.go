package operation

import (
	"context"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

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

// Store keeps State between rounds, restarts and leaders.
type Store interface {
	Load(ctx context.Context) (State, error)
	Save(ctx context.Context, s State) error
}
