package execute

import "context"

// ledger writes down what a process after this one must know, before it takes
// effect.
type ledger struct {
	store Store
	owned ownership // as it is written down
}

// head writes the run without its moves.
func (l *ledger) head(ctx context.Context, r Run) error {
	rec, err := encodeHead(r)
	if err != nil {
		return err
	}
	return l.store.Put(ctx, []Record{rec})
}

// whole writes the run and its moves.
func (l *ledger) whole(ctx context.Context, r Run) error {
	records, err := encodeRun(r)
	if err != nil {
		return err
	}
	return l.store.Put(ctx, records)
}

// own writes down which throttles are ours.
func (l *ledger) own(ctx context.Context, o ownership) error {
	rec, err := encodeOwned(o)
	if err != nil {
		return err
	}
	if err := l.store.Put(ctx, []Record{rec}); err != nil {
		return err
	}
	l.owned = o
	return nil
}
