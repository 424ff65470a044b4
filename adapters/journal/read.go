package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/files"
)

// Read calls fn with every entry of the journal at path and of the rotated
// files before it, oldest first, from sequence number since on. It checks each
// entry's own hash; Verify checks the chain. An incomplete last line is left out.
func Read(ctx context.Context, path string, since uint64, fn func(Entry) error) error {
	return readLines(ctx, path, since, func(seq uint64, line []byte) error {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("reading entry %d: %w", seq, err)
		}
		return fn(e)
	})
}

// Replay is Read of the journal's own entries for who puts them into effect: one
// that this journal's key has not signed is left out and told to refused. A
// journal without a key takes every entry.
func (j *Journal) Replay(ctx context.Context, fn func(Entry) error, refused func(seq uint64, why string)) error {
	return readLines(ctx, j.path, 0, func(seq uint64, line []byte) error {
		if why := j.unsigned(line); why != "" {
			refused(seq, why)
			return nil
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("reading entry %d: %w", seq, err)
		}
		return fn(e)
	})
}

// unsigned says why an entry is not the journal's own; "" when it is.
func (j *Journal) unsigned(line []byte) string {
	if j.opt.Key == nil {
		return ""
	}
	f, err := parseFrame(line)
	if err != nil {
		return err.Error()
	}
	key, ok := j.opt.Key.Public().(ed25519.PublicKey)
	if f.sig == "" || !ok {
		return "it has no signature"
	}
	if digest := sha256.Sum256(f.signed); !signatureHolds(key, digest[:], f.sig) {
		return "its signature does not hold"
	}
	return ""
}

// readLines is Read for those who want the bytes; line is good until fn returns.
func readLines(ctx context.Context, path string, since uint64, fn func(seq uint64, line []byte) error) error {
	chain, err := chainOf(path)
	if err != nil {
		return err
	}
	for i, name := range chain {
		// A file is passed over when the next one begins early enough.
		if i+1 < len(chain) {
			next, err := firstEntry(chain[i+1])
			if err != nil {
				return err
			}
			if next.Seq <= since {
				continue
			}
		}
		if err := readFile(ctx, name, since, fn); err != nil {
			return err
		}
	}
	return nil
}

func readFile(ctx context.Context, name string, since uint64, fn func(uint64, []byte) error) error {
	in, err := files.Open(name, nil, maxFileBytes)
	if err != nil {
		return err
	}
	defer in.Close()
	lr := newLineReader(in)
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, whole, err := lr.next()
		if errors.Is(err, io.EOF) || (err == nil && !whole) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		f, err := parseFrame(line)
		if err != nil {
			return fmt.Errorf("reading %s: line %d: %w", name, n, err)
		}
		if f.seq < since {
			continue
		}
		if err := fn(f.seq, line); err != nil {
			return err
		}
	}
}

// Decision returns the decision that an entry of that kind records.
func (e Entry) Decision() (decision.Decision, error) {
	var d decision.Decision
	if e.Kind != KindDecision {
		return d, fmt.Errorf("reading entry %d: it is of kind %s, not a decision", e.Seq, e.Kind)
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return d, fmt.Errorf("reading entry %d: %w", e.Seq, err)
	}
	return d, nil
}
