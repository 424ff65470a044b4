// Package journal is the audit trail: every decision, action, approval and
// operation as one JSON line that carries the SHA-256 of the line before it.
// What was written can be added to, and nothing else: an entry that is
// altered, removed, inserted, moved or cut off is found by Verify and named.
//
// The format is described in docs/formats/journal.md, what it is good for in
// an audit in docs/audit.md.
package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// FormatVersion is the version of the line format that this package writes and reads.
const FormatVersion = 1

// MaxEntryBytes bounds one line, when written and when read.
const MaxEntryBytes = 16 << 20

// maxFileBytes bounds one file of a journal when it is read, decompressed: a
// rotated one is of 64 MiB, and a small .gz must not keep a reader busy for hours.
const maxFileBytes = 4 << 30

// Kind says what an entry records.
type Kind string

// The kinds of entries. The last five are written by the journal itself.
const (
	KindDecision  Kind = "decision"  // one controller.Decision, whole
	KindAction    Kind = "action"    // something done outside a tick, such as a batch of moves that finished
	KindApproval  Kind = "approval"  // who let a proposal go on, or refused it
	KindOperation Kind = "operation" // what a person did to the controller: hold, resume, policy change
	KindOpened    Kind = "opened"    // a process began to write
	KindClosed    Kind = "closed"    // it ended in good order; nothing follows before the next opened
	KindRecovery  Kind = "recovery"  // a torn last line was found and cut off; its bytes are described
	KindRotated   Kind = "rotated"   // the chain goes on in another file
	KindContinued Kind = "continued" // the chain comes from another file
)

// Entry is one line of the journal.
type Entry struct {
	Version int             `json:"v"`
	Seq     uint64          `json:"seq"`  // 1, 2, 3, … over all files of a journal
	Prev    string          `json:"prev"` // Hash of the entry before; 64 zeros for the first
	Kind    Kind            `json:"kind"`
	Time    time.Time       `json:"time"`
	By      string          `json:"by"` // who caused it: a person's name, or the process
	Data    json.RawMessage `json:"data"`
	Sig     string          `json:"sig,omitempty"` // Ed25519, base64, over the SHA-256 of the line before ,"sig"
	Hash    string          `json:"hash"`          // SHA-256, hex, of the line before ,"hash"
}

const (
	hashDigits = 2 * sha256.Size
	hashField  = `,"hash":"`
	tailLength = len(hashField) + hashDigits + len(`"}`)
)

// zeroHash is what the first entry has as its Prev.
var zeroHash = string(bytes.Repeat([]byte{'0'}, hashDigits))

// encode renders the line without its newline and sets e.Sig and e.Hash. The
// order of the fields is fixed: Verify reads them by position.
func (e *Entry) encode(sign func(digest []byte) (string, error)) ([]byte, error) {
	if !json.Valid(e.Data) || bytes.IndexByte(e.Data, '\n') >= 0 {
		return nil, errors.New("encoding an entry: its data is not JSON on one line")
	}
	by, err := json.Marshal(e.By)
	if err != nil {
		return nil, fmt.Errorf("encoding an entry: %w", err)
	}
	b := make([]byte, 0, len(e.Data)+512)
	b = append(b, `{"v":1,"seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	b = append(b, `,"prev":"`...)
	b = append(b, e.Prev...)
	b = append(b, `","kind":"`...)
	b = append(b, e.Kind...)
	b = append(b, `","time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","by":`...)
	b = append(b, by...)
	b = append(b, `,"data":`...)
	b = append(b, e.Data...)
	if sign != nil {
		digest := sha256.Sum256(b)
		if e.Sig, err = sign(digest[:]); err != nil {
			return nil, fmt.Errorf("signing entry %d: %w", e.Seq, err)
		}
		b = append(b, `,"sig":"`...)
		b = append(b, e.Sig...)
		b = append(b, '"')
	}
	sum := sha256.Sum256(b)
	e.Hash = hex.EncodeToString(sum[:])
	b = append(b, hashField...)
	b = append(b, e.Hash...)
	b = append(b, `"}`...)
	if len(b) > MaxEntryBytes {
		return nil, fmt.Errorf("encoding entry %d: %d bytes are more than the limit of %d", e.Seq, len(b), MaxEntryBytes)
	}
	return b, nil
}

// frame is what Verify needs of a line; the rest is covered by the hash.
type frame struct {
	seq  uint64
	prev string
	kind Kind
	hash string
	// signed is the part that a signature covers, sig the signature; both are
	// empty for an entry without one.
	signed []byte
	sig    string
}

// parseFrame reads a line without its newline and checks the line's own hash.
func parseFrame(line []byte) (frame, error) {
	var f frame
	rest, ok := bytes.CutPrefix(line, []byte(`{"v":1,"seq":`))
	if !ok || len(rest) < tailLength {
		return f, errors.New("it is not a journal entry of version 1")
	}
	body := line[:len(line)-tailLength]
	tail := line[len(line)-tailLength:]
	if string(tail[:len(hashField)]) != hashField || string(tail[len(tail)-2:]) != `"}` {
		return f, errors.New("it does not end in its hash")
	}
	f.hash = string(tail[len(hashField) : len(tail)-2])
	sum := sha256.Sum256(body)
	var hexed [hashDigits]byte
	hex.Encode(hexed[:], sum[:])
	if f.hash != string(hexed[:]) {
		return f, errors.New("its content does not match its own hash")
	}
	digits := bytes.IndexByte(rest, ',')
	if digits < 1 {
		return f, errors.New("its sequence number cannot be read")
	}
	seq, err := strconv.ParseUint(string(rest[:digits]), 10, 64)
	if err != nil || seq == 0 || rest[0] == '0' {
		return f, errors.New("its sequence number cannot be read")
	}
	f.seq = seq
	rest, ok = bytes.CutPrefix(rest[digits:], []byte(`,"prev":"`))
	if !ok || len(rest) < hashDigits {
		return f, errors.New("it does not name the entry before it")
	}
	f.prev = string(rest[:hashDigits])
	rest, ok = bytes.CutPrefix(rest[hashDigits:], []byte(`","kind":"`))
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 1 || end > 32 {
		return f, errors.New("its kind cannot be read")
	}
	f.kind = Kind(rest[:end])
	if i := bytes.LastIndex(body, []byte(`,"sig":"`)); i > 0 && body[len(body)-1] == '"' && len(body)-i < 128 {
		f.signed, f.sig = body[:i], string(body[i+len(`,"sig":"`):len(body)-1])
	}
	return f, nil
}

// ParseEntry reads one line, with or without its newline, and checks its hash.
func ParseEntry(line []byte) (Entry, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if _, err := parseFrame(line); err != nil {
		return Entry{}, fmt.Errorf("reading a journal entry: %w", err)
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, fmt.Errorf("reading a journal entry: %w", err)
	}
	return e, nil
}
