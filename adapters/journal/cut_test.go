package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/decision"
)

// reopened is a journal that was written, closed, written on and closed again:
// 4 decisions in all, with a closing entry in the middle.
func reopened(t *testing.T, opt Options) (path string, head Anchor, cut []byte) {
	t.Helper()
	path = writeJournal(t, 2, opt)
	cut, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opt.NoSync, opt.Writer, opt.Now = true, "test", testClock()
	j, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := j.Record(t.Context(), testDecision(10+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path, j.Head(), cut
}

// A journal cut off at an earlier closing entry looks as if it had ended there
// in good order: only an anchor that is kept elsewhere shows it.
func TestACutAtAClosingEntryIsNotProvenWhole(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	path, head, cut := reopened(t, Options{Key: key})
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(AnchorPath(path)); err != nil {
		t.Fatal(err)
	}
	opt := VerifyOptions{PublicKey: key.Public().(ed25519.PublicKey)}
	if r, err := Verify(t.Context(), path, opt); err != nil || r.OK || r.Broken.Problem != Unanchored {
		t.Errorf("without any anchor: %+v, %v", r.Broken, err)
	}
	opt.Anchors = []Anchor{head}
	if r, err := Verify(t.Context(), path, opt); err != nil || r.OK || r.Broken.Problem != Truncated {
		t.Errorf("with the anchor of the status: %+v, %v", r.Broken, err)
	}
}

func TestAnAnchorBesideTheFileIsSaidToBeNoProof(t *testing.T) {
	path, head, _ := reopened(t, Options{})
	if r := mustVerify(t, path, VerifyOptions{}); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "rests on the anchor beside the file") {
		t.Errorf("notes %q", r.Notes)
	}
	if r := mustVerify(t, path, VerifyOptions{Anchors: []Anchor{head}}); len(r.Notes) != 0 {
		t.Errorf("notes %q with an anchor from elsewhere", r.Notes)
	}
}

// The controller knows its journal's head from the policy's status. A journal
// that was cut off or replaced meanwhile goes on, and says so; nothing is
// scaled in on it.
func TestAJournalThatLacksAKnownEntrySaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string, cut []byte)
		said  string
	}{
		"whole":    {func(string, []byte) {}, ""},
		"cut off":  {func(path string, cut []byte) { _ = os.WriteFile(path, cut, 0o600) }, "was cut off or replaced"},
		"replaced": {func(path string, _ []byte) { _ = os.Remove(path) }, "was cut off or replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			path, head, cut := reopened(t, Options{})
			c.spoil(path, cut)
			_ = os.Remove(AnchorPath(path))
			j, err := Open(path, Options{NoSync: true, Now: testClock(), Known: head})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			said, _ := j.Observations(t.Context(), time.Now())
			if (len(said) > 0) != (c.said != "") || len(said) > 0 && (said[0].Effect != decision.EffectHold || !strings.Contains(said[0].Source, c.said)) {
				t.Errorf("observations %+v, want %q", said, c.said)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if marked := bytes.Contains(text, []byte("is known elsewhere")); marked != (c.said != "") {
				t.Errorf("the journal says that entries are missing: %v", marked)
			}
		})
	}
}

func TestAJournalThatIsTakenAwayWhileItIsWrittenIsAFailingOne(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"deleted":  os.Remove,
		"replaced": func(path string) error { return os.Rename(writeSmall(path), path) },
		"cut off":  func(path string) error { return os.Truncate(path, 10) },
	} {
		path := writeJournal(t, 1, Options{})
		j, err := Open(path, Options{NoSync: true, Now: testClock()})
		if err != nil {
			t.Fatal(err)
		}
		if err := take(path); err != nil {
			t.Fatal(err)
		}
		if err := j.Record(t.Context(), testDecision(2)); err == nil {
			t.Errorf("%s: an entry was written to nowhere", name)
		}
		if said, _ := j.Observations(t.Context(), time.Now()); len(said) != 1 || said[0].Effect != decision.EffectFreeze {
			t.Errorf("%s: observations %+v", name, said)
		}
		_ = j.Close()
	}
}

func writeSmall(beside string) string {
	name := beside + ".other"
	_ = os.WriteFile(name, []byte("{}\n"), 0o600)
	return name
}

// A hold dated 2099 that somebody put into the file by hand has no effect.
func TestOnlySignedEntriesArePutIntoEffect(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	_, foreign, _ := ed25519.GenerateKey(nil)
	path := writeJournal(t, 0, Options{Key: key})
	for i, k := range []ed25519.PrivateKey{key, foreign, nil} {
		j, err := Open(path, Options{NoSync: true, Now: testClock(), Key: k})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.RecordOperation(context.Background(), Operation{Name: "hold", Reason: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
	}
	j, err := Open(path, Options{NoSync: true, Now: testClock(), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	taken, refused := 0, map[string]int{}
	err = j.Replay(t.Context(), func(e Entry) error {
		if e.Kind == KindOperation {
			taken++
		}
		return nil
	}, func(_ uint64, why string) { refused[why]++ })
	if err != nil || taken != 1 || refused["its signature does not hold"] != 3 || refused["it has no signature"] != 3 {
		t.Errorf("%d operations taken, refused %v, %v", taken, refused, err)
	}
}

func TestEntriesThatWereNotKeptLeaveAMarkedGap(t *testing.T) {
	path := writeJournal(t, 1, Options{})
	j, err := Open(path, Options{NoSync: true, Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	for range maxLate + 7 {
		j.keepLate(KindDecision, "test", struct{}{})
	}
	j.mu.Unlock()
	if err := j.Record(t.Context(), testDecision(1)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte(`"entries":7,`)) {
		t.Errorf("no gap of 7 entries is marked: %v", err)
	}
	mustVerify(t, path, VerifyOptions{})
}

// The topic is where whoever has the disk is not: its last entry, signed, shows
// that the file was cut off, to verify and to the controller that opens it.
func TestTheTopicVouchesForTheEnd(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seeds := kgo.SeedBrokers(c.ListenAddrs()...)
	_, key, _ := ed25519.GenerateKey(nil)
	_, foreign, _ := ed25519.GenerateKey(nil)
	path, _, cut := reopened(t, Options{Key: key})
	copied := func(wait func(j *Journal) bool) *Journal {
		t.Helper()
		j, err := Open(path, Options{NoSync: true, Now: testClock(), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		topic, err := NewTopic("audit", slog.New(slog.DiscardHandler), seeds)
		if err != nil {
			t.Fatal(err)
		}
		defer topic.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- topic.Run(ctx, j) }()
		for ctx.Err() == nil && !wait(j) {
			time.Sleep(5 * time.Millisecond)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		<-done
		return j
	}
	j := copied(func(*Journal) bool { return true })
	if said, _ := j.Observations(t.Context(), time.Now()); len(said) != 0 {
		t.Fatalf("a whole journal: %+v", said)
	}
	head := j.Head()
	public := key.Public().(ed25519.PublicKey)
	got, err := TopicHead(t.Context(), "audit", public, seeds)
	if err != nil || got != head {
		t.Fatalf("the topic's head is %v, %v; want %v", got, err, head)
	}
	if _, err := TopicHead(t.Context(), "audit", foreign.Public().(ed25519.PublicKey), seeds); err == nil {
		t.Error("an entry that another key signed is an anchor")
	}
	if err := errors.Join(os.WriteFile(path, cut, 0o600), os.Remove(AnchorPath(path))); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(t.Context(), path, VerifyOptions{PublicKey: public, Anchors: []Anchor{got}}); err != nil || r.OK || r.Broken.Problem != Truncated {
		t.Errorf("with the topic's anchor: %+v, %v", r.Broken, err)
	}
	j = copied(func(j *Journal) bool { said, _ := j.Observations(t.Context(), time.Now()); return len(said) > 0 })
	if said, _ := j.Observations(t.Context(), time.Now()); len(said) != 1 || said[0].Effect != decision.EffectHold {
		t.Errorf("the controller that opens it says %+v", said)
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte("is known elsewhere")) {
		t.Errorf("the journal does not say that entries are missing: %v", err)
	}
}

func TestAnchorsAreReadFromWhateverHoldsThem(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	path, head, _ := reopened(t, Options{Key: key})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	beside, err := os.ReadFile(AnchorPath(path))
	if err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(last)
	public := key.Public().(ed25519.PublicKey)
	for name, doc := range map[string]string{
		"text":                    head.String() + "\n",
		"the policy's status":     fmt.Sprintf(`{"kind":"KafkaCapacityPolicy","status":{"journal":{"path":"x","sequence":%d,"hash":%q}}}`, head.Seq, head.Hash),
		"an entry":                last,
		"several entries":         string(text),
		"a ConfigMap":             fmt.Sprintf(`{"kind":"ConfigMap","data":{"anchor":%q}}`, head),
		"a ConfigMap's entry":     fmt.Sprintf(`{"kind":"ConfigMap","data":{"anchor":%s}}`, quoted),
		"the one beside the file": string(beside),
	} {
		if got, err := ReadAnchor(strings.NewReader(doc), public); err != nil || got != head {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	_, foreign, _ := ed25519.GenerateKey(nil)
	for name, doc := range map[string]string{
		"nothing": "", "another object": `{"kind":"Pod"}`, "a broken entry": last[:len(last)-3] + `0"}`, "a bad hash": `{"anchor":{"seq":3,"hash":"x"}}`,
	} {
		if got, err := ReadAnchor(strings.NewReader(doc), public); err == nil {
			t.Errorf("%s is the anchor %v", name, got)
		}
	}
	if got, err := ReadAnchor(strings.NewReader(last), foreign.Public().(ed25519.PublicKey)); err == nil {
		t.Errorf("an entry that another key signed is the anchor %v", got)
	}
}

// A rotation whose next file was taken away, and a journal that begins anew beside
// its own past, are told.
func TestARotationWithoutItsHeadIsTold(t *testing.T) {
	path := writeJournal(t, 60, Options{RotateBytes: 8 << 10})
	rotated, err := filepath.Glob(strings.TrimSuffix(path, ".jsonl") + ".0*.jsonl")
	if err != nil || len(rotated) < 2 {
		t.Fatalf("rotated files: %v, %v", rotated, err)
	}
	lastRotated := rotated[len(rotated)-1]
	if r := mustVerify(t, lastRotated, VerifyOptions{}); len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "goes on in "+path) {
		t.Errorf("beside its head: %q", r.Notes)
	}
	if err := errors.Join(os.Remove(path), os.Remove(AnchorPath(path))); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(t.Context(), lastRotated, VerifyOptions{}); err != nil || r.OK || r.Broken.Problem != Unanchored {
		t.Errorf("without its head: %+v, %v", r, err)
	}
	j, err := Open(path, Options{NoSync: true, Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	if said, _ := j.Observations(t.Context(), time.Now()); len(said) != 1 || said[0].Effect != decision.EffectHold {
		t.Errorf("a journal that begins anew beside its past: %+v", said)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, path, VerifyOptions{}); !strings.Contains(strings.Join(r.Notes, "\n"), filepath.Base(lastRotated)) {
		t.Errorf("verify says %q of the new one", r.Notes)
	}
}

func FuzzReadAnchor(f *testing.F) {
	f.Add(`{"status":{"journal":{"sequence":3,"hash":"x"}}}`)
	f.Add(`{"data":{"anchor":"{\"data\":{\"anchor\":\"1:x\"}}"}}`)
	f.Add(`{"v":1,"seq":1,"prev":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ReadAnchor(strings.NewReader(text), nil)
		if err != nil {
			return
		}
		if back, err := ParseAnchor(a.String()); err != nil || back != a {
			t.Errorf("%q gives %v, which is no anchor: %v", text, a, err)
		}
	})
}
