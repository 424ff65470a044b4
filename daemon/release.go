package daemon

import (
	"context"
	"fmt"

	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance/execute/adminclient"
)

// leaveActing releases what an acting mode of the same policy has left, where
// the policy no longer acts and its state says that an operation was in flight.
// The state is cleared with it: whoever acts again begins anew.
func (b *Builder) leaveActing(ctx context.Context, p policy.Policy, store operation.Store, say func(string)) error {
	if p.Spec.Mode.Acts() || len(p.Spec.Kafka.Bootstrap) == 0 {
		return nil
	}
	state, err := store.Load(ctx)
	if err != nil || state.Operation == nil {
		return err
	}
	say(fmt.Sprintf("mode %s changes nothing, so that %s is taken back", p.Spec.Mode, state.Operation.Words()))
	if err := b.takeBack(ctx, p, say); err != nil {
		return err
	}
	state.Operation = nil
	return store.Save(ctx, state)
}

// takeBack moves everything back that the mover has in flight, and removes our
// throttles and cordons.
func (b *Builder) takeBack(ctx context.Context, p policy.Policy, say func(string)) error {
	opts, err := b.kafkaOptions(p.Spec.Kafka)
	if err != nil {
		return err
	}
	conn, err := adminclient.Connect(adminclient.DefaultStateTopic, opts...)
	if err != nil {
		return err
	}
	defer conn.Close()
	rate, _, err := p.Spec.Rebalance.ThrottleRate()
	if err != nil {
		return fmt.Errorf("spec.rebalance.throttle: %w", err)
	}
	return conn.Release(ctx, conn.Config(rate), say)
}
