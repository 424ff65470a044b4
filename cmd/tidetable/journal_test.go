package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/decision"
)

func TestJournalCommands(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.jsonl")
	j, err := journal.Open(path, journal.Options{Writer: "test", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Record(t.Context(), decision.Decision{ID: "d-1", Outcome: "nothing to do\x1b[2J"}); err != nil {
		t.Fatal(err)
	}
	if err := j.RecordApproval(t.Context(), journal.Approval{Decision: "d-1", Granted: true, By: "ann", Via: "page"}); err != nil {
		t.Fatal(err)
	}
	head := j.Head()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copyAs := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	altered := copyAs("altered.jsonl", bytes.Replace(whole, []byte("nothing"), []byte("notHing"), 1))
	cut := copyAs("cut.jsonl", whole[:1+bytes.LastIndexByte(whole[:len(whole)-1], '\n')])

	status := copyAs("policy.json", fmt.Appendf(nil, `{"status":{"journal":{"sequence":%d,"hash":%q}}}`, head.Seq, head.Hash))

	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"whole", []string{"verify", path}, exitDone, "the chain holds: 4 entries", ""},
		{"whole, anchor", []string{"verify", path, "--anchor", head.String()}, exitDone, "the chain holds", ""},
		{"whole, json", []string{"verify", path, "--output", "json"}, exitDone, `"ok": true`, ""},
		{"altered", []string{"verify", altered}, exitFound, "", "entry 2 (line 2) is altered"},
		{"altered, json", []string{"verify", altered, "--output", "json"}, exitFound, `"problem": "altered"`, "entry 2"},
		{"cut", []string{"verify", cut}, exitUnproven, "", "entry 4 (line 4) is unanchored"},
		{"cut, accepted", []string{"verify", cut, "--anchor", "none"}, exitDone, "3 entries", ""},
		{"another anchor", []string{"verify", path, "--anchor", "9" + head.String()[1:]}, exitFound, "", "entry 5 (line 5) is truncated"},
		{"whole, the policy's status", []string{"verify", path, "--anchor", status}, exitDone, "the chain holds", ""},
		{"cut, the policy's status", []string{"verify", cut, "--anchor", status}, exitDone, "the chain holds", ""},
		{"a topic and no broker", []string{"verify", path, "--anchor-topic", "audit"}, exitBadInput, "", "--bootstrap: is missing"},
		{"bad anchor", []string{"verify", path, "--anchor", "9"}, exitBadInput, "", "want SEQ:HASH"},
		{"no such file", []string{"verify", filepath.Join(dir, "none")}, exitBadInput, "", "does not exist"},
		{"no file", []string{"verify"}, exitBadInput, "", "accepts 1 arg"},
		{"show", []string{"show", path}, exitDone, "nothing to do", ""},
		{"show kind", []string{"show", path, "--kind", "approval", "--output", "json"}, exitDone, `"by":"ann"`, ""},
		{"show decision", []string{"show", path, "--decision", "d-1", "--last", "1"}, exitDone, "approval", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append([]string{"journal"}, c.args...), nil, &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout.String(), stderr.String())
			}
			if strings.Contains(stdout.String(), "\x1b[2J") {
				t.Error("an entry steered the terminal")
			}
			if c.stderr != "" && strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("diagnostics are not one line: %q", stderr.String())
			}
		})
	}
}
