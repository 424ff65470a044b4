package journal

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidetable/tidetable/internal/files"
)

// Problem says in one word what is wrong with an entry.
type Problem string

// What Verify can find.
const (
	Altered    Problem = "altered"    // its bytes are not the ones that were hashed
	Removed    Problem = "removed"    // it is missing, and later ones are there
	Inserted   Problem = "inserted"   // it does not belong where it stands
	Reordered  Problem = "reordered"  // it stands elsewhere
	Truncated  Problem = "truncated"  // it and all after it are missing
	Torn       Problem = "torn"       // only its beginning is there
	Unsigned   Problem = "unsigned"   // it has no signature although a key was given
	Forged     Problem = "forged"     // its signature does not hold
	Unanchored Problem = "unanchored" // nothing vouches for the end of the file
)

// Broken names the first entry for which the chain does not hold.
type Broken struct {
	File    string  `json:"file"`
	Line    int     `json:"line"` // 1 is the first; for an entry that is missing, where it belongs
	Seq     uint64  `json:"seq"`
	Problem Problem `json:"problem"`
	Detail  string  `json:"detail"`
}

// Error makes a Broken an error in one line.
func (b *Broken) Error() string {
	return fmt.Sprintf("%s: entry %d (line %d) is %s: %s", b.File, b.Seq, b.Line, b.Problem, b.Detail)
}

// Report is what Verify found.
type Report struct {
	OK         bool         `json:"ok"`
	Files      []string     `json:"files"` // oldest first
	Entries    uint64       `json:"entries"`
	Kinds      map[Kind]int `json:"kinds"`
	Signatures int          `json:"signaturesChecked"`
	Last       Anchor       `json:"last"`
	Broken     *Broken      `json:"broken,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
}

// VerifyOptions say what vouches for a journal besides its own chain. The zero
// value uses the anchor beside the file, if there is one.
type VerifyOptions struct {
	Anchors []Anchor // known from elsewhere, such as a metric; each must be in the chain
	// AcceptOpenEnd lets a journal pass that has no anchor, so that entries may
	// have been cut off unseen.
	AcceptOpenEnd bool
	PublicKey     ed25519.PublicKey // when set, every entry must be signed with it
}

// Verify checks the journal at path and the rotated files before it, from the
// first entry to the last. A chain that does not hold is in Report.Broken; an
// error is for a journal that cannot be read.
func Verify(ctx context.Context, path string, opt VerifyOptions) (Report, error) {
	// The anchor is read first: a writer that is at work only adds to the file.
	anchors := opt.Anchors
	beside, ok, err := readAnchor(path)
	if err != nil {
		return Report{}, err
	}
	if ok {
		anchors = append([]Anchor{beside}, anchors...)
	}
	chain, err := chainOf(path)
	if err != nil {
		return Report{}, err
	}
	v := newVerifier(opt, anchors)
	v.beside = ok
	for i, name := range chain {
		if err := v.file(ctx, name, i == len(chain)-1); err != nil {
			return Report{}, err
		}
		if v.report.Broken != nil {
			return v.report, nil //nolint:nilerr // what is broken is the report
		}
	}
	v.end(path)
	return v.report, nil
}

// VerifyReader checks one file's content, as Verify does for a journal that
// was never rotated.
func VerifyReader(ctx context.Context, name string, r io.Reader, opt VerifyOptions) (Report, error) {
	v := newVerifier(opt, opt.Anchors)
	if err := v.read(ctx, name, r, true); err != nil {
		return Report{}, err
	}
	if v.report.Broken == nil {
		v.end(name)
	}
	return v.report, nil
}

type verifier struct {
	opt     VerifyOptions
	anchors []Anchor
	beside  bool // the first anchor is the one beside the file
	report  Report
	last    frame // the last entry that holds
	torn    *Broken
	lines   int
	sigs    signatures
}

func newVerifier(opt VerifyOptions, anchors []Anchor) *verifier {
	return &verifier{
		opt: opt, anchors: anchors, last: frame{hash: zeroHash},
		report: Report{Kinds: map[Kind]int{}}, sigs: signatures{key: opt.PublicKey},
	}
}

func (v *verifier) file(ctx context.Context, name string, newest bool) error {
	in, err := files.Open(name, nil, maxFileBytes)
	if err != nil {
		return err
	}
	defer in.Close()
	return v.read(ctx, name, in, newest)
}

// read checks every line of one file against the chain so far.
func (v *verifier) read(ctx context.Context, name string, r io.Reader, newest bool) error {
	v.report.Files = append(v.report.Files, name)
	v.lines = 0
	lr := newLineReader(r)
	for {
		if v.lines%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, whole, err := lr.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		v.lines++
		if !whole {
			b := v.broken(name, v.last.seq+1, Torn, fmt.Sprintf("its line ends after %d bytes, without a newline", len(line)))
			if !newest {
				v.fail(b)
			}
			v.torn = b
			return nil
		}
		if b := v.check(name, line, lr); b != nil {
			// A signature that fails earlier in the file comes first.
			if s := v.sigs.flush(); s != nil {
				b = s
			}
			v.fail(b)
			return nil
		}
		if b := v.sigs.full(); b != nil {
			v.fail(b)
			return nil
		}
	}
}

func (v *verifier) fail(b *Broken) {
	if v.report.Broken == nil {
		v.report.Broken = b
	}
}

func (v *verifier) broken(name string, seq uint64, p Problem, detail string) *Broken {
	return &Broken{File: name, Line: v.lines, Seq: seq, Problem: p, Detail: detail}
}

// check holds one line against the entry before it; nil says that it follows.
func (v *verifier) check(name string, line []byte, lr *lineReader) *Broken {
	want := v.last.seq + 1
	f, err := parseFrame(line)
	if err != nil {
		if next, ok := lr.peek(); ok && next.seq == want && next.prev == v.last.hash {
			return v.broken(name, want, Inserted, fmt.Sprintf("%v, and entry %d comes after it, in order", err, want))
		}
		return v.broken(name, want, Altered, err.Error())
	}
	if f.seq != want {
		return v.misplaced(name, f, want, lr)
	}
	if f.prev != v.last.hash {
		// Both this entry and the one before are whole. If the next entry
		// or an anchor vouches for this one, the one before is the false one.
		if want > 1 && v.vouchedFor(f, lr) {
			b := v.broken(
				name,
				v.last.seq,
				Altered,
				fmt.Sprintf("it was written anew: entry %d follows another entry %d", want, v.last.seq),
			)
			b.Line = max(1, b.Line-1)
			return b
		}
		return v.broken(name, want, Altered, fmt.Sprintf("it was written anew: it does not follow entry %d", v.last.seq))
	}
	for _, a := range v.anchors {
		if a.Seq == f.seq && a.Hash != f.hash {
			return v.broken(name, f.seq, Altered, "it was written anew: its hash is not the one in the anchor")
		}
	}
	if b := v.sigs.add(name, v.lines, f); b != nil {
		return b
	}
	v.last = frame{seq: f.seq, hash: f.hash, kind: f.kind}
	v.report.Entries++
	v.report.Kinds[f.kind]++
	return nil
}

// vouchedFor tells whether an anchor or the entry that follows knows f's hash.
func (v *verifier) vouchedFor(f frame, lr *lineReader) bool {
	for _, a := range v.anchors {
		if a.Seq == f.seq {
			return a.Hash == f.hash
		}
	}
	next, ok := lr.peek()
	return ok && next.seq == f.seq+1 && next.prev == f.hash
}

// misplaced explains an entry that is whole and has another number than the
// one that belongs here.
func (v *verifier) misplaced(name string, f frame, want uint64, lr *lineReader) *Broken {
	if f.seq < want {
		return v.broken(name, f.seq, Inserted, fmt.Sprintf("it stands after entry %d, where entry %d belongs", want-1, want))
	}
	here := v.lines
	for at := here + 1; ; at++ {
		line, whole, err := lr.next()
		if err != nil || !whole {
			break
		}
		if g, err := parseFrame(line); err == nil && g.seq == want {
			return v.broken(name, want, Reordered, fmt.Sprintf("it stands in line %d, and entry %d in its place", at, f.seq))
		}
	}
	detail := fmt.Sprintf("entry %d follows entry %d", f.seq, want-1)
	if want == 1 {
		detail = fmt.Sprintf("the file begins with entry %d", f.seq)
		if f.kind == KindContinued {
			detail = fmt.Sprintf("the journal continues from an earlier file at entry %d, and that file is not beside it", f.seq)
		}
	}
	return v.broken(name, want, Removed, detail)
}

// end judges whether the journal ends where it should.
func (v *verifier) end(name string) {
	v.report.Last = Anchor{Seq: v.last.seq, Hash: v.last.hash}
	if b := v.sigs.flush(); b != nil {
		v.fail(b)
		return
	}
	v.report.Signatures = v.sigs.checked
	missing := v.lines + 1
	if v.torn != nil {
		missing = v.torn.Line
	}
	for _, a := range v.anchors {
		if a.Seq > v.last.seq {
			b := &Broken{File: name, Line: missing, Seq: v.last.seq + 1, Problem: Truncated,
				Detail: fmt.Sprintf("the anchor says that the journal reaches entry %d, and it ends after entry %d", a.Seq, v.last.seq)}
			if v.torn != nil {
				b.Detail += fmt.Sprintf(" and %s", v.torn.Detail)
			}
			v.fail(b)
			return
		}
	}
	switch {
	case v.torn != nil && len(v.anchors) == 0 && !v.opt.AcceptOpenEnd:
		v.fail(v.torn)
		return
	case v.torn != nil:
		v.report.Notes = append(
			v.report.Notes,
			fmt.Sprintf(
				"line %d is incomplete: it was being written when the writer stopped, and the next start will mark it",
				v.torn.Line,
			),
		)
	case v.last.kind == KindRotated && headOf(name) != "" && !v.opt.AcceptOpenEnd:
		if !v.goesOn(name, missing) {
			return
		}
	case len(v.anchors) == 0 && !v.opt.AcceptOpenEnd:
		v.fail(&Broken{File: name, Line: missing, Seq: v.last.seq + 1, Problem: Unanchored,
			Detail: fmt.Sprintf(
				"the chain holds, and nothing vouches for its end: there is no anchor, so that entries after %d may have been cut off; "+
					"give the last known one with --anchor, or --anchor none to accept this",
				v.last.seq,
			)})
		return
	}
	if lost := orphans(name, v.report.Files); len(lost) > 0 {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf(
			"files of an earlier chain are beside it, and this one does not go on from them: %s", strings.Join(lost, ", ")))
	}
	if v.beside && len(v.anchors) == 1 {
		v.report.Notes = append(
			v.report.Notes,
			"that nothing was cut off rests on the anchor beside the file, which whoever writes there can write, too: "+
				"give the one of the policy's status or of the metric with --anchor",
		)
	}
	v.report.OK = true
}

// goesOn says that a chain that ends in a rotation goes on in another file; one
// that is not there was taken away, with all that it held.
func (v *verifier) goesOn(name string, line int) bool {
	head := headOf(name)
	if _, err := os.Stat(head); head != "" && err == nil {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("the chain goes on in %s, which was not looked at: verify that one", head))
		return true
	}
	for _, a := range v.anchors {
		if a.Seq == v.last.seq {
			return true // it is known to end here
		}
	}
	v.fail(&Broken{File: name, Line: line, Seq: v.last.seq + 1, Problem: Unanchored,
		Detail: "the chain holds and goes on in another file, which is not there: entries after it are missing; --anchor none accepts this"})
	return false
}

// chainOf lists the files of a journal, oldest first, by following the name
// that each one's first entry gives for the file before it.
func chainOf(path string) ([]string, error) {
	chain := []string{path}
	first := uint64(0)
	for {
		e, err := firstEntry(chain[0])
		if err != nil {
			return nil, err
		}
		// Anything odd is left to the verifier, which names it.
		if e.Kind != KindContinued || e.Seq <= 1 || (first > 0 && e.Seq >= first) {
			return chain, nil
		}
		first = e.Seq
		var from continuation
		if json.Unmarshal(e.Data, &from) != nil {
			return chain, nil //nolint:nilerr // an entry that does not say where it goes on from is found by the reading of its chain
		}
		before := besides(path, from.File)
		if before == "" {
			return chain, nil
		}
		chain = append([]string{before}, chain...)
	}
}

// besides finds a rotated file, compressed or not, in the journal's folder.
func besides(path, name string) string {
	for _, suffix := range []string{"", ".gz", ".zst"} {
		p := filepath.Join(filepath.Dir(path), filepath.Base(name)+suffix)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && filepath.Base(name) != filepath.Base(path) {
			return p
		}
	}
	return ""
}

// firstEntry reads the first line; an empty or unreadable one gives a zero Entry.
func firstEntry(path string) (Entry, error) {
	in, err := files.Open(path, nil, maxFileBytes)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Entry{}, fmt.Errorf("reading journal: %s does not exist", path)
		}
		return Entry{}, err
	}
	defer in.Close()
	line, whole, err := newLineReader(in).next()
	if err != nil || !whole {
		return Entry{}, nil
	}
	e, err := ParseEntry(line)
	if err != nil {
		return Entry{}, nil
	}
	return e, nil
}
