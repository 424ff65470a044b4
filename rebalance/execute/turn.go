package execute

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/tidetable/tidetable/rebalance"
)

// turn lets one caller at a time work on a run. It is held over I/O, and so it
// is waited for no longer than a context lasts.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting until the mover has looked at the cluster: %w", ctx.Err())
	}
}

func (t turn) give() { <-t }

// status is what everybody may know of a run while somebody works on it. A
// published one never changes.
type status struct {
	progress rebalance.Progress
	run      Run // without its moves
	dropped  []Move
	looping  bool
	cancel   bool          // was asked for, and not yet begun
	fault    error         // why the loop ended early
	done     chan struct{} // closed when the run is over and all is told
	stop     func()        // ends the loop; nothing where the caller steps
}

// board is where the status is published. Reading it waits for nobody.
type board struct{ now atomic.Pointer[status] }

func newBoard(s status) *board {
	b := &board{}
	b.now.Store(&s)
	return b
}

func (b *board) read() status { return *b.now.Load() }

// edit publishes a changed copy; change may be called more than once.
func (b *board) edit(change func(*status)) {
	for {
		old := b.now.Load()
		next := *old
		change(&next)
		if b.now.CompareAndSwap(old, &next) {
			return
		}
	}
}
