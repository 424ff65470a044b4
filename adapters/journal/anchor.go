package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Anchor names the last entry of a journal. A chain of hashes cannot show that
// its end was cut off; an anchor that is kept elsewhere can. The writer keeps
// one beside the file, and the controller exports it as a metric and in the
// policy's status.
type Anchor struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// String prints the anchor as ParseAnchor reads it.
func (a Anchor) String() string { return fmt.Sprintf("%d:%s", a.Seq, a.Hash) }

// ParseAnchor reads SEQ:HASH.
func ParseAnchor(s string) (Anchor, error) {
	seq, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil || n == 0 || len(hash) != hashDigits || strings.Trim(hash, "0123456789abcdef") != "" {
		return Anchor{}, fmt.Errorf(
			"reading anchor %q: want SEQ:HASH, such as 42:%s…, the hash having %d lower-case hexadecimal digits",
			s,
			"9f86d081",
			hashDigits,
		)
	}
	return Anchor{Seq: n, Hash: hash}, nil
}

// anchorFile is the document that the writer keeps beside the journal.
type anchorFile struct {
	Version int       `json:"version"`
	Anchor  Anchor    `json:"anchor"`
	Time    time.Time `json:"time"`
}

// AnchorPath is where the writer keeps the anchor of the journal at path.
func AnchorPath(path string) string { return path + ".anchor" }

// readAnchor reads the anchor beside a journal; ok is false when there is none.
func readAnchor(path string) (a Anchor, ok bool, err error) {
	name := AnchorPath(path)
	b, err := readSmall(name, maxAnchorBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Anchor{}, false, nil
	}
	if err != nil {
		return Anchor{}, false, fmt.Errorf("reading the anchor: %w", err)
	}
	var f anchorFile
	if err := json.Unmarshal(b, &f); err != nil || f.Version != 1 {
		return Anchor{}, false, fmt.Errorf("reading the anchor %s: it is not an anchor of version 1", name)
	}
	if _, err := ParseAnchor(f.Anchor.String()); err != nil {
		return Anchor{}, false, fmt.Errorf("reading the anchor %s: %w", name, err)
	}
	return f.Anchor, true, nil
}

// maxAnchorBytes bounds what is read of an anchor.
const maxAnchorBytes = 64 << 10

// readSmall reads a file's first most bytes.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// writeAnchor replaces the anchor beside the journal in one step. It is
// written after the entry is on disk, so that it can lag behind by one entry
// and never runs ahead.
func writeAnchor(path string, a Anchor, now time.Time, sync bool) error {
	b, err := json.Marshal(anchorFile{Version: 1, Anchor: a, Time: now.UTC()})
	if err != nil {
		return fmt.Errorf("writing the anchor: %w", err)
	}
	tmp := AnchorPath(path) + ".tmp"
	if err := writeFileSync(tmp, append(b, '\n'), sync); err != nil {
		return fmt.Errorf("writing the anchor: %w", err)
	}
	if err := os.Rename(tmp, AnchorPath(path)); err != nil {
		return fmt.Errorf("writing the anchor: %w", err)
	}
	return nil
}

func writeFileSync(name string, b []byte, sync bool) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename or a new file in the folder last through a power cut.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
