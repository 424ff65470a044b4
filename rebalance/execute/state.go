package execute

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// Move is one partition's way from its original to its target replicas. Both
// are remembered until the run is over: the one to go on, the other to go back.
type Move struct {
	Topic     string        `json:"topic"`
	TopicID   string        `json:"topicId,omitempty"`
	Partition int           `json:"partition"`
	Original  []int         `json:"original"`
	Target    []int         `json:"target"`
	Size      cluster.Bytes `json:"sizeBytes"` // of one replica, when the run began
	Internal  bool          `json:"internal,omitempty"`
	// Dropped says why the move was given up; empty while it stands.
	Dropped string `json:"dropped,omitempty"`
}

// Active tells whether the run has work left.
func (r Run) Active() bool { return r.State.Active() }

func (m Move) tp() TP { return TP{m.Topic, m.Partition} }

func (m Move) target(back bool) []int {
	if back {
		return m.Original
	}
	return m.Target
}

func (m Move) source(back bool) []int { return m.target(!back) }

// Run is one plan's execution, as it is written down.
type Run struct {
	ID        string `json:"id"`
	ClusterID string `json:"clusterId"`
	// State is never Holding, Failed or Idle: those are how it looks from
	// outside. The zero value is no run.
	State     rebalance.State `json:"phase"`
	Why       string          `json:"why,omitempty"`
	StartedAt time.Time       `json:"startedAt"`
	EndedAt   time.Time       `json:"endedAt,omitzero"`
	// Back is true from the moment a cancel was asked for.
	Back       bool  `json:"back,omitempty"`
	Drain      []int `json:"drain,omitempty"`
	Unregister bool  `json:"unregister,omitempty"`
	// Proven names the drained brokers whose log dirs were seen empty.
	Proven []int  `json:"proven,omitempty"`
	Chunks int    `json:"chunks"`
	Moves  []Move `json:"-"`
}

// dropped is the moves that were given up.
func (r Run) dropped() []Move {
	var out []Move
	for _, mv := range r.Moves {
		if mv.Dropped != "" {
			out = append(out, mv)
		}
	}
	return out
}

// ownership is every throttle that is, or may be, ours. It is written down before
// any of it is set, so it is never less than what is in the cluster.
type ownership struct {
	Rates   []RateOn `json:"rates"`
	Entries []Entry  `json:"entries"`
}

type rateJSON struct {
	Broker int  `json:"broker"`
	Side   Side `json:"side"`
}

// MarshalJSON writes the broker and the side.
func (r RateOn) MarshalJSON() ([]byte, error) { return json.Marshal(rateJSON{r.Broker, r.Side}) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *RateOn) UnmarshalJSON(b []byte) error {
	var j rateJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = RateOn{j.Broker, j.Side}
	return nil
}

// with is o and more; sorted, each once.
func (o ownership) with(rates []RateOn, entries []Entry) ownership {
	out := ownership{append(slices.Clone(o.Rates), rates...), append(slices.Clone(o.Entries), entries...)}
	slices.SortFunc(out.Rates, compareRates)
	slices.SortFunc(out.Entries, compareEntries)
	out.Rates = slices.Compact(out.Rates)
	out.Entries = slices.Compact(out.Entries)
	return out
}

func (o ownership) empty() bool { return len(o.Rates)+len(o.Entries) == 0 }

// brokers and topics are the places where the owned throttles live.
func (o ownership) brokers() []int {
	var out []int
	for _, r := range o.Rates {
		out = append(out, r.Broker)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (o ownership) topics() []string {
	var out []string
	for _, e := range o.Entries {
		out = append(out, e.Topic)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func compareRates(a, b RateOn) int {
	if a.Broker != b.Broker {
		return a.Broker - b.Broker
	}
	return strings.Compare(string(a.Side), string(b.Side))
}

// The keys of the state in its store.
const (
	runKey   = "run"
	ownedKey = "throttles"
	chunkKey = "moves/"
	// chunkMoves is moves per record: about 200 kB, far below Kafka's limit for a
	// record (message.max.bytes, 1 MiB).
	chunkMoves = 1000
)

type chunk struct {
	Run   string `json:"run"`
	Moves []Move `json:"moves"`
}

// encodeRun writes a run as records: the moves first and the run itself last,
// so that a run that can be read is whole.
func encodeRun(r Run) ([]Record, error) {
	var out []Record
	parts := slices.Collect(slices.Chunk(r.Moves, chunkMoves))
	for i, c := range parts {
		b, err := json.Marshal(chunk{r.ID, c})
		if err != nil {
			return nil, fmt.Errorf("encoding moves: %w", err)
		}
		out = append(out, Record{chunkKey + strconv.Itoa(i), b})
	}
	r.Chunks = len(parts)
	head, err := encodeHead(r)
	if err != nil {
		return nil, err
	}
	return append(out, head), nil
}

// encodeHead writes the run without its moves.
func encodeHead(r Run) (Record, error) {
	r.Chunks = (len(r.Moves) + chunkMoves - 1) / chunkMoves
	b, err := json.Marshal(r)
	if err != nil {
		return Record{}, fmt.Errorf("encoding run: %w", err)
	}
	return Record{runKey, b}, nil
}

func encodeOwned(o ownership) (Record, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return Record{}, fmt.Errorf("encoding throttles: %w", err)
	}
	return Record{ownedKey, b}, nil
}

// decodeState reads what the encoders wrote. A run whose moves are missing or
// of another run was never begun, and is no run.
func decodeState(kv map[string][]byte) (Run, ownership, error) {
	var run Run
	var owned ownership
	if b, ok := kv[ownedKey]; ok {
		if err := json.Unmarshal(b, &owned); err != nil {
			return Run{}, ownership{}, fmt.Errorf("decoding throttles: %w", err)
		}
	}
	b, ok := kv[runKey]
	if !ok {
		return Run{}, owned, nil
	}
	if err := json.Unmarshal(b, &run); err != nil {
		return Run{}, owned, fmt.Errorf("decoding run: %w", err)
	}
	for i := range run.Chunks {
		var c chunk
		if b, ok := kv[chunkKey+strconv.Itoa(i)]; !ok {
			return Run{}, owned, nil
		} else if err := json.Unmarshal(b, &c); err != nil {
			return Run{}, owned, fmt.Errorf("decoding moves: %w", err)
		}
		if c.Run != run.ID {
			return Run{}, owned, nil
		}
		run.Moves = append(run.Moves, c.Moves...)
	}
	for _, m := range run.Moves {
		if len(m.Original) == 0 || len(m.Target) == 0 {
			return Run{}, owned, fmt.Errorf("decoding moves: %s has no replicas", m.tp())
		}
	}
	return run, owned, nil
}
