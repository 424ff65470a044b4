package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testClock() func() time.Time {
	var mu sync.Mutex
	n := 0
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		n++
		return testTime.Add(time.Duration(n) * time.Second)
	}
}

func testDecision(n int) decision.Decision {
	return decision.Decision{
		Version: 1, ID: fmt.Sprintf("%s/claims-%d", testTime.Add(time.Duration(n)*time.Minute).Format(time.RFC3339), n),
		Time: testTime.Add(time.Duration(n) * time.Minute), Policy: "claims", Mode: "Act",
		Seen:      decision.Seen{Brokers: 6, AliveBrokers: 6, BytesIn: 1e8 + 1},
		Proposals: []decision.Proposal{{Kind: decision.ScaleBrokers, Target: "kafka", From: 6, To: 7, Why: "network-out binds"}},
		Verdicts:  []decision.Verdict{{Gate: "cooldown", Ruling: decision.Hold, Why: "12m left"}},
		Outcome:   "held by cooldown", Reason: "Held",
	}
}

// writeJournal writes a closed journal with n decisions and returns its path.
func writeJournal(t testing.TB, n int, opt Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	opt.NoSync = true
	opt.Writer = "test"
	if opt.Now == nil {
		opt.Now = testClock()
	}
	j, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := j.Record(t.Context(), testDecision(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustVerify(t testing.TB, path string, opt VerifyOptions) Report {
	t.Helper()
	r, err := Verify(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK {
		t.Fatalf("the journal does not verify: %v", r.Broken)
	}
	return r
}

func TestAWrittenJournalVerifiesAndReadsBack(t *testing.T) {
	path := writeJournal(t, 20, Options{})
	r := mustVerify(t, path, VerifyOptions{})
	if r.Entries != 22 || r.Kinds[KindDecision] != 20 || r.Kinds[KindOpened] != 1 || r.Kinds[KindClosed] != 1 {
		t.Errorf("report = %+v", r)
	}
	var got []decision.Decision
	err := Read(t.Context(), path, 0, func(e Entry) error {
		if e.Kind == KindDecision {
			d, err := e.Decision()
			if err != nil {
				return err
			}
			got = append(got, d)
		}
		return nil
	})
	if err != nil || len(got) != 20 || got[7].ID != testDecision(7).ID || got[7].Verdicts[0].Why != "12m left" {
		t.Errorf("read %d decisions, err %v", len(got), err)
	}
}

func TestAJournalGoesOnAfterARestart(t *testing.T) {
	path := writeJournal(t, 3, Options{})
	j, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.RecordApproval(t.Context(), Approval{Decision: "d1", Granted: true, By: "ann@example.org", Via: "page"}); err != nil {
		t.Fatal(err)
	}
	if err := j.RecordOperation(t.Context(), Operation{Name: "hold", By: "ann@example.org", Via: "page", Reason: "quarter close"}); err != nil {
		t.Fatal(err)
	}
	if err := j.RecordAction(t.Context(), ActionRecord{Name: "move", Done: "orders/3 moved"}); err != nil {
		t.Fatal(err)
	}
	// A running journal verifies too: its anchor vouches for the end.
	r := mustVerify(t, path, VerifyOptions{})
	if r.Last != j.Head() || r.Entries != 5+1+3 {
		t.Errorf("last = %v, head = %v, entries = %d", r.Last, j.Head(), r.Entries)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), KindOperation, "x", 1); err == nil {
		t.Error("a closed journal took an entry")
	}
}

func TestTwoWritersAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := Open(path, Options{NoSync: true}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second writer: %v", err)
	}
}

func TestATornLastLineIsMarkedNeverDroppedSilently(t *testing.T) {
	path := writeJournal(t, 3, Options{})
	torn := []byte(`{"v":1,"seq":6,"prev":"0123`)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(torn)
	f.Close()

	// The anchor says that nothing acknowledged is missing.
	if r := mustVerify(t, path, VerifyOptions{}); len(r.Notes) != 2 || !strings.Contains(r.Notes[0], "incomplete") {
		t.Errorf("notes = %q", r.Notes)
	}
	j, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	r := mustVerify(t, path, VerifyOptions{})
	if r.Kinds[KindRecovery] != 1 {
		t.Errorf("kinds = %v", r.Kinds)
	}
	var data string
	Read(t.Context(), path, 6, func(e Entry) error {
		if e.Kind == KindRecovery {
			data = string(e.Data)
		}
		return nil
	})
	if !strings.Contains(data, `"tornBytes":27`) || !strings.Contains(data, `seq\":6`) {
		t.Errorf("recovery entry = %s", data)
	}
	kept, err := os.ReadFile(path + ".torn.000000000006")
	if err != nil || !bytes.Equal(kept, torn) {
		t.Errorf("kept %q, %v", kept, err)
	}
}

func TestACrashBetweenCuttingAndMarkingIsStillMarked(t *testing.T) {
	path := writeJournal(t, 3, Options{})
	if err := os.WriteFile(path+".torn.000000000006", []byte("half an ent"), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	if r := mustVerify(t, path, VerifyOptions{}); r.Kinds[KindRecovery] != 1 {
		t.Errorf("kinds = %v", r.Kinds)
	}
}

func TestAnAlteredJournalIsNotWrittenOn(t *testing.T) {
	for name, mutate := range map[string]func([]byte) []byte{
		"altered":   func(b []byte) []byte { return bytes.Replace(b, []byte(`"to":7`), []byte(`"to":8`), 1) },
		"truncated": func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] },
		"torn":      func(b []byte) []byte { return b[:len(b)-9] },
	} {
		t.Run(name, func(t *testing.T) {
			path := writeJournal(t, 3, Options{})
			b, _ := os.ReadFile(path)
			os.WriteFile(path, mutate(b), 0o600)
			_, err := Open(path, Options{NoSync: true})
			var broken *Broken
			if !errors.As(err, &broken) {
				t.Errorf("opening it: %v, want a *Broken", err)
			}
		})
	}
}

func TestTheChainGoesOnAcrossRotatedFiles(t *testing.T) {
	path := writeJournal(t, 60, Options{RotateBytes: 8 << 10})
	rotated, err := filepath.Glob(filepath.Join(filepath.Dir(path), "journal.0*.jsonl"))
	if err != nil || len(rotated) < 3 {
		t.Fatalf("rotated files: %v, %v", rotated, err)
	}
	r := mustVerify(t, path, VerifyOptions{})
	if len(r.Files) != len(rotated)+1 || r.Kinds[KindDecision] != 60 || r.Files[0] != rotated[0] {
		t.Errorf("verified %v, %v", r.Files, r.Kinds)
	}
	for _, name := range rotated {
		mustVerify(t, name, VerifyOptions{})
	}
	n := 0
	if err := Read(t.Context(), path, 0, func(Entry) error { n++; return nil }); err != nil || uint64(n) != r.Entries {
		t.Errorf("read %d of %d entries, %v", n, r.Entries, err)
	}
	if err := os.Remove(rotated[1]); err != nil {
		t.Fatal(err)
	}
	r, err = Verify(t.Context(), path, VerifyOptions{})
	if err != nil || r.OK || r.Broken.Problem != Removed {
		t.Errorf("with a file missing: %+v, %v", r.Broken, err)
	}
}

func TestACrashInTheMiddleOfARotationIsFinished(t *testing.T) {
	path := writeJournal(t, 5, Options{})
	j, err := Open(path, Options{NoSync: true, RotateBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	// The rotated entry is written, and the process ends before the swap.
	if _, err := j.write(KindRotated, "test", continuation{File: "journal.jsonl"}); err != nil {
		t.Fatal(err)
	}
	j.file.Close()
	mustVerify(t, path, VerifyOptions{})
	j, err = Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	r := mustVerify(t, path, VerifyOptions{})
	if len(r.Files) != 2 || r.Kinds[KindContinued] != 1 {
		t.Errorf("files %v, kinds %v", r.Files, r.Kinds)
	}
}

func TestSignaturesShowAChainThatWasWrittenAnew(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := ed25519.GenerateKey(nil)
	signed := writeJournal(t, 5, Options{Key: key})
	if r := mustVerify(t, signed, VerifyOptions{PublicKey: pub}); r.Signatures != 7 {
		t.Errorf("signatures = %d", r.Signatures)
	}
	if r, _ := Verify(t.Context(), signed, VerifyOptions{PublicKey: other}); r.OK || r.Broken.Problem != Forged || r.Broken.Seq != 1 {
		t.Errorf("another key: %+v", r.Broken)
	}
	unsigned := writeJournal(t, 5, Options{})
	if r, _ := Verify(t.Context(), unsigned, VerifyOptions{PublicKey: pub}); r.OK || r.Broken.Problem != Unsigned {
		t.Errorf("no signature: %+v", r.Broken)
	}
}

func TestKeysAreReadFromPEM(t *testing.T) {
	pub, key, _ := ed25519.GenerateKey(nil)
	dir := t.TempDir()
	write := func(name, block string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, name)
		os.WriteFile(p, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600)
		return p
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	private := write("key.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(pub)
	public := write("pub.pem", "PUBLIC KEY", der, err)
	if k, err := LoadSigningKey(private); err != nil || !k.Equal(key) {
		t.Errorf("signing key: %v", err)
	}
	if k, err := LoadPublicKey(public); err != nil || !k.Equal(pub) {
		t.Errorf("public key: %v", err)
	}
	if _, err := LoadSigningKey(public); err == nil {
		t.Error("a public key passed for a private one")
	}
	if _, err := LoadPublicKey(filepath.Join(dir, "none.pem")); err == nil {
		t.Error("a missing key passed")
	}
}

func TestConcurrentWritersInOneProcessKeepTheChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Open(path, Options{NoSync: true, RotateBytes: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				if err := j.Record(context.Background(), testDecision(100*w+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j.Close()
	if r := mustVerify(t, path, VerifyOptions{}); r.Kinds[KindDecision] != 200 {
		t.Errorf("kinds = %v", r.Kinds)
	}
}

func TestWhatCannotBeRecordedFreezesTheLoopAndIsWrittenLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	good := j.file
	bad, err := os.Open(path) // read-only: every write fails, as on a full disk
	if err != nil {
		t.Fatal(err)
	}
	frozen := func() bool {
		o, err := j.Observations(t.Context(), testTime)
		return err != nil || len(o) == 1 && o[0].Effect == decision.EffectFreeze
	}
	if frozen() || j.Health() != nil {
		t.Fatal("a journal that is well freezes the loop")
	}
	j.file = bad
	if err := j.Record(t.Context(), testDecision(1)); err == nil || !frozen() || j.Health() == nil {
		t.Fatalf("recording failed with %v, frozen %v", err, frozen())
	}
	if err := j.RecordOperation(t.Context(), Operation{Name: "hold"}); err == nil {
		t.Fatal("an operation that is not on record passed")
	}
	j.file = good
	bad.Close()
	if err := j.Record(t.Context(), testDecision(2)); err != nil || frozen() || j.Health() != nil {
		t.Fatalf("recording again: %v, frozen %v", err, frozen())
	}
	j.Close()
	r := mustVerify(t, path, VerifyOptions{})
	if r.Kinds[KindDecision] != 2 || r.Kinds[KindOperation] != 0 {
		t.Errorf("kinds = %v, want both decisions, and not the operation that did not happen", r.Kinds)
	}
}
