package journal

import (
	"context"
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
	in, err := files.Open(name, nil, 1<<40)
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
