package operation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

func (w *walk) scaling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if err := w.cfg.Scalers[op.Target].Set(ctx, actuators.Scale{Replicas: op.To, From: op.From}); err != nil {
		return op.Phase, fmt.Errorf("scaling %s to %d: %w", op.Target, op.To, err)
	}
	return decision.Joining, nil
}

// joining waits for brokers that take part. One that comes back after a
// scale-in is still cordoned: Kafka keeps a broker's configuration when it is
// unregistered.
func (w *walk) joining(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if ids := w.cordonedAmong(op); len(ids) > 0 && w.cfg.Admin != nil {
		if err := w.cfg.Admin.Uncordon(ctx, ids); err != nil {
			return op.Phase, fmt.Errorf("uncordoning brokers %v: %w", ids, err)
		}
	}
	var joined []int
	for _, id := range w.alive() {
		if !slices.Contains(op.Before, id) {
			joined = append(joined, id)
		}
	}
	if want := op.To - op.From; len(joined) < want {
		op.Note = fmt.Sprintf("%d of %d brokers have joined after %s", len(joined), want, decision.Rounded(w.Now.Sub(op.PhaseSince)))
		return op.Phase, nil
	}
	op.Brokers = joined
	w.state.Learned.StartSeconds = blend(w.state.Learned.Start(), w.Now.Sub(op.PhaseSince)).Seconds()
	return decision.Filling, nil
}

// cordonedAmong is the brokers that joined and are cordoned.
func (v *View) cordonedAmong(op *decision.Operation) []int {
	var ids []int
	for _, b := range v.Snapshot.Brokers {
		if b.State == cluster.BrokerDraining && !slices.Contains(op.Before, b.ID) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// filling gives the brokers that joined their share. When the load needs them
// before that can be done, a first plan moves what relieves most for the bytes
// that there is time for: leaders, and the partitions with most load for their
// size. The rest follows.
func (w *walk) filling(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if s := w.Scales[op.Target]; s.Delegated && !op.GivenBack || w.cfg.Planner == nil || w.cfg.Mover == nil {
		return done, nil // the operator fills them, or a person does
	}
	busy, err := w.poll(ctx, op)
	if busy || err != nil {
		return op.Phase, err
	}
	if op.HotFirst {
		if started, err := w.fillHot(ctx, op); started || err != nil {
			return op.Phase, err
		}
	}
	if op.Plans > op.HotPlans && !w.anyEmpty(op.Brokers) {
		w.learnRate(op)
		return done, nil
	}
	plan, started, err := w.startMoves(ctx, op, w.fillOptions(op))
	if err == nil && !started && plan != nil && len(plan.Moves) == 0 {
		return done, nil // there is nothing to put on them
	}
	return op.Phase, err
}

func (w *walk) fillOptions(op *decision.Operation) rebalance.Options {
	o := w.moves()
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
func (w *walk) hotBytes(op *decision.Operation) (most, whole cluster.Bytes) {
	n := cluster.Bytes(len(op.Brokers))
	whole = n * capacity.DataToFill(w.Stored, w.Others+op.From, w.Others+op.To)
	most = whole * hotShare
	if at, ok := w.NeededAt(op.From); ok {
		most = max(most, n*cluster.Bytes(float64(w.fillRate())*at.Sub(w.Now).Seconds()))
	}
	return most, whole
}

// fillHot starts the first plan of a scale-out that is late; it is false when
// there is none to start, or it has been carried out.
func (w *walk) fillHot(ctx context.Context, op *decision.Operation) (started bool, err error) {
	most, whole := w.hotBytes(op)
	if op.HotPlans == 0 && most < whole && w.longFill(op.From, op.To) {
		o := w.fillOptions(op)
		if o.Budget == nil || most < o.Budget.Bytes {
			o.Budget = &rebalance.Budget{Bytes: most}
		}
		plans := op.Plans
		op.HotPlans = 1 // saved with the plan: after a crash in between, or a refusal, the whole plan is next
		_, started, err := w.startMoves(ctx, op, o)
		op.HotPlans = op.Plans - plans
		if started {
			w.note("leaders and hot partitions first: %s, of the %s that fill brokers %v", op.Note, whole, op.Brokers)
			op.Note = hotFirst + op.Note
		}
		if started || err != nil {
			return true, err
		}
	}
	op.HotFirst = false
	op.PhaseSince, op.BytesMoved = w.Now, 0 // the rate is learned from the rest
	tryAtOnce(op, w.Now)
	return false, nil
}

// hotFirst begins the note of an operation while its first plan runs.
const hotFirst = "leaders and hot partitions first: "

func (v *View) anyEmpty(ids []int) bool {
	for _, id := range ids {
		if v.replicasOn(id) == 0 {
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
func (w *walk) longFill(from, to int) bool {
	return capacity.LeadTime(0, 0, capacity.DataToFill(w.Stored, w.Others+from, w.Others+to), w.fillRate()) > shortFill
}

// LongFill tells whether filling brokers that join takes so long that leaders
// and hot partitions go first.
func (m *Machine) LongFill(v View) func(from, to int) bool {
	return (&walk{Machine: m, View: v}).longFill
}

// learnRate notes how fast the brokers that joined were filled.
func (w *walk) learnRate(op *decision.Operation) {
	took := w.Now.Sub(op.PhaseSince)
	if op.BytesMoved <= 0 || took < shortFill || len(op.Brokers) == 0 {
		return
	}
	w.state.Learned.MoveRate = blendRate(w.state.Learned.MoveRate, op.BytesMoved, took, len(op.Brokers))
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
