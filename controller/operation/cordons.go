package operation

import (
	"context"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// willCordon writes down which brokers are about to be cordoned.
func (w *walk) willCordon(ctx context.Context, ids []int) error {
	all := slices.Concat(w.state.Cordoned, ids)
	slices.Sort(all)
	if all = slices.Compact(all); slices.Equal(all, w.state.Cordoned) {
		return nil
	}
	return w.keep(ctx, func(s *State) { s.Cordoned = all })
}

// uncordonLeft takes cordons of ours away that no operation needs any more: of
// brokers that a person has had come back, or that an operation left behind.
func (w *walk) uncordonLeft(ctx context.Context) {
	var ids []int
	for _, id := range w.state.Cordoned {
		if b := w.broker(id); b != nil && b.State == cluster.BrokerDraining {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || w.cfg.Admin == nil || !w.Spec.Mode.Acts() {
		return
	}
	err := w.fence(ctx)
	if err == nil {
		err = w.cfg.Admin.Uncordon(ctx, ids)
	}
	if err != nil {
		w.note("brokers %v are cordoned for an operation that is over, and could not be uncordoned: %v", ids, err)
		return
	}
	w.note("brokers %v take new replicas again: the operation that cordoned them is over", ids)
}
