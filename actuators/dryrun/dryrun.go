// Package dryrun wraps a scaler so that nothing is written: what would have
// been done is kept for whoever asks.
package dryrun

import (
	"context"
	"sync"

	"github.com/tidetable/tidetable/controller"
)

// Scaler reads the real scale and only remembers what it was told to set.
type Scaler struct {
	Real controller.Scaler

	mu     sync.Mutex
	wishes []controller.Scale
}

// Current reads the real scale.
func (s *Scaler) Current(ctx context.Context) (controller.Scale, error) { return s.Real.Current(ctx) }

// Set remembers the wish and changes nothing.
func (s *Scaler) Set(_ context.Context, want controller.Scale) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wishes = append(s.wishes, want)
	return nil
}

// Wishes lists what would have been set, in order.
func (s *Scaler) Wishes() []controller.Scale {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]controller.Scale(nil), s.wishes...)
}
