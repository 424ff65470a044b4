package operation

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// StateVersion is the version of State that this package writes; it reads all
// before it, too. Version 1 gave the start in nanoseconds.
const StateVersion = 2

// State is what must outlive a process: the operation in flight, what was done
// lately, and what was learned. It is small, so that it fits on an object.
type State struct {
	Version   int                  `json:"version"`
	Operation *decision.Operation  `json:"operation,omitempty"`
	Past      []decision.PastScale `json:"past,omitempty"` // oldest first, of the last day
	Learned   Learned              `json:"learned,omitzero"`
	// Standing are the proposals that wait for approval, so that a restart does
	// not make others of them.
	Standing []decision.Proposal `json:"standing,omitempty"`
	// Cordoned are brokers of ours that were cordoned, sorted. Kafka keeps the cordon
	// of one that leaves: whoever has it come back, in whatever way, gets a broker
	// that takes nothing until we take the cordon away.
	Cordoned []int `json:"cordoned,omitempty"`
	// Used are the approvals of the last day that have been used, oldest first.
	Used []Approval `json:"used,omitempty"`
}

// Learned is what operations have taught about the lead time. A zero means
// that none has been seen yet.
type Learned struct {
	// Start is how long pods took until their brokers were registered and alive.
	StartSeconds float64 `json:"startSeconds,omitempty"`
	// MoveRate is how fast data has moved to the brokers that joined.
	MoveRate cluster.BytesPerSecond `json:"moveBytesPerSecond,omitempty"`
	// PerReplica is what a replica of a group did while it was busy, by group. The
	// map is replaced, never changed.
	PerReplica map[string]cluster.MessagesPerSecond `json:"perReplicaRecordsPerSecond,omitempty"`
}

// Start is how long pods took until their brokers were registered and alive; 0
// while none has been seen.
func (l Learned) Start() time.Duration { return decision.Span(l.StartSeconds) }

// UnmarshalJSON reads what any version wrote.
func (l *Learned) UnmarshalJSON(text []byte) error {
	type plain Learned
	former := struct {
		*plain
		Start time.Duration `json:"startNanoseconds"`
	}{plain: (*plain)(l)}
	if err := json.Unmarshal(text, &former); err != nil {
		return err
	}
	if former.Start != 0 {
		l.StartSeconds = former.Start.Seconds()
	}
	return nil
}

// blend moves what is learned towards what was just seen: quickly up, slowly
// down, since a lead time that is too short costs more than one too long.
func blend(have, seen time.Duration) time.Duration {
	switch {
	case have == 0:
		return seen
	case seen > have:
		return (have + seen) / 2
	default:
		return (3*have + seen) / 4
	}
}

// prune forgets what is older than a day, and keeps the list bounded.
func (s *State) prune(now time.Time) {
	const most = 1000
	cut := 0
	for cut < len(s.Past) && (now.Sub(s.Past[cut].At) > 24*time.Hour || len(s.Past)-cut > most) {
		cut++
	}
	s.Past = s.Past[cut:]
	cut = 0
	for cut < len(s.Used) && (now.Sub(s.Used[cut].At) > 24*time.Hour || len(s.Used)-cut > mostUsed) {
		cut++
	}
	s.Used = s.Used[cut:]
}

// MemoryStore keeps the state in the process: right for a simulation, and for
// a mode that never acts.
type MemoryStore struct {
	mu    sync.Mutex
	state State
}

// Load gives what was saved last.
func (m *MemoryStore) Load(context.Context) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Clone(), nil
}

// Save keeps a copy.
func (m *MemoryStore) Save(_ context.Context, s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s.Clone()
	return nil
}

func (s State) Clone() State {
	if s.Operation != nil {
		op := s.Operation.Clone()
		s.Operation = &op
	}
	s.Past = append([]decision.PastScale(nil), s.Past...)
	s.Used = append([]Approval(nil), s.Used...)
	s.Cordoned = append([]int(nil), s.Cordoned...)
	s.Standing = append([]decision.Proposal(nil), s.Standing...)
	return s
}

// mostUsed bounds the approvals that are remembered: many more than people give.
const mostUsed = 100

// Approval is one that was used.
type Approval struct {
	ID string    `json:"id"` // of the proposal
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Used tells whether a proposal's approval has been used.
func (m *Machine) Used(id string) bool {
	for _, a := range m.state.Used {
		if a.ID == id {
			return true
		}
	}
	return false
}

// Stand remembers the proposals that wait for approval, where they are others
// than before.
func (m *Machine) Stand(ctx context.Context, proposals []decision.Proposal) error {
	same := slices.EqualFunc(m.state.Standing, proposals, func(a, b decision.Proposal) bool { return a.ID == b.ID })
	if same {
		return nil
	}
	if err := m.fence(ctx); err != nil {
		return err
	}
	var standing []decision.Proposal
	for _, p := range proposals {
		c := p.Change()
		c.ID, c.Since = p.ID, p.Since
		standing = append(standing, c)
	}
	return m.keep(ctx, func(s *State) { s.Standing = standing })
}

// Use takes a proposal's approval, before anything is done by it: it is worth
// nothing from then on, whatever comes of the deed.
func (m *Machine) Use(ctx context.Context, id, by string) error {
	if err := m.fence(ctx); err != nil {
		return err
	}
	used := append(slices.Clip(m.state.Used), Approval{ID: id, By: by, At: m.cfg.Now()})
	return m.keep(ctx, func(s *State) { s.Used = used })
}
