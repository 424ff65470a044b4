package journal

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDocumentedCheckAgrees runs the Python of docs/formats/journal.md, which
// an auditor may use instead of tidetable.
func TestTheDocumentedCheckAgrees(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on this machine")
	}
	doc, err := os.ReadFile("../../docs/formats/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```python\n")
	script, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the page has no script")
	}
	path := writeJournal(t, 3, Options{})
	head, _, err := readAnchor(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", script, path).CombinedOutput()
	if want := strings.ReplaceAll(head.String(), ":", " "); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("the script says %q, %v; want %q", out, err, want)
	}
	whole, _ := os.ReadFile(path)
	altered := filepath.Join(t.TempDir(), "altered.jsonl")
	os.WriteFile(altered, bytes.Replace(whole, []byte("claims-1"), []byte("claims-7"), 1), 0o600)
	if out, err := exec.Command(python, "-c", script, altered).CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "entry 3 does not hold") {
		t.Errorf("of an altered journal the script says %q, %v", out, err)
	}
}
