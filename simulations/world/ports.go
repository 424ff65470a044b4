package world

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/rebalance"
)

// World is what the production loop observes and asks for history and time.
var (
	_ controller.Observer = (*World)(nil)
	_ controller.History  = (*World)(nil)
	_ controller.Clock    = (*World)(nil)
)

// BrokerScaler sizes the brokers' StatefulSet.
type BrokerScaler struct{ World *World }

// Current is its size.
func (s BrokerScaler) Current(context.Context) (actuators.Scale, error) {
	have, alive := s.World.Brokers()
	return actuators.Scale{Replicas: have, Ready: alive}, nil
}

// Set asks for a size.
func (s BrokerScaler) Set(_ context.Context, want actuators.Scale) error {
	return s.World.SetBrokers(want.Replicas, "loop")
}

// GroupScaler sizes the workload of one consumer group.
type GroupScaler struct {
	World *World
	Group int
}

// Current is its size.
func (s GroupScaler) Current(context.Context) (actuators.Scale, error) {
	g := s.World.Group(s.Group)
	return actuators.Scale{Replicas: g.Want, Ready: g.Ready}, nil
}

// Set asks for a size.
func (s GroupScaler) Set(_ context.Context, want actuators.Scale) error {
	return s.World.SetConsumers(s.Group, want.Replicas, "loop")
}

// Mover carries plans out at the world's throttle.
type Mover struct{ World *World }

// Start asks for the plan's moves.
func (m Mover) Start(_ context.Context, p rebalance.Plan) error {
	if err := m.World.Move(p.Moves); err != nil {
		return fmt.Errorf("starting the plan: %w", err)
	}
	return nil
}

// Progress is how far the moves are.
func (m Mover) Progress(context.Context) (rebalance.Progress, error) { return m.World.progress(), nil }

// Cancel drops what is not finished.
func (m Mover) Cancel(context.Context) error {
	m.World.cancel()
	return nil
}

func (w *World) progress() rebalance.Progress {
	v := &w.moves
	p := rebalance.Progress{
		State: "idle", BytesTotal: cluster.Bytes(v.total), BytesMoved: cluster.Bytes(v.moved),
		MovesTotal: v.count, MovesDone: v.done, Rate: cluster.BytesPerSecond(v.rate),
	}
	switch {
	case v.busy():
		p.State = "moving"
		if _, left := w.Moving(); v.rate > 0 {
			p.ETA = seconds(left / v.rate)
		}
	case w.now.Before(v.settled):
		p.State = "moving" // the leaders are elected, and all is looked at again
	case v.count > 0:
		p.State = "done"
	}
	return p
}

// Admin does to the brokers what is neither scaling nor moving.
type Admin struct{ World *World }

// Cordon does nothing: new replicas appear only where a plan puts them.
func (Admin) Cordon(context.Context, []int) error { return nil }

// Uncordon does nothing.
func (Admin) Uncordon(context.Context, []int) error { return nil }

// Unregister does nothing: a broker whose pod is gone is forgotten at once.
func (Admin) Unregister(context.Context, []int) error { return nil }

// Empty tells whether the brokers hold nothing.
func (a Admin) Empty(_ context.Context, ids []int) (empty bool, why string, err error) {
	for _, id := range ids {
		if id < 0 || id >= len(a.World.brokers) {
			continue
		}
		if n := a.World.brokers[id].holds; n > 0 {
			return false, fmt.Sprintf("broker %d still holds %d replicas", id, n), nil
		}
	}
	return true, "", nil
}
