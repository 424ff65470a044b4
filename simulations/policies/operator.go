package policies

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/world"
)

// Planner plans the moves of an operator. Package simulations gives every
// policy of a run the planner that tidetable has in it, so that policies are
// compared and not planners.
type Planner interface {
	// Plan empties the brokers from ordinal keep on, fills those from ordinal
	// filled to there, and evens out the rest. It may find nothing worth moving.
	Plan(ctx context.Context, w *world.World, filled, keep int) ([]cluster.Move, error)
}

// greedy is the world's own planner, for runs that are too many for another.
type greedy struct{}

func (greedy) Plan(_ context.Context, w *world.World, _, keep int) ([]cluster.Move, error) {
	return w.PlanSpread(keep), nil
}

// operator makes a wished number of brokers come true the way a careful person
// would: new brokers are filled as soon as they are alive, a broker leaves only
// when it is empty, and in between the load is evened out.
type operator struct {
	planner Planner
	want    int
	filled  int       // brokers that have been given their share
	looked  time.Time // at the balance, last
	pause   time.Duration
}

// How often an operator looks at the balance, and how much later it looks again
// where nothing was worth moving: as tidetable does. From how far on it mends it is
// the policy's default (rebalance.tolerance).
const (
	balanceEvery = 10 * time.Minute
	balanceAgain = time.Hour
)

// tick takes the next step towards want. At most one change of size is under
// way at a time, and a scale-out never waits for a drain.
func (o *operator) tick(ctx context.Context, w *world.World, want int, why string) error {
	have, alive := w.Brokers()
	busy, _ := w.Moving()
	if o.filled == 0 {
		o.filled, o.looked = have, w.Now().Add(-balanceEvery)
	}
	switch {
	case want > have:
		o.want = want
		return w.SetBrokers(want, why)
	case busy || alive != have:
		return nil
	case want < have:
		return o.shrink(ctx, w, have, want, why)
	case o.filled < have:
		filled := o.filled
		o.filled = have
		return o.move(ctx, w, filled, have)
	}
	return o.balance(ctx, w, have)
}

func (o *operator) shrink(ctx context.Context, w *world.World, have, want int, why string) error {
	err := w.SetBrokers(want, why)
	if !errors.Is(err, world.ErrHoldsData) {
		o.filled = min(o.filled, want)
		return err
	}
	o.filled = min(o.filled, want) // if they are wanted again after all, they are empty
	if err := o.move(ctx, w, want, want); err != nil {
		return fmt.Errorf("draining from %d to %d brokers: %w", have, want, err)
	}
	return nil
}

// balance evens out what has become uneven.
func (o *operator) balance(ctx context.Context, w *world.World, have int) error {
	if w.MetricsDown() || w.Now().Sub(o.looked) < balanceEvery+o.pause {
		return nil
	}
	o.looked, o.pause = w.Now(), 0
	seen, err := w.Observer().Observe(ctx)
	if err != nil {
		return fmt.Errorf("looking at the balance: %w", err)
	}
	if cluster.Hottest(seen.BrokerLoads()).Over <= float64(policy.Default.Rebalance.Tolerance) {
		return nil
	}
	before := w.Placements()
	if err := o.move(ctx, w, have, have); err != nil {
		return err
	}
	if busy, _ := w.Moving(); !busy && before == w.Placements() {
		o.pause = balanceAgain
	}
	return nil
}

func (o *operator) move(ctx context.Context, w *world.World, filled, keep int) error {
	moves, err := o.planner.Plan(ctx, w, filled, keep)
	if err != nil || len(moves) == 0 {
		return err
	}
	return w.Move(moves)
}
