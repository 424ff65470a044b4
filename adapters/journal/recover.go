package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Recovery is the data of a recovery entry: what was cut off.
type Recovery struct {
	TornBytes int    `json:"tornBytes"`
	SHA256    string `json:"sha256"`
	Text      string `json:"text"` // the first bytes, for a person to read
	KeptIn    string `json:"keptIn"`
}

const recoveryText = 200

// adopt reads what is there, finishes what a crash interrupted, and returns
// what has to be marked as recovered.
func (j *Journal) adopt() (*Recovery, error) {
	end, err := j.scan()
	if err != nil {
		return nil, err
	}
	j.size, j.last = end.good, end.last
	if end.kind == KindRotated {
		// The process ended between the rotated entry and the new file.
		if err := j.swap(RotatedName(j.path, end.first)); err != nil {
			return nil, fmt.Errorf("finishing a rotation: %w", err)
		}
		return nil, nil
	}
	kept := fmt.Sprintf("%s.torn.%012d", j.path, end.last.Seq+1)
	if len(end.torn) == 0 {
		// Cut off before, and not yet marked.
		torn, err := readSmall(kept, MaxEntryBytes+1)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return recovered(torn, kept), err
	}
	// The bytes are kept before they are cut off: whatever happens between,
	// they are not lost without a trace.
	if err := writeFileSync(kept, end.torn, true); err != nil {
		return nil, fmt.Errorf("keeping a torn line: %w", err)
	}
	if err := syncDir(j.path); err != nil {
		return nil, fmt.Errorf("keeping a torn line: %w", err)
	}
	if err := j.file.Truncate(end.good); err != nil {
		return nil, fmt.Errorf("cutting off a torn line: %w", err)
	}
	return recovered(end.torn, kept), nil
}

func recovered(torn []byte, kept string) *Recovery {
	sum := sha256.Sum256(torn)
	text := torn[:min(len(torn), recoveryText)]
	return &Recovery{
		TornBytes: len(torn),
		SHA256:    hex.EncodeToString(sum[:]),
		Text:      string(bytes.ToValidUTF8(text, []byte("\uFFFD"))),
		KeptIn:    kept,
	}
}

// ending is how a file ends.
type ending struct {
	first uint64 // sequence number of its first entry
	last  Anchor
	kind  Kind
	good  int64 // bytes up to and with the last whole entry
	torn  []byte
}

// scan verifies the file from its first entry, which a continued one may be,
// and refuses a chain that does not hold.
func (j *Journal) scan() (ending, error) {
	anchor, anchored, err := readAnchor(j.path)
	if err != nil {
		return ending{}, err
	}
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return ending{}, err
	}
	end := ending{last: Anchor{Hash: zeroHash}}
	lr := newLineReader(j.file)
	v := newVerifier(VerifyOptions{}, nil)
	if anchored {
		v.anchors = []Anchor{anchor}
	}
	for {
		line, whole, err := lr.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return ending{}, err
		}
		v.lines++
		if !whole {
			if len(line) > MaxEntryBytes {
				return ending{}, fmt.Errorf("its last line is longer than %d bytes", MaxEntryBytes)
			}
			end.torn = bytes.Clone(line)
			break
		}
		if v.lines == 1 {
			if f, err := parseFrame(line); err == nil && f.kind == KindContinued && f.seq > 1 {
				v.last = frame{seq: f.seq - 1, hash: f.prev}
			}
			end.first = v.last.seq + 1
		}
		n := int64(len(line)) + 1
		if b := v.check(j.path, line, lr); b != nil {
			return ending{}, b
		}
		end.good += n
		end.last, end.kind = Anchor{Seq: v.last.seq, Hash: v.last.hash}, v.last.kind
	}
	if anchored && anchor.Seq > v.last.seq {
		v.torn = nil
		v.end(j.path)
		if v.report.Broken != nil {
			return ending{}, v.report.Broken
		}
	}
	return end, nil
}
