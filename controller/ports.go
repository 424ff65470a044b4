package controller

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/cluster"
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

// Gate says whether a proposal may go on. It never edits the proposal.
type Gate interface {
	Name() string
	Check(ctx context.Context, p Proposal, s cluster.Snapshot) Verdict
}

// Scale is the size of a workload.
type Scale struct {
	Replicas int // wanted
	Ready    int // up
}

// Scaler sets the size of one workload. Set is idempotent and returns when the
// wish is accepted, not when it has come true.
type Scaler interface {
	Current(ctx context.Context) (Scale, error)
	Set(ctx context.Context, want Scale) error
}

// Mover carries plans out. Its state lives in Kafka, so that a new leader
// adopts what the last one left running.
type Mover interface {
	Start(ctx context.Context, p rebalance.Plan) error
	Progress(ctx context.Context) (rebalance.Progress, error)
	Cancel(ctx context.Context) error
}

// Journal records decisions.
type Journal interface {
	Record(ctx context.Context, d Decision) error
}

// Clock is the time, real or simulated.
type Clock interface {
	Now() time.Time
}
