package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// maxLate bounds the decisions that wait for a disk that does not take them: a
// day of one every half minute would be 2,880. The oldest are kept, because
// they are where the trouble began.
const maxLate = 1000

// lateEntry is an entry that could not be written when it was made.
type lateEntry struct {
	kind Kind
	by   string
	data json.RawMessage
}

// keepLate keeps what could not be written; j.mu is held.
func (j *Journal) keepLate(kind Kind, by string, data any) {
	raw, err := json.Marshal(data)
	if err != nil || len(j.late) >= maxLate {
		return
	}
	j.late = append(j.late, lateEntry{kind, by, raw})
}

// writeLate writes what waits, in its order; j.mu is held.
func (j *Journal) writeLate() error {
	for len(j.late) > 0 {
		e := j.late[0]
		if _, err := j.write(e.kind, e.by, e.data); err != nil {
			return err
		}
		j.late = j.late[1:]
	}
	return nil
}

// Health says why entries are not being recorded, or why the anchor beside the
// file lags behind; nil when all is well.
func (j *Journal) Health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing != nil {
		return j.failing
	}
	if j.anchorErr != nil {
		return fmt.Errorf("moving the anchor on: %w", j.anchorErr)
	}
	return nil
}

// Observations is controller.Watcher: a journal that could not take the latest
// entry freezes the loop, so that at most one decision is carried out that is
// not on record yet. Every tick tries again.
func (j *Journal) Observations(_ context.Context, now time.Time) ([]decision.Observation, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing == nil {
		return nil, nil
	}
	return []decision.Observation{{Source: "journal", Effect: decision.EffectFreeze, Until: now.Add(time.Hour)}}, nil
}
