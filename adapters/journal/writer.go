package journal

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// DefaultRotateBytes is the size at which a file is closed and the chain goes
// on in the next: it opens and verifies in a fraction of a second.
const DefaultRotateBytes = 64 << 20

// The journal may hold the names of people; only its owner and group read it.
const fileMode = 0o640

// Options say how a journal is written. The zero value is a synced, unsigned
// journal that rotates at DefaultRotateBytes.
type Options struct {
	Writer      string // named in "by" where no person is: the pod, or the host and process
	RotateBytes int64
	Key         ed25519.PrivateKey // signs every entry when set
	// NoSync leaves it to the kernel when entries reach the disk: for
	// simulated worlds only, where the file outlives no power cut.
	NoSync bool
	Now    func() time.Time
	// Known is the newest entry that was made known elsewhere, such as in the
	// policy's status: a journal that does not hold it was cut off or replaced.
	// The zero Anchor is none.
	Known Anchor
}

// Journal appends entries to a file. It is safe for concurrent use. No entry
// is acknowledged before it is on disk.
type Journal struct {
	path string
	opt  Options
	sign func([]byte) (string, error)

	mu      sync.Mutex
	file    *os.File
	size    int64 // of the entries that are whole
	last    Anchor
	dirty   bool // a failed write may have left bytes after size
	late    []lateEntry
	lost    int    // entries that were made meanwhile and not kept
	rewound string // why entries that were known elsewhere are missing; "" when they are not
	failing error  // why the latest append failed; nil when it did not

	anchorErr error // why the anchor beside the file lags behind; nil when it does not
	closed    bool
	waiting   chan struct{} // closed and replaced whenever last moves on
}

// Opened is the data of an opened entry.
type Opened struct {
	Writer string `json:"writer"`
	PID    int    `json:"pid"`
	Signed bool   `json:"signed"`
}

// Approval records who let a proposal go on, or refused it.
type Approval struct {
	Decision string `json:"decision"` // Decision.ID
	Proposal int    `json:"proposal"`
	// Proposed is the change itself, so that an approval covers nothing else.
	Proposed decision.Proposal `json:"proposed"`
	Granted  bool              `json:"granted"`
	By       string            `json:"by"` // the user's name as Kubernetes has it
	Groups   []string          `json:"groups,omitempty"`
	Via      string            `json:"via"` // "page" or "annotation"
	Meaning  string            `json:"meaning,omitempty"`
}

// Operation records what a person did to the controller.
type Operation struct {
	Name    string `json:"name"` // such as "hold" or "resume"
	Subject string `json:"subject,omitempty"`
	By      string `json:"by"`
	Via     string `json:"via"`
	Reason  string `json:"reason,omitempty"`
	// ForSeconds is how long it lasts, where it does not last until it is undone.
	ForSeconds float64 `json:"forSeconds,omitempty"`
	Detail     any     `json:"detail,omitempty"`
}

// UnmarshalJSON reads an operation of any age: how long it lasts was in
// nanoseconds once.
func (o *Operation) UnmarshalJSON(text []byte) error {
	type plain Operation
	former := struct {
		*plain
		For time.Duration `json:"forNanoseconds"`
	}{plain: (*plain)(o)}
	if err := json.Unmarshal(text, &former); err != nil {
		return err
	}
	if former.For != 0 {
		o.ForSeconds = former.For.Seconds()
	}
	return nil
}

// ActionRecord records something that was done between two decisions, such as
// a batch of moves that finished.
type ActionRecord struct {
	Decision string `json:"decision,omitempty"`
	Name     string `json:"name"`
	Subject  string `json:"subject,omitempty"`
	Done     string `json:"done"`
	Error    string `json:"error,omitempty"`
}

// continuation is the data of rotated and continued entries.
type continuation struct {
	File string `json:"file"` // where the chain goes on, or comes from
}

// Open opens the journal at path for appending, or begins it. A torn last line
// is cut off and marked by a recovery entry; a chain that does not hold is
// refused with a *Broken, because nothing written after it could be trusted.
func Open(path string, opt Options) (*Journal, error) {
	if opt.RotateBytes <= 0 {
		opt.RotateBytes = DefaultRotateBytes
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Writer == "" {
		host, _ := os.Hostname()
		opt.Writer = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	j := &Journal{path: path, opt: opt, sign: signer(opt.Key), file: f, waiting: make(chan struct{})}
	if err := j.start(); err != nil {
		j.file.Close()
		return nil, fmt.Errorf("opening journal %s: %w", path, err)
	}
	return j, nil
}

func (j *Journal) start() error {
	if err := lock(j.file); err != nil {
		return err
	}
	torn, err := j.adopt()
	if err != nil {
		return err
	}
	fresh := j.last.Seq == 0
	if err := j.holdsKnown(j.opt.Known); err != nil {
		return err
	}
	if err := j.headless(fresh); err != nil {
		return err
	}
	if torn != nil {
		if _, err := j.write(KindRecovery, j.opt.Writer, torn); err != nil {
			return err
		}
	}
	if !j.opt.NoSync {
		if err := syncDir(j.path); err != nil {
			return err
		}
	}
	_, err = j.write(KindOpened, j.opt.Writer, Opened{Writer: j.opt.Writer, PID: os.Getpid(), Signed: j.sign != nil})
	return err
}

// Record appends a decision. It is controller.Journal. A decision that cannot
// be written is kept and written before the next entry: it was made.
func (j *Journal) Record(ctx context.Context, d decision.Decision) error {
	_, err := j.append(ctx, KindDecision, j.opt.Writer, d, true)
	return err
}

// RecordApproval appends who approved or refused what.
func (j *Journal) RecordApproval(ctx context.Context, a Approval) error {
	_, err := j.Append(ctx, KindApproval, a.By, a)
	return err
}

// RecordOperation appends what a person did to the controller.
func (j *Journal) RecordOperation(ctx context.Context, o Operation) error {
	_, err := j.Append(ctx, KindOperation, o.By, o)
	return err
}

// RecordAction appends something done between two decisions; it is kept like a
// decision when it cannot be written.
func (j *Journal) RecordAction(ctx context.Context, a ActionRecord) error {
	_, err := j.append(ctx, KindAction, j.opt.Writer, a, true)
	return err
}

// Append writes one entry and returns once it is on disk. An entry that cannot
// be written is forgotten: whoever asked for it is told, and does not go on.
func (j *Journal) Append(ctx context.Context, kind Kind, by string, data any) (Anchor, error) {
	return j.append(ctx, kind, by, data, false)
}

func (j *Journal) append(ctx context.Context, kind Kind, by string, data any, keep bool) (a Anchor, err error) {
	if err := ctx.Err(); err != nil && !keep {
		return Anchor{}, fmt.Errorf("writing journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return Anchor{}, errors.New("writing journal: it is closed")
	}
	defer func() {
		j.failing = err
		if err != nil && keep {
			j.keepLate(kind, by, data)
		}
	}()
	if j.size >= j.opt.RotateBytes {
		if err := j.rotate(); err != nil {
			return Anchor{}, fmt.Errorf("rotating journal %s: %w", j.path, err)
		}
	}
	if err := j.stillThere(); err != nil {
		return Anchor{}, fmt.Errorf("writing journal %s: %w", j.path, err)
	}
	if err := j.writeLate(); err != nil {
		return Anchor{}, fmt.Errorf("writing journal %s: %w", j.path, err)
	}
	if a, err = j.write(kind, by, data); err != nil {
		return Anchor{}, fmt.Errorf("writing journal %s: %w", j.path, err)
	}
	return a, nil
}

// Head returns the last entry that is on disk: the anchor to keep elsewhere.
func (j *Journal) Head() Anchor {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Path returns where the journal is.
func (j *Journal) Path() string { return j.path }

// Close writes the closing entry, by which Verify knows a journal that ended
// in good order.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	err := j.writeLate()
	if err == nil {
		_, err = j.write(KindClosed, j.opt.Writer, struct{}{})
	}
	j.closed = true
	close(j.waiting)
	if err = errors.Join(err, j.file.Close()); err != nil {
		return fmt.Errorf("closing journal %s: %w", j.path, err)
	}
	return nil
}

// write appends one entry, syncs it and moves the anchor on, in that order.
func (j *Journal) write(kind Kind, by string, data any) (Anchor, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Anchor{}, fmt.Errorf("encoding a %s: %w", kind, err)
	}
	e := Entry{Version: FormatVersion, Seq: j.last.Seq + 1, Prev: j.last.Hash, Kind: kind, Time: j.opt.Now(), By: by, Data: raw}
	line, err := e.encode(j.sign)
	if err != nil {
		return Anchor{}, err
	}
	if err := j.put(j.file, append(line, '\n')); err != nil {
		return Anchor{}, err
	}
	j.last = Anchor{Seq: e.Seq, Hash: e.Hash}
	close(j.waiting)
	j.waiting = make(chan struct{})
	// The entry is on disk, so that this is no failure to record it. An anchor
	// that could not be moved on lags behind, which Verify accepts, and is
	// written with the next entry.
	j.anchorErr = writeAnchor(j.path, j.last, e.Time, !j.opt.NoSync)
	return j.last, nil
}

// put appends a line or nothing: what a failed write left is cut off again,
// now or before the next write.
func (j *Journal) put(f *os.File, line []byte) error {
	if j.dirty {
		if err := f.Truncate(j.size); err != nil {
			return fmt.Errorf("cutting off what a failed write left: %w", err)
		}
		j.dirty = false
	}
	_, err := f.Write(line)
	if err == nil && !j.opt.NoSync {
		err = f.Sync()
	}
	if err != nil {
		j.dirty = f.Truncate(j.size) != nil
		return err
	}
	j.size += int64(len(line))
	return nil
}

// RotatedName is where the file that begins with entry first goes when it is
// full: beside the journal, sorted by name.
func RotatedName(path string, first uint64) string {
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s.%012d%s", strings.TrimSuffix(path, ext), first, ext)
}

// besideNames are what the writer itself puts beside a journal.
var besideNames = regexp.MustCompile(`\.(anchor|tmp|new|gz|zst|\d{12}(\.[^.]*)?)$`)

// MayBegin tells whether a path may be a journal's: not one that the writer of
// another keeps beside its own, which would end in the middle of that one's chain.
func MayBegin(path string) bool { return !besideNames.MatchString(path) }

// rotate ends the file with an entry that names itself as rotated, and begins
// the next with one that names the file before. The new file takes the
// journal's name in one step, so that at every moment the name leads to a
// whole chain.
func (j *Journal) rotate() error {
	first, err := firstEntry(j.path)
	if err != nil {
		return err
	}
	old := RotatedName(j.path, first.Seq)
	if _, err := j.write(KindRotated, j.opt.Writer, continuation{File: filepath.Base(j.path)}); err != nil {
		return err
	}
	return j.swap(old)
}

// swap finishes a rotation whose rotated entry is written. It may be done
// again after a crash.
func (j *Journal) swap(old string) error {
	if err := os.Link(j.path, old); err != nil && !sameFile(j.path, old) {
		return err
	}
	tmp := j.path + ".next"
	next, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	if err := lock(next); err != nil {
		next.Close()
		return err
	}
	e := Entry{Version: FormatVersion, Seq: j.last.Seq + 1, Prev: j.last.Hash, Kind: KindContinued, Time: j.opt.Now(), By: j.opt.Writer}
	if e.Data, err = json.Marshal(continuation{File: filepath.Base(old)}); err == nil {
		var line []byte
		if line, err = e.encode(j.sign); err == nil {
			_, err = next.Write(append(line, '\n'))
			j.size = int64(len(line)) + 1
		}
	}
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err != nil {
		next.Close()
		return err
	}
	j.file.Close()
	j.file = next
	j.last = Anchor{Seq: e.Seq, Hash: e.Hash}
	if err := syncDir(j.path); err != nil {
		return err
	}
	return writeAnchor(j.path, j.last, e.Time, !j.opt.NoSync)
}

// rotatedName is a name that RotatedName gives, packed or not.
var rotatedName = regexp.MustCompile(`^(.*)\.\d{12}(\.[^.]*)?(?:\.gz|\.zst)?$`)

// headOf is the journal that a rotated file belongs to; "" for any other file.
func headOf(path string) string {
	m := rotatedName.FindStringSubmatch(path)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// orphans are the rotated files of a journal beside it that are not among known.
func orphans(path string, known []string) []string {
	ext := filepath.Ext(path)
	all, err := filepath.Glob(globQuoted(strings.TrimSuffix(path, ext)) + ".*")
	if err != nil {
		return nil // the pattern is quoted
	}
	return slices.DeleteFunc(all, func(name string) bool {
		return headOf(name) != path || slices.Contains(known, name)
	})
}

// globQuoted keeps what a path holds from being a pattern.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// sameFile tells whether a crash left the link of an unfinished rotation.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
