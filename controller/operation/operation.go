// Package operation carries out the one change of placement or of broker count
// that may be in flight: a state machine whose state is saved before each phase
// is begun, so that whoever leads next goes on from there.
//
//	scale-out   Scaling ──► Joining ──► Filling ──► done
//	               │           │ the policy allows fewer: it turns back,
//	               └─────┬─────┘ and becomes a scale-in
//	                     ▼
//	scale-in    Cordoning ──► Draining ◄──► Proving ──► Shrinking ──► Unregistering ──► done
//	               ▲             │             │  ▲        │
//	               │             │             │  └────────┤ the proof no longer holds
//	               └─────────────┼─────────────┼───────────┘ other brokers would leave
//	                             ▼             ▼
//	rebalance   Moving ───────► Cancelling ────► done (as it was)
//	                             │ brokers of a scale-in stand empty:
//	                             └──► Filling, as after a scale-out
//
// A phase is one function: from what the round saw and the operation as it
// stands to the phase that comes next, which is the same one while it lasts.
// Everything a phase does may be done twice. Nothing is removed but in
// Shrinking, and only after the proof has been given again in that very round.
package operation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
)

// done is the phase after the last one.
const done decision.Phase = ""

// phases says what is done in each.
var phases = map[decision.Phase]func(*walk, context.Context, *decision.Operation) (decision.Phase, error){
	decision.Scaling:       (*walk).scaling,
	decision.Joining:       (*walk).joining,
	decision.Filling:       (*walk).filling,
	decision.Cordoning:     (*walk).cordoning,
	decision.Draining:      (*walk).draining,
	decision.Proving:       (*walk).proving,
	decision.Shrinking:     (*walk).shrinking,
	decision.Unregistering: (*walk).unregistering,
	decision.Moving:        (*walk).moving,
	decision.Cancelling:    (*walk).cancelling,
}

// Config is what a Machine acts through. What is nil is done without: no Mover
// or Planner means that nothing is moved, no Admin that nothing is cordoned,
// proven or unregistered beyond what the snapshot shows.
type Config struct {
	Scalers map[string]actuators.Scaler // by the target's key
	Mover   Mover
	Admin   BrokerAdmin
	Planner Planner
	Store   Store
	// Fence is asked before every write; an error means that somebody else
	// leads now, and nothing may be written.
	Fence  func(ctx context.Context) error
	Now    func() time.Time // when the state is saved
	Logger *slog.Logger
}

// Machine holds what must outlive a process, and carries it on. It is for one
// goroutine.
type Machine struct {
	cfg     Config
	state   State
	loaded  bool
	adopted bool // the mover has been asked for moves left running
	// flight is a copy of the operation in flight for other goroutines.
	flight atomic.Pointer[decision.Operation]
}

// New is a machine that has not yet read its state.
func New(cfg Config) *Machine { return &Machine{cfg: cfg} }

// View is what one round may judge by: what was seen, what the policy wants,
// and what the load needs. Nothing in it changes during the round.
type View struct {
	ID       string // of the decision, and of an operation that it begins
	Now      time.Time
	Spec     *policy.Spec
	Snapshot *cluster.Snapshot
	Scales   map[string]actuators.Scale // by target; absent when it could not be read
	// NotFresh says why nothing may be removed; "" when all is known.
	NotFresh string
	// Frozen says why an operation may not take another step; "" when it may.
	Frozen string
	// Brokers is how many brokers are asked for now of the policy's workload, and
	// Others how many the cluster has beside them.
	Brokers, Others int
	// Stored is what is on all disks, in bytes; not positive when unknown.
	Stored cluster.Bytes
	// LoadNeeds is the brokers that the load itself needs; 0 while it is not known.
	LoadNeeds int
	// NeededAt is when the load first needs more than so many brokers; false
	// when it does not within the horizon.
	NeededAt func(brokers int) (time.Time, bool)
	// Again says what speaks against a change that was allowed once; "" when
	// nothing does. It is asked right before brokers are let go.
	Again func(ctx context.Context, p decision.Proposal) string
	// Moves are what the policy says about any plan, and MoveRate is how fast a
	// broker that joins is filled until that has been seen, in bytes a second.
	Moves    rebalance.Options
	MoveRate cluster.BytesPerSecond
}

// Told is what a round's walk has to say.
type Told struct {
	Notes    []string
	Concerns []decision.Concern
	Moving   *rebalance.Progress // of the mover, where it was asked
}

func (t *Told) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// walk is one round's way through the phases.
type walk struct {
	*Machine
	View
	Told
}

// Load reads the state once.
func (m *Machine) Load(ctx context.Context) error {
	if m.loaded {
		return nil
	}
	s, err := m.cfg.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("reading the loop's state: %w", err)
	}
	if s.Version > StateVersion {
		return fmt.Errorf(
			"reading the loop's state: version %d was written by a newer tidetable; this one knows %d",
			s.Version,
			StateVersion,
		)
	}
	s.Version = StateVersion
	m.state, m.loaded = s, true
	m.show()
	return nil
}

// Reload makes the next Load read the state anew: who does not act may not be
// the only one to write it.
func (m *Machine) Reload() { m.loaded = false }

// State is what the machine knows; it may be read, and not written.
func (m *Machine) State() *State { return &m.state }

// InFlight is the operation in flight, or nil.
func (m *Machine) InFlight() *decision.Operation { return m.state.Operation }

// MovesFor says what moves in flight are for; out is true when they fill brokers
// that join. It may be asked from any goroutine.
func (m *Machine) MovesFor() (kind decision.ProposalKind, out bool) {
	op := m.flight.Load()
	if op == nil {
		return decision.Rebalance, false
	}
	return op.Kind, op.Out()
}

// Busy tells whether an operation is in flight. It may be asked from any goroutine.
func (m *Machine) Busy() bool { return m.flight.Load() != nil }

// show lets other goroutines see what is in flight.
func (m *Machine) show() {
	if op := m.state.Operation; op != nil {
		o := op.Clone()
		m.flight.Store(&o)
		return
	}
	m.flight.Store(nil)
}

// save writes the state before what it announces is done.
func (m *Machine) save(ctx context.Context) error {
	m.show()
	m.state.prune(m.cfg.Now())
	if err := m.cfg.Store.Save(ctx, m.state.Clone()); err != nil {
		return fmt.Errorf("saving the loop's state: %w", err)
	}
	return nil
}

// keep changes the state and saves it; what cannot be saved is not changed. edit
// replaces what it changes and writes into nothing that stands.
func (m *Machine) keep(ctx context.Context, edit func(*State)) error {
	before := m.state
	edit(&m.state)
	if err := m.save(ctx); err != nil {
		m.state = before
		return err
	}
	return nil
}

// fence makes sure that this process may still write.
func (m *Machine) fence(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.cfg.Fence == nil {
		return nil
	}
	return m.cfg.Fence(ctx)
}

// Proceed takes the operation in flight as far as it goes now.
func (m *Machine) Proceed(ctx context.Context, v View) Told {
	w := &walk{Machine: m, View: v}
	if err := w.adopt(ctx); err != nil {
		w.note("whether moves are in flight could not be read: %v", err)
	}
	op := m.state.Operation
	if op == nil && v.Frozen == "" {
		w.uncordonLeft(ctx)
	}
	if op == nil {
		return w.Told
	}
	if v.Frozen != "" {
		op.Note = "held: " + v.Frozen
		return w.Told
	}
	if err := w.turn(ctx, op); err != nil {
		op.Note = err.Error()
		return w.Told
	}
	w.steps(ctx)
	return w.Told
}

// turn takes an operation off its way where that is no longer wanted.
func (w *walk) turn(ctx context.Context, op *decision.Operation) error {
	if why := w.overtaken(op); why != "" {
		w.note("%s is cancelled: %s", op.Words(), why)
		if err := w.enter(ctx, op, decision.Cancelling); err != nil {
			return err
		}
	}
	if why := w.unwanted(op); why != "" {
		w.note("%s is turned back: %s", op.Words(), why)
		return w.turnBack(ctx, op)
	}
	return nil
}

// adopt takes over moves that a process before this one left running and wrote
// nothing down about.
func (w *walk) adopt(ctx context.Context) error {
	if w.adopted || w.cfg.Mover == nil || !w.Spec.Mode.Acts() {
		return nil
	}
	progress, err := w.cfg.Mover.Progress(ctx)
	if err != nil {
		return err
	}
	w.adopted = true
	if w.state.Operation != nil || !progress.State.Active() {
		return nil
	}
	return w.begin(ctx, &decision.Operation{
		ID: w.ID, Kind: decision.Rebalance, Target: w.Spec.Brokers.Key(), From: w.Brokers, To: w.Brokers,
		Phase: decision.Moving, Started: w.Now, PhaseSince: w.Now, Why: "adopted: moves were in flight when this process began", Plans: 1,
	})
}

// begin makes op the operation in flight.
func (w *walk) begin(ctx context.Context, op *decision.Operation) error {
	if err := w.fence(ctx); err != nil {
		return fmt.Errorf("starting an operation: %w", err)
	}
	return w.keep(ctx, func(s *State) { s.Operation = op })
}

// steps goes from phase to phase for as long as each is done.
func (w *walk) steps(ctx context.Context) {
	for range phases { // more than any operation has
		op := w.state.Operation
		if op == nil {
			return
		}
		next, err := w.step(ctx, op)
		if err == nil && next == done {
			w.finish(ctx)
			return
		}
		if err == nil && next != op.Phase {
			err = w.enter(ctx, op, next)
			if err == nil {
				continue
			}
		}
		if err != nil {
			op.Note = err.Error()
			w.cfg.Logger.WarnContext(ctx, "an operation waits", "operation", op.ID, "phase", op.Phase, "error", err)
		}
		return
	}
}

// step does what the phase asks for, and says which phase is next; the same one
// while it lasts.
func (w *walk) step(ctx context.Context, op *decision.Operation) (decision.Phase, error) {
	if err := w.fence(ctx); err != nil {
		return op.Phase, err
	}
	do, known := phases[op.Phase]
	if !known {
		return op.Phase, fmt.Errorf("phase %q is not known to this version", op.Phase)
	}
	return do(w, ctx, op)
}

// enter saves a phase before anything is done in it.
func (w *walk) enter(ctx context.Context, op *decision.Operation, next decision.Phase) error {
	before := *op
	op.Phase, op.PhaseSince, op.Note, op.Blocked = next, w.Now, "", ""
	tryAtOnce(op, w.Now)
	if err := w.save(ctx); err != nil {
		*op = before
		return err
	}
	return nil
}

// finish clears the operation. If that cannot be saved, the last phase is
// simply found done again.
func (w *walk) finish(ctx context.Context) {
	op := w.state.Operation
	for i := len(w.state.Past) - 1; i >= 0; i-- {
		if p := &w.state.Past[i]; p.Target == op.Target && p.Kind == op.Kind {
			p.Ended, p.Cancelled = w.Now, op.Phase == decision.Cancelling || op.GivenBack
			break
		}
	}
	how := "done"
	if op.Phase == decision.Cancelling {
		how = "cancelled, and everything is as it was,"
	}
	ended := decision.Operation{Kind: op.Kind, Target: op.Target, From: op.From, To: op.To, Phase: op.Phase}
	w.note("%s in %s: %s", how, decision.Rounded(w.Now.Sub(op.Started)), ended.Words())
	w.state.Operation = nil
	if err := w.save(ctx); err != nil {
		w.state.Operation = op
		op.Note = err.Error()
	}
}

// alive is the ids of the brokers that take part, sorted.
func (v *View) alive() []int {
	var ids []int
	for i := range v.Snapshot.Brokers {
		if v.Snapshot.Brokers[i].State == cluster.BrokerAlive {
			ids = append(ids, v.Snapshot.Brokers[i].ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// leaving is which brokers go when an operation shrinks its workload.
func (v *View) leaving(op *decision.Operation) ([]decision.Leaving, error) {
	scale, known := v.Scales[op.Target]
	if !known {
		return nil, fmt.Errorf("telling which brokers leave %s: its size could not be read", op.Target)
	}
	return identity.Leaving(identity.Question{
		Target: op.Target, From: op.From, To: op.To, Scale: scale, Brokers: v.Snapshot.Brokers, Last: v.Spec.Brokers.IDOf,
	})
}

// broker is one of the snapshot; nil when it is not there.
func (v *View) broker(id int) *cluster.Broker {
	i := slices.IndexFunc(v.Snapshot.Brokers, func(b cluster.Broker) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return &v.Snapshot.Brokers[i]
}

// replicasOn counts the replicas on brokers, internal topics' too.
func (v *View) replicasOn(ids ...int) int {
	n := 0
	for i := range v.Snapshot.Topics {
		for j := range v.Snapshot.Topics[i].Partitions {
			for _, id := range v.Snapshot.Topics[i].Partitions[j].Replicas {
				if slices.Contains(ids, id) {
					n++
				}
			}
		}
	}
	return n
}

// tryAtOnce lets the next plan be made without waiting.
func tryAtOnce(op *decision.Operation, now time.Time) { op.Tried = now.AddDate(-1, 0, 0) }
