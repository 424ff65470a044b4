// Package actuators is the port through which the loop sets sizes: what the
// size of a workload is, and who can set it. Each folder below it is one kind
// of workload; workload finds objects on a Kubernetes API for all of them.
package actuators

import "context"

// Scale is the size of a workload.
type Scale struct {
	Replicas int // wanted
	Ready    int // up
	// Held says why somebody has asked to leave the workload alone; "" when
	// nobody has.
	Held string
	// Conflict says who else sets this workload's size, so that two managers
	// never pull at one field; "" when nobody does.
	Conflict string
	// Delegated is true when the operator behind the workload moves the data
	// by itself: the loop then sets the size and waits.
	Delegated bool
}

// Scaler sets the size of one workload. Set is idempotent and returns when the
// wish is accepted, not when it has come true.
type Scaler interface {
	Current(ctx context.Context) (Scale, error)
	Set(ctx context.Context, want Scale) error
}

// Unwrapper is a Scaler around another, such as a fence.
type Unwrapper interface {
	Unwrap() Scaler
}

// Leaver is a broker Scaler that knows which broker ids leave when the
// workload shrinks to replicas. Without it the highest ids leave, as in a
// plain StatefulSet.
type Leaver interface {
	Leaving(ctx context.Context, replicas int) ([]int, error)
}
