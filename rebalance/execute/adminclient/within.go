package adminclient

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// within asks and waits no longer than ctx lasts. The client does not look at
// ctx while it opens a connection for a request that it splits by broker, which
// takes ten seconds and more to fail where a broker takes the connection and
// then says nothing. What is asked may end later, so it must touch nothing that
// somebody else sees.
func within[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		v, err := ask(ctx)
		got <- answer{v, err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// eachBroker asks brokers side by side, each for brokerTimeout at most, and gives
// the first error once all have been asked.
func eachBroker(ctx context.Context, brokers []int, ask func(ctx context.Context, broker int) error) error {
	var g errgroup.Group
	g.SetLimit(brokersAtOnce)
	for _, b := range brokers {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
			defer cancel()
			return ask(ctx, b)
		})
	}
	return g.Wait()
}
