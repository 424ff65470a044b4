package execute

import (
	"context"
	"errors"
)

// ErrTakenOver says that another process owns the state now. Whoever gets it
// must not touch the cluster any more.
var ErrTakenOver = errors.New("another process has taken the mover over")

// Record is one key and value of the state.
type Record struct {
	Key   string
	Value []byte
}

// Store keeps the mover's state outside of the process. The last one to claim
// it owns it; everybody before gets ErrTakenOver from then on.
type Store interface {
	// Load reads the newest value of every key; empty when nothing was stored.
	Load(ctx context.Context) (map[string][]byte, error)
	// Claim makes this process the owner.
	Claim(ctx context.Context, owner string) error
	// Put writes records in order, and returns when they are safe.
	Put(ctx context.Context, records []Record) error
	// Check returns ErrTakenOver when another process owns the state.
	Check(ctx context.Context) error
	Close()
}
