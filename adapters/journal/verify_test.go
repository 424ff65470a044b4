package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestEveryMutationIsFoundAndNamed is the promise of the journal: 1,000 random
// changes of one byte, removals, repetitions and swaps of lines and cuts, each
// found, and the entry that is named is the first one touched.
func TestEveryMutationIsFoundAndNamed(t *testing.T) {
	path := writeJournal(t, 60, Options{})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte{'\n'}), []byte{'\n'})
	lines[len(lines)-1] = append(bytes.Clone(lines[len(lines)-1]), '\n')
	head, _, err := readAnchor(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	lineOf := func(offset int) int { return 1 + bytes.Count(whole[:offset], []byte{'\n'}) }
	join := func(l [][]byte) []byte { return bytes.Join(l, nil) }

	mutations := []struct {
		name   string
		mutate func() (mutant []byte, first int) // first: the line that is touched first
	}{
		{"byte", func() ([]byte, int) {
			b := bytes.Clone(whole)
			at := rng.IntN(len(b))
			for c := byte(rng.IntN(256)); ; c = byte(rng.IntN(256)) {
				if c != b[at] {
					b[at] = c
					return b, lineOf(at)
				}
			}
		}},
		{"remove", func() ([]byte, int) {
			at := rng.IntN(len(lines))
			n := 1 + rng.IntN(min(3, len(lines)-at))
			return join(append(append([][]byte(nil), lines[:at]...), lines[at+n:]...)), at + 1
		}},
		{"swap", func() ([]byte, int) {
			l := append([][]byte(nil), lines...)
			a := rng.IntN(len(l) - 1)
			b := a + 1 + rng.IntN(len(l)-a-1)
			l[a], l[b] = l[b], l[a]
			return join(l), a + 1
		}},
		{"repeat", func() ([]byte, int) {
			from, at := rng.IntN(len(lines)), rng.IntN(len(lines)+1)
			l := append([][]byte(nil), lines[:at]...)
			l = append(append(l, lines[from]), lines[at:]...)
			if from == at { // the copy stands first, and cannot be told from the original
				return join(l), at + 2
			}
			return join(l), at + 1
		}},
		{"cut", func() ([]byte, int) {
			at := rng.IntN(len(whole))
			return whole[:at], lineOf(at)
		}},
		{"forge", func() ([]byte, int) { // one entry rewritten with a hash of its own that holds
			at := rng.IntN(len(lines))
			e, err := ParseEntry(lines[at])
			if err != nil {
				t.Fatal(err)
			}
			e.By = "mallory"
			line, err := e.encode(nil)
			if err != nil {
				t.Fatal(err)
			}
			l := append([][]byte(nil), lines...)
			l[at] = append(line, '\n')
			return join(l), at + 1
		}},
	}
	for i := range 1000 {
		m := mutations[i%len(mutations)]
		mutant, first := m.mutate()
		r, err := VerifyReader(t.Context(), "j", bytes.NewReader(mutant), VerifyOptions{Anchors: []Anchor{head}})
		if err != nil {
			t.Fatalf("%d %s: %v", i, m.name, err)
		}
		if r.OK || r.Broken == nil {
			t.Fatalf("%d: %s of line %d was not found", i, m.name, first)
		}
		if r.Broken.Line != first {
			t.Errorf("%d: %s of line %d was named line %d: %v", i, m.name, first, r.Broken.Line, r.Broken)
		}
		// Without an anchor all but a cut at the end of a line is found too,
		// and a cut shows by the closing entry that is missing.
		if r, err := VerifyReader(t.Context(), "j", bytes.NewReader(mutant), VerifyOptions{}); err != nil || (r.OK && m.name != "forge") {
			t.Errorf("%d: %s of line %d was not found without an anchor, %v", i, m.name, first, err)
		}
	}
}

func TestEachFaultHasItsName(t *testing.T) {
	path := writeJournal(t, 10, Options{})
	whole, _ := os.ReadFile(path)
	lines := strings.SplitAfter(string(whole), "\n")
	lines = lines[:len(lines)-1]
	head, _, _ := readAnchor(path)
	for _, c := range []struct {
		name    string
		content string
		anchors []Anchor
		problem Problem
		seq     uint64
		detail  string
	}{
		{"altered", strings.Replace(string(whole), `claims-3"`, `claims-9"`, 1), nil, Altered, 5, "does not match its own hash"},
		{"removed", strings.Join(lines[:4], "") + strings.Join(lines[5:], ""), nil, Removed, 5, "entry 6 follows entry 4"},
		{"first removed", strings.Join(lines[1:], ""), nil, Removed, 1, "the file begins with entry 2"},
		{"inserted twice", strings.Join(lines[:6], "") + lines[2] + strings.Join(lines[6:], ""), nil, Inserted, 3, "stands after entry 6"},
		{"foreign line", strings.Join(lines[:6], "") + "{}\n" + strings.Join(lines[6:], ""), nil, Inserted, 7, "not a journal entry"},
		{"reordered", strings.Join(lines[:4], "") + lines[5] + lines[4] + strings.Join(lines[6:], ""), nil, Reordered, 5, "stands in line 6"},
		{"cut, anchor", strings.Join(lines[:8], ""), []Anchor{head}, Truncated, 9, "reaches entry 12"},
		{"cut, no anchor", strings.Join(lines[:8], ""), nil, Unanchored, 9, "no anchor"},
		{"torn, anchor", string(whole[:len(whole)-3]), []Anchor{head}, Truncated, 12, "without a newline"},
		{"torn, no anchor", string(whole[:len(whole)-3]), nil, Torn, 12, "without a newline"},
		{"empty, anchor", "", []Anchor{head}, Truncated, 1, "ends after entry 0"},
		{"anchor of another journal", string(whole), []Anchor{{Seq: 4, Hash: zeroHash}}, Altered, 4, "not the one in the anchor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := VerifyReader(t.Context(), "j", strings.NewReader(c.content), VerifyOptions{Anchors: c.anchors})
			if err != nil {
				t.Fatal(err)
			}
			if r.Broken == nil || r.Broken.Problem != c.problem || r.Broken.Seq != c.seq || !strings.Contains(r.Broken.Detail, c.detail) {
				t.Errorf("got %v, want entry %d %s: …%s…", r.Broken, c.seq, c.problem, c.detail)
			}
		})
	}
	t.Run("open end accepted", func(t *testing.T) {
		r, err := VerifyReader(t.Context(), "j", strings.NewReader(strings.Join(lines[:8], "")), VerifyOptions{AcceptOpenEnd: true})
		if err != nil || !r.OK {
			t.Errorf("%v, %v", r.Broken, err)
		}
	})
}

func TestAMissingFileAndABadAnchorAreErrors(t *testing.T) {
	if _, err := Verify(t.Context(), filepath.Join(t.TempDir(), "none.jsonl"), VerifyOptions{}); err == nil ||
		!strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing file: %v", err)
	}
	path := writeJournal(t, 1, Options{})
	os.WriteFile(AnchorPath(path), []byte("{"), 0o600)
	if _, err := Verify(t.Context(), path, VerifyOptions{}); err == nil || !strings.Contains(err.Error(), "not an anchor") {
		t.Errorf("bad anchor: %v", err)
	}
	for _, s := range []string{"", "1", "0:" + zeroHash, "1:abc", "x:" + zeroHash, "1:" + strings.Repeat("Z", 64)} {
		if _, err := ParseAnchor(s); err == nil {
			t.Errorf("anchor %q was read", s)
		}
	}
	if a, err := ParseAnchor("7:" + zeroHash); err != nil || a.String() != "7:"+zeroHash {
		t.Errorf("anchor: %v, %v", a, err)
	}
}

// FuzzVerify holds that no content, however odd, stops or convinces Verify.
func FuzzVerify(f *testing.F) {
	path := writeJournal(f, 2, Options{})
	whole, _ := os.ReadFile(path)
	head, _, _ := readAnchor(path)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("{}\n\n"))
	f.Add([]byte(`{"v":1,"seq":1,"prev":"` + zeroHash + `","hash":"` + zeroHash + `"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := VerifyReader(t.Context(), "j", bytes.NewReader(b), VerifyOptions{Anchors: []Anchor{head}})
		if err == nil && r.OK && !bytes.HasPrefix(b, whole) {
			t.Errorf("content that was never written verifies")
		}
	})
}

// BenchmarkVerify100000 is the figure in docs/audit.md: 100,000 decisions of
// realistic size in at most a second.
func BenchmarkVerify100000(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.jsonl")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	e := Entry{Hash: zeroHash, By: "test", Kind: KindDecision}
	for i := range 100_000 {
		e.Seq, e.Prev, e.Time = e.Seq+1, e.Hash, testTime
		e.Data, _ = json.Marshal(testDecision(i))
		line, err := e.encode(nil)
		if err != nil {
			b.Fatal(err)
		}
		f.Write(append(line, '\n'))
	}
	st, _ := f.Stat()
	f.Close()
	b.SetBytes(st.Size())
	for b.Loop() {
		r, err := Verify(b.Context(), path, VerifyOptions{AcceptOpenEnd: true})
		if err != nil || !r.OK || r.Entries != 100_000 {
			b.Fatal(r.Broken, err)
		}
	}
	b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "procs")
}

func BenchmarkAppendSynced(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "journal.jsonl"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	d := testDecision(1)
	for b.Loop() {
		if err := j.Record(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseAnchor() {
	a, _ := ParseAnchor("42:" + strings.Repeat("ab", 32))
	fmt.Println(a.Seq)
	// Output: 42
}
