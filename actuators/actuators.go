// Package actuators is the port through which the loop sets sizes: what the
// size of a workload is, and who can set it. Each folder below it is one kind
// of workload; workload finds objects on a Kubernetes API for all of them.
package actuators

import "context"

// Scale is the size of a workload.
type Scale struct {
	Replicas int // wanted
	Ready    int // up
	// From, where Set is asked, is the size that the wish is based on: when the
	// workload has another one by then, somebody else has changed it, and the
	// wish is refused. Zero stands for any size.
	From int
	// Held says why somebody has asked to leave the workload alone; "" when
	// nobody has.
	Held string
	// Conflict says who else sets this workload's size, so that two managers
	// never pull at one field; "" when nobody does.
	Conflict string
	// NoIn says why the workload must not be made smaller, and NoOut why it must
	// not be made larger, whoever wishes it; "" when it may.
	NoIn, NoOut string
	// Refused says why the operator behind the workload does not carry out the
	// size that is wanted; "" when it does.
	Refused string
	// Delegated is true when the operator behind the workload fills brokers that
	// join by itself.
	Delegated bool
	// Members are the pods of a broker workload, in the order in which they
	// would leave, the first to leave last. Nil where the workload cannot tell:
	// it is never scaled in then, and Unknown says why.
	Members []Member
	Unknown string
}

// Member is one pod of a broker workload, and what it tells about which broker
// it is.
type Member struct {
	Pod string
	// Ordinal is the pod's number in its workload; negative where it has none.
	Ordinal int
	// Hosts are the names and addresses that the pod is reached by.
	Hosts []string
	// Labels are the pod's labels and annotations.
	Labels map[string]string
	// ID is the broker's id where the operator behind the workload states it.
	ID *int
	// Started is true when some container of the pod has ever run.
	Started bool
}

// Scaler sets the size of one workload. Set is idempotent and returns when the
// wish is accepted, not when it has come true.
type Scaler interface {
	Current(ctx context.Context) (Scale, error)
	Set(ctx context.Context, want Scale) error
}
