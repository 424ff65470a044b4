package adminclient

import "context"

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
