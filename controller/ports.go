package controller

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
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

// Clock is the time, real or simulated.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the present, in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }
