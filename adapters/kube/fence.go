package kube

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/rebalance"
)

// ErrNotLeader refuses a write by a process that cannot prove that it leads.
var ErrNotLeader = errors.New("refusing to write: this process does not hold the lease")

// Fence answers whether this process may write. It is asked right before each
// write: Kafka knows nothing of our Lease, so a leader that was paused past its
// lease must notice by its own clock. The zero Fence refuses.
type Fence struct {
	renewed  atomic.Pointer[time.Time] // monotonic; when the last renewal that succeeded was sent
	validFor time.Duration
	now      func() time.Time
}

// NewFence makes a fence that holds for validFor after each renewal.
func NewFence(validFor time.Duration, now func() time.Time) *Fence {
	return &Fence{validFor: validFor, now: now}
}

// Renewed says that a renewal sent at t succeeded.
func (f *Fence) Renewed(t time.Time) { f.renewed.Store(&t) }

// Lost says that the lease is gone.
func (f *Fence) Lost() { f.renewed.Store(nil) }

// Check is nil while the lease is held beyond doubt. The answer is good for the
// write that follows at once, and for no other.
func (f *Fence) Check() error {
	t := f.renewed.Load()
	if t == nil || f.now == nil {
		return ErrNotLeader
	}
	if age := f.now().Sub(*t); age >= f.validFor {
		return fmt.Errorf("%w: it was last renewed %s ago", ErrNotLeader, age.Round(time.Millisecond))
	}
	return nil
}

// FencedScaler checks the fence before each write.
type FencedScaler struct {
	actuators.Scaler
	Fence *Fence
}

// Set scales if this process leads.
func (s FencedScaler) Set(ctx context.Context, want actuators.Scale) error {
	if err := s.Fence.Check(); err != nil {
		return err
	}
	return s.Scaler.Set(ctx, want)
}

// Unwrap gives the scaler behind the fence.
func (s FencedScaler) Unwrap() actuators.Scaler { return s.Scaler }

// FencedMover checks the fence before each write.
type FencedMover struct {
	operation.Mover
	Fence *Fence
}

// Start starts the plan if this process leads.
func (m FencedMover) Start(ctx context.Context, p rebalance.Plan) error {
	if err := m.Fence.Check(); err != nil {
		return err
	}
	return m.Mover.Start(ctx, p)
}

// Cancel cancels if this process leads.
func (m FencedMover) Cancel(ctx context.Context) error {
	if err := m.Fence.Check(); err != nil {
		return err
	}
	return m.Mover.Cancel(ctx)
}

// FencedAdmin checks the fence before each write; proving is reading.
type FencedAdmin struct {
	operation.BrokerAdmin
	Fence *Fence
}

// Cordon cordons if this process leads.
func (a FencedAdmin) Cordon(ctx context.Context, ids []int) error {
	if err := a.Fence.Check(); err != nil {
		return err
	}
	return a.BrokerAdmin.Cordon(ctx, ids)
}

// Uncordon uncordons if this process leads.
func (a FencedAdmin) Uncordon(ctx context.Context, ids []int) error {
	if err := a.Fence.Check(); err != nil {
		return err
	}
	return a.BrokerAdmin.Uncordon(ctx, ids)
}

// Unregister unregisters if this process leads.
func (a FencedAdmin) Unregister(ctx context.Context, ids []int) error {
	if err := a.Fence.Check(); err != nil {
		return err
	}
	return a.BrokerAdmin.Unregister(ctx, ids)
}
