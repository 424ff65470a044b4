package controller

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// filling gives the brokers that joined their share. When the load needs them
// before that can be done, a first plan moves what relieves most for the bytes
// that there is time for: leaders, and the partitions with most load for their
// size. The rest follows.
func (t *tick) filling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if s := t.scales[op.Target]; s.Delegated || t.c.cfg.Planner == nil || t.c.cfg.Mover == nil {
		return "", nil // the operator fills them, or a person does
	}
	busy, err := t.poll(ctx, op)
	if busy || err != nil {
		return op.Phase, err
	}
	if op.HotFirst {
		if started, err := t.fillHot(ctx, op); started || err != nil {
			return op.Phase, err
		}
	}
	if op.Plans > op.HotPlans && !t.anyEmpty(op.Brokers) {
		t.learnRate(op)
		return "", nil
	}
	plan, started, err := t.start(ctx, op, t.fillOptions(op))
	if err == nil && !started && plan != nil && len(plan.Moves) == 0 {
		return "", nil // there is nothing to put on them
	}
	return op.Phase, err
}

func (t *tick) fillOptions(op *decision.Operation) rebalance.Options {
	o := t.planOptions()
	for _, id := range op.Brokers {
		o.Add = append(o.Add, rebalance.NewBroker{ID: id})
	}
	o.MinGain = -1 // a broker that was asked for is filled whatever the gain
	return o
}

// hotShare is how much of the data that fills the brokers a first plan may
// always move: load is so uneven in most clusters that a tenth of the bytes is
// worth far more than a tenth of the relief.
const hotShare = 0.1

// hotBytes is what there is time to move until the load needs the brokers, and
// at least hotShare; whole is what fills them.
func (t *tick) hotBytes(op *decision.Operation) (most, whole cluster.Bytes) {
	n := cluster.Bytes(len(op.Brokers))
	whole = n * capacity.DataToFill(t.demand.Stored, op.From, op.To)
	most = whole * hotShare
	if at, ok := t.neededAt(op.From); ok {
		most = max(most, n*cluster.Bytes(float64(t.c.fillRate())*at.Sub(t.now).Seconds()))
	}
	return most, whole
}

// fillHot starts the first plan of a scale-out that is late; it is false when
// there is none to start, or it has been carried out.
func (t *tick) fillHot(ctx context.Context, op *decision.Operation) (started bool, err error) {
	most, whole := t.hotBytes(op)
	if op.HotPlans == 0 && most < whole && t.longFill(op.From, op.To) {
		o := t.fillOptions(op)
		if o.Budget == nil || most < o.Budget.Bytes {
			o.Budget = &rebalance.Budget{Bytes: most}
		}
		plans := op.Plans
		op.HotPlans = 1 // saved with the plan: after a crash in between, or a refusal, the whole plan is next
		_, started, err := t.start(ctx, op, o)
		op.HotPlans = op.Plans - plans
		if started {
			t.note("leaders and hot partitions first: %s, of the %s that fill brokers %v", op.Note, whole, op.Brokers)
			op.Note = hotFirst + op.Note
		}
		if started || err != nil {
			return true, err
		}
	}
	op.HotFirst = false
	op.PhaseSince, op.BytesMoved = t.now, 0 // the rate is learned from the rest
	tryAtOnce(op, t.now)
	return false, nil
}

// hotFirst begins the note of an operation while its first plan runs.
const hotFirst = "leaders and hot partitions first: "

func (t *tick) anyEmpty(ids []int) bool {
	for _, id := range ids {
		if t.replicasOn([]int{id}) == 0 {
			return true
		}
	}
	return false
}

// shortFill is a fill that is over so soon that polling and electing took most
// of it: it says nothing about how fast data moves, and in two plans it would
// only take longer.
const shortFill = 2 * time.Minute

// longFill tells whether filling the brokers that join takes longer than that.
func (t *tick) longFill(from, to int) bool {
	return capacity.LeadTime(0, 0, capacity.DataToFill(t.demand.Stored, from, to), t.c.fillRate()) > shortFill
}

// learnRate notes how fast the brokers that joined were filled.
func (t *tick) learnRate(op *decision.Operation) {
	took := t.now.Sub(op.PhaseSince)
	if op.BytesMoved <= 0 || took < shortFill || len(op.Brokers) == 0 {
		return
	}
	t.c.state.Learned.MoveRate = blendRate(t.c.state.Learned.MoveRate, op.BytesMoved, took, len(op.Brokers))
}

// blendRate is the mean of what is known and what one fill of some brokers
// showed, each in bytes per second of one broker.
func blendRate(have cluster.BytesPerSecond, moved cluster.Bytes, took time.Duration, brokers int) cluster.BytesPerSecond {
	seen := cluster.BytesPerSecond(float64(moved) / took.Seconds() / float64(brokers))
	if have > 0 {
		return (have + seen) / 2
	}
	return seen
}
