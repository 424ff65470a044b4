package decision

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Phase is where an operation stands. The state is saved on entering a phase,
// before anything is done in it, and everything done in a phase may be done
// twice: whoever leads next goes on from there.
type Phase string

// The phases, in the order each kind of operation goes through them.
const (
	Scaling       Phase = "Scaling"       // out: ask for the replicas
	Joining       Phase = "Joining"       // out: wait until the brokers are registered and alive
	Filling       Phase = "Filling"       // out: move their share to them
	Cordoning     Phase = "Cordoning"     // in: keep new replicas off those that leave
	Draining      Phase = "Draining"      // in: move everything off them
	Proving       Phase = "Proving"       // in: prove them empty
	Shrinking     Phase = "Shrinking"     // in: let the pods go
	Unregistering Phase = "Unregistering" // in: forget the brokers
	Moving        Phase = "Moving"        // rebalance: carry the plan out
	Cancelling    Phase = "Cancelling"    // stop moving, undo the cordon
)

// Operation is the one change of placement or broker count that is in flight.
type Operation struct {
	ID     string       `json:"id"`
	Kind   ProposalKind `json:"kind"`
	Target string       `json:"target"`
	From   int          `json:"from"`
	To     int          `json:"to"`
	// Brokers are those that join or leave; for a scale-out they are known
	// once they have joined.
	Brokers []int `json:"brokers,omitempty"`
	// Leaving says of each pod that leaves which broker it is, and who says so.
	Leaving []Leaving `json:"leaving,omitempty"`
	// Before are the brokers there were, so that those who joined are told.
	Before     []int     `json:"before,omitempty"`
	Phase      Phase     `json:"phase"`
	Started    time.Time `json:"started"`
	PhaseSince time.Time `json:"phaseSince"`
	Reactive   bool      `json:"reactive,omitempty"`
	Why        string    `json:"why"`
	Note       string    `json:"note,omitempty"` // what it waits for
	// Blocked says why it cannot go on by itself; "" while it can.
	Blocked    string        `json:"blocked,omitempty"`
	BytesMoved cluster.Bytes `json:"bytesMoved,omitempty"`
	// Plans counts the plans that were started, and Tried is when the last was.
	Plans int       `json:"plans,omitempty"`
	Tried time.Time `json:"tried,omitzero"`
	// HotFirst is set while the first, small plan of a scale-out that is late
	// has yet to be carried out, and HotPlans counts those among Plans.
	HotFirst bool `json:"hotFirst,omitempty"`
	HotPlans int  `json:"hotPlans,omitempty"`
	// TurnedBack is true of a scale-in that undoes a scale-out that never came.
	TurnedBack bool `json:"turnedBack,omitempty"`
	// GivenBack is true of a scale-in that was given up with brokers empty, which
	// are filled again: From and To are then those of a scale-out.
	GivenBack bool `json:"givenBack,omitempty"`
}

// Leaving is a pod that leaves, the broker that it is, and how that is known.
type Leaving struct {
	Pod    string `json:"pod"`
	Broker int    `json:"broker"`
	By     string `json:"by"`
}

// In tells whether the operation removes brokers.
func (o *Operation) In() bool { return o.Kind == ScaleBrokers && o.To < o.From }

// Out tells whether the operation adds brokers.
func (o *Operation) Out() bool { return o.Kind == ScaleBrokers && o.To > o.From }

// Clone shares nothing with o.
func (o Operation) Clone() Operation {
	o.Brokers = slices.Clone(o.Brokers)
	o.Before = slices.Clone(o.Before)
	o.Leaving = slices.Clone(o.Leaving)
	return o
}
