package world

import (
	"cmp"
	"context"
	"fmt"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/rebalance"
)

// What the production loop observes, and asks for history and time.
var (
	_ controller.Observer = (*Observer)(nil)
	_ controller.History  = (*History)(nil)
	_ controller.Clock    = (*World)(nil)
)

// BrokerScaler sizes the brokers' StatefulSet.
type BrokerScaler struct{ World *World }

// Current is its size; a broker's id is its pod's ordinal, as in the world.
func (s BrokerScaler) Current(context.Context) (actuators.Scale, error) {
	have, alive := s.World.Brokers()
	scale := actuators.Scale{Replicas: have, Ready: alive, Members: []actuators.Member{}}
	for id := range have {
		scale.Members = append(scale.Members, actuators.Member{Pod: fmt.Sprintf("kafka-%d", id), Ordinal: id, ID: &id, Started: true})
	}
	return scale, nil
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

// Mover carries plans out.
type Mover struct {
	World *World
	// Throttle is in place of the world's own; zero is that one.
	Throttle cluster.BytesPerSecond
}

// Start asks for the plan's moves.
func (m Mover) Start(_ context.Context, p rebalance.Plan) error {
	m.World.moves.throttle = cmp.Or(m.Throttle, m.World.cfg.Throttle)
	if err := m.World.Move(p.Moves); err != nil {
		return fmt.Errorf("starting the plan: %w", err)
	}
	return nil
}

// Progress is how far the moves are.
func (m Mover) Progress(context.Context) (rebalance.Progress, error) {
	return m.World.moves.progress(), nil
}

// Cancel drops what is not finished.
func (m Mover) Cancel(context.Context) error {
	m.World.moves.cancel()
	return nil
}

func (r *reassignments) progress() rebalance.Progress {
	p := rebalance.Progress{
		State: rebalance.Idle, BytesTotal: cluster.Bytes(r.total), BytesMoved: cluster.Bytes(r.moved),
		MovesTotal: r.count, MovesDone: r.done, Rate: cluster.BytesPerSecond(r.rate),
	}
	switch {
	case r.busy():
		p.State = rebalance.Moving
		if r.rate > 0 {
			p.ETASeconds = r.left() / r.rate
		}
	case r.time.now.Before(r.over):
		p.State = rebalance.Moving // the leaders are elected, and all is looked at again
	case r.count > 0:
		p.State = rebalance.Done
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
		if id < 0 || id >= len(a.World.place.brokers) {
			continue
		}
		if n := a.World.place.brokers[id].holds; n > 0 {
			return false, fmt.Sprintf("broker %d still holds %d replicas", id, n), nil
		}
	}
	return true, "", nil
}
