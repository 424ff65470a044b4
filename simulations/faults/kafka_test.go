package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// brokers is the mover's door to the world's Kafka, for one process.
type brokers struct{ p *process }

func (k brokers) View(_ context.Context, topics []string) (execute.View, error) {
	c := k.p.w.model
	v := execute.View{
		ClusterID: c.ID, FencedKnown: true, Brokers: map[int]execute.BrokerView{}, Topics: map[string]execute.TopicView{},
		Reassigning: map[execute.TP]execute.Reassigning{},
	}
	for id, b := range c.Brokers {
		v.Brokers[id] = execute.BrokerView{Zone: b.Zone, Alive: b.Alive}
	}
	for name, t := range c.Topics {
		tv := execute.TopicView{ID: t.ID, MinISR: t.MinISR}
		for i, s := range t.Partitions {
			tv.Partitions = append(tv.Partitions, execute.PartitionView{Replicas: slices.Clone(s.Replicas), ISR: slices.Clone(s.ISR), Leader: s.Leader})
			if len(s.Adding)+len(s.Removing) > 0 {
				v.Reassigning[execute.TP{Topic: name, Partition: i}] = execute.Reassigning{
					Replicas: slices.Clone(s.Replicas), Adding: slices.Clone(s.Adding), Removing: slices.Clone(s.Removing),
				}
			}
		}
		if topics == nil || slices.Contains(topics, name) {
			v.Topics[name] = tv
		}
	}
	return v, k.p.call(nil)
}

func (k brokers) Sizes(_ context.Context, ids []int, tps []execute.TP) (execute.Sizes, error) {
	c := k.p.w.model
	out := execute.Sizes{Brokers: map[int]execute.BrokerSizes{}}
	for _, id := range ids {
		b := c.Brokers[id]
		if b == nil || !b.Alive {
			continue
		}
		held := execute.BrokerSizes{Replicas: map[execute.TP]cluster.Bytes{}, Usable: c.Free(id), Total: b.Disk}
		for _, p := range c.Partitions() {
			tp := execute.TP{Topic: p.Topic, Partition: p.Number}
			if n, ok := c.Topics[p.Topic].Partitions[p.Number].Held[id]; ok && (tps == nil || slices.Contains(tps, tp)) {
				held.Replicas[tp] = n
			}
		}
		out.Brokers[id] = held
	}
	return out, k.p.call(nil)
}

func (k brokers) Throttles(_ context.Context, ids []int, topics []string) (execute.Throttles, error) {
	c := k.p.w.model
	out := execute.Throttles{Rates: map[execute.RateOn]cluster.BytesPerSecond{}, Entries: map[execute.Entry]bool{}, Unread: map[int]bool{}}
	for _, id := range ids {
		b := c.Brokers[id]
		if b == nil || !b.Alive {
			out.Unread[id] = true
			continue
		}
		for side, rate := range map[execute.Side]cluster.BytesPerSecond{execute.LeaderSide: b.Leader, execute.FollowerSide: b.Follower} {
			if rate > 0 {
				out.Rates[execute.RateOn{Broker: id, Side: side}] = rate
			}
		}
	}
	for _, name := range topics {
		if t := c.Topics[name]; t != nil {
			for _, side := range execute.Sides {
				for r := range throttled(t, side) {
					out.Entries[execute.Entry{Topic: name, Side: side, Partition: r.Number, Broker: r.Broker}] = true
				}
			}
		}
	}
	return out, k.p.call(nil)
}

func throttled(t *placement.Topic, side execute.Side) map[placement.Replica]bool {
	if side == execute.LeaderSide {
		return t.LeaderThrottled
	}
	return t.FollowerThrottled
}

func (k brokers) SetThrottles(_ context.Context, c execute.ThrottleChange) error {
	return k.p.call(func() error {
		rates := maps.Clone(c.Rates)
		if rates == nil {
			rates = map[execute.RateOn]cluster.BytesPerSecond{}
		}
		for _, r := range c.Unset {
			rates[r] = 0
		}
		for r, v := range rates {
			b := k.p.w.model.Brokers[r.Broker]
			switch {
			case b == nil:
			case r.Side == execute.LeaderSide:
				b.Leader = v
			default:
				b.Follower = v
			}
		}
		entry := func(e execute.Entry) (map[placement.Replica]bool, placement.Replica) {
			return throttled(k.p.w.model.Topics[e.Topic], e.Side),
				placement.Replica{Partition: placement.Partition{Topic: e.Topic, Number: e.Partition}, Broker: e.Broker}
		}
		for _, e := range c.Append {
			list, r := entry(e)
			list[r] = true
		}
		for _, e := range c.Subtract {
			list, r := entry(e)
			delete(list, r)
		}
		return nil
	})
}

func (k brokers) Reassign(_ context.Context, targets []execute.Target) (map[execute.TP]error, error) {
	refused := map[execute.TP]error{}
	return refused, k.p.call(func() error {
		for _, t := range targets {
			if t.Replicas != nil {
				k.p.submits(fmt.Sprintf("a copy of %s to %v", t.TP, t.Replicas))
			}
			err := k.p.w.model.Reassign(placement.Partition{Topic: t.Topic, Number: t.Partition}, t.Replicas, t.Shrinks)
			if err != nil && !errors.Is(err, placement.ErrNoReassignment) {
				refused[t.TP] = err
			}
		}
		return nil
	})
}

func (k brokers) Elect(_ context.Context, tps []execute.TP) (map[execute.TP]error, error) {
	refused := map[execute.TP]error{}
	return refused, k.p.call(func() error {
		for _, tp := range tps {
			k.p.submits(fmt.Sprintf("an election of %s", tp))
			err := k.p.w.model.Elect(placement.Partition{Topic: tp.Topic, Number: tp.Partition})
			if err != nil && !errors.Is(err, placement.ErrElectionNotNeeded) {
				refused[tp] = err
			}
		}
		return nil
	})
}

func (k brokers) Unregister(ctx context.Context, id int) error {
	return admin(k).Unregister(ctx, []int{id})
}

// admin does to brokers what is neither scaling nor moving.
type admin struct{ p *process }

func (a admin) Cordon(_ context.Context, ids []int) error {
	return a.p.call(func() error {
		for _, id := range ids {
			a.p.w.cordoned[id] = true
		}
		return nil
	})
}

func (a admin) Uncordon(_ context.Context, ids []int) error {
	return a.p.call(func() error {
		for _, id := range ids {
			delete(a.p.w.cordoned, id)
		}
		return nil
	})
}

func (a admin) Empty(_ context.Context, ids []int) (empty bool, why string, err error) {
	for _, id := range ids {
		if n := a.p.w.holds(id); n > 0 {
			return false, fmt.Sprintf("%d replicas are on broker %d", n, id), a.p.call(nil)
		}
	}
	return true, "", a.p.call(nil)
}

func (a admin) Unregister(_ context.Context, ids []int) error {
	return a.p.call(func() error {
		for _, id := range ids {
			if n := a.p.w.holds(id); n > 0 {
				a.p.w.fail("broker %d is unregistered with %d replicas on it", id, n)
			}
			if b := a.p.w.model.Brokers[id]; b != nil && !b.Alive {
				_ = a.p.w.model.Unregister(id) // it is there
			}
		}
		return nil
	})
}

// log is the mover's state in Kafka: the last who claims it owns it.
type log struct {
	p     *process
	owner string
}

func (s *log) Load(context.Context) (map[string][]byte, error) {
	return maps.Clone(s.p.w.log), s.p.call(nil)
}

func (s *log) Claim(_ context.Context, owner string) error {
	return s.p.call(func() error { s.owner, s.p.w.owner = owner, owner; return nil })
}

func (s *log) Put(ctx context.Context, rs []execute.Record) error {
	return s.p.call(func() error {
		if err := s.Check(ctx); err != nil {
			return err
		}
		for _, r := range rs {
			s.p.w.log[r.Key] = r.Value
		}
		return nil
	})
}

func (s *log) Check(context.Context) error {
	if s.owner == "" || s.owner != s.p.w.owner {
		return fmt.Errorf("%w: it is with %s", execute.ErrTakenOver, s.p.w.owner)
	}
	return nil
}

func (s *log) Close() {}
