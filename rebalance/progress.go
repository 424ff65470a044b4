package rebalance

import (
	"encoding/json"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// State is what the execution of a plan is at.
type State string

// The states of an execution. The zero value is that of no plan, as Idle is.
const (
	Idle       State = "idle"       // no plan was carried out, or none is known of
	Moving     State = "moving"     // replicas and leaders are on their way
	Holding    State = "holding"    // nothing new may begin; Progress.Why says why
	Cancelling State = "cancelling" // on the way back to where everything was
	Cleaning   State = "cleaning"   // the throttles are being removed
	Proving    State = "proving"    // drained brokers are looked at, then unregistered
	Done       State = "done"       // ended as planned, but for moves that were given up
	Cancelled  State = "cancelled"  // ended where it began
	Failed     State = "failed"     // ended early; Progress.Why says why
)

// Active tells whether there is work left: another plan would be refused.
func (s State) Active() bool {
	switch s {
	case Moving, Holding, Cancelling, Cleaning, Proving:
		return true
	}
	return false
}

// Progress is how far a plan's execution is.
type Progress struct {
	State      State                  `json:"state"`
	Why        string                 `json:"why,omitempty"`
	BytesTotal cluster.Bytes          `json:"bytesTotal"`
	BytesMoved cluster.Bytes          `json:"bytesMoved"`
	MovesTotal int                    `json:"movesTotal"`
	MovesDone  int                    `json:"movesDone"`
	Rate       cluster.BytesPerSecond `json:"bytesPerSecond"`
	ETASeconds float64                `json:"etaSeconds"` // 0 while it is not known
}

// ETA is the time left; 0 while it is not known.
func (p Progress) ETA() time.Duration {
	return time.Duration(p.ETASeconds * float64(time.Second))
}

// UnmarshalJSON reads what was ever written: the time left was in nanoseconds
// once.
func (p *Progress) UnmarshalJSON(b []byte) error {
	type plain Progress
	old := struct {
		*plain
		Nanoseconds time.Duration `json:"etaNanoseconds"`
	}{plain: (*plain)(p)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if old.Nanoseconds != 0 {
		p.ETASeconds = old.Nanoseconds.Seconds()
	}
	return nil
}
