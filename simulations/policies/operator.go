package policies

import (
	"errors"
	"fmt"

	"github.com/tidetable/tidetable/simulations/world"
)

// operator makes a wished number of brokers come true the way a careful person
// would: new brokers are filled as soon as they are alive, and a broker leaves
// only when it is empty.
type operator struct {
	want  int
	fill  bool
	alive int
}

// tick takes the next step towards want. At most one change of size is under
// way at a time, and a scale-out never waits for a drain.
func (o *operator) tick(w *world.World, want int, why string) error {
	have, alive := w.Brokers()
	busy, _ := w.Moving()
	if alive > o.alive && o.alive > 0 {
		o.fill = true
	}
	o.alive = alive
	switch {
	case want > have:
		o.want = want
		return w.SetBrokers(want, why)
	case busy:
		return nil
	case want < have && alive == have:
		return o.shrink(w, have, want, why)
	case o.fill && alive == have:
		o.fill = false
		return w.Spread(have)
	}
	return nil
}

func (o *operator) shrink(w *world.World, have, want int, why string) error {
	err := w.SetBrokers(want, why)
	if !errors.Is(err, world.ErrHoldsData) {
		o.alive, o.fill = min(o.alive, want), false
		return err
	}
	o.fill = true // if they are wanted again after all, they are empty
	if err := w.Spread(want); err != nil {
		return fmt.Errorf("draining from %d to %d brokers: %w", have, want, err)
	}
	return nil
}
