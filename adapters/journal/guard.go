package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
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
		j.lost++
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
	if j.lost > 0 {
		gap := Gap{
			Entries: j.lost,
			Why:     fmt.Sprintf("they were made while the journal could not be written, and more than %d waited already", maxLate),
		}
		if _, err := j.write(KindRecovery, j.opt.Writer, gap); err != nil {
			return err
		}
		j.lost = 0
	}
	return nil
}

// Gap is the data of a recovery entry: entries that are missing, and why.
type Gap struct {
	Entries int    `json:"entries"`
	Why     string `json:"why"`
}

// stillThere tells whether the name of the journal leads to the file that is
// written, whole: one that was deleted or replaced would go on unseen. j.mu is held.
func (j *Journal) stillThere() error {
	mine, err := j.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(j.path)
	switch {
	case err != nil:
		return fmt.Errorf("it was taken away while it was written: %w", err)
	case !os.SameFile(mine, named):
		return errors.New("it was replaced by another file while it was written")
	case named.Size() < j.size:
		return fmt.Errorf("it was cut off while it was written: %d bytes are left of %d", named.Size(), j.size)
	}
	return nil
}

// holdsKnown looks whether the journal holds the entry that is known elsewhere.
// One that does not goes on, since decisions must be recorded; but it says so in
// an entry of its own, and holds every scale-in until it is started anew. j.mu is
// held, or nobody else knows the journal yet.
func (j *Journal) holdsKnown(known Anchor) error {
	if known.Seq == 0 {
		return nil
	}
	switch hash, err := j.hashOf(known.Seq); {
	case err != nil:
		return err
	case hash == known.Hash:
		return nil
	case hash == "":
		j.rewound = fmt.Sprintf(
			"entry %s is known elsewhere, and the journal ends after entry %d: it was cut off or replaced",
			known,
			j.last.Seq,
		)
	default:
		j.rewound = fmt.Sprintf("entry %s is known elsewhere, and the journal has another entry %d: it was written anew", known, known.Seq)
	}
	_, err := j.write(KindRecovery, j.opt.Writer, Gap{Why: j.rewound})
	return err
}

// headless says that rotated files are there without the file that went on from
// them: a journal that begins anew beside its own past was taken away.
func (j *Journal) headless(fresh bool) error {
	lost := orphans(j.path, nil)
	if fresh && len(lost) > 0 && j.rewound == "" {
		j.rewound = fmt.Sprintf("the journal begins anew, and files of an earlier one are beside it: %s", strings.Join(lost, ", "))
		_, err := j.write(KindRecovery, j.opt.Writer, Gap{Why: j.rewound})
		return err
	}
	return nil
}

// confirm is holdsKnown while the journal is written. It returns up to which
// entry whoever knows the other one has this journal: nothing of one that was cut
// off or written anew.
func (j *Journal) confirm(known Anchor) (has uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return known.Seq, nil
	}
	before := j.last.Seq
	if err := j.holdsKnown(known); err != nil {
		return 0, err
	}
	if j.last.Seq > before {
		return 0, nil
	}
	return known.Seq, nil
}

// hashOf is the hash of an entry; "" when there is none of that number.
func (j *Journal) hashOf(seq uint64) (string, error) {
	if seq > j.last.Seq {
		return "", nil
	}
	hash := ""
	err := readLines(context.Background(), j.path, seq, func(at uint64, line []byte) error {
		if at == seq {
			f, err := parseFrame(line)
			if err != nil {
				return err
			}
			hash = f.hash
			return errFound
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return hash, err
}

// errFound ends a reading that has found what it looked for.
var errFound = errors.New("found")

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
	if j.failing == nil && j.rewound == "" {
		return nil, nil
	}
	if j.failing == nil {
		return []decision.Observation{{Source: "journal: " + j.rewound, Effect: decision.EffectHold, Until: now.Add(time.Hour)}}, nil
	}
	return []decision.Observation{{Source: "journal", Effect: decision.EffectFreeze, Until: now.Add(time.Hour)}}, nil
}
