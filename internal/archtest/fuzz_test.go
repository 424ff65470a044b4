package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// make fuzz lists targets by go list in this module: one in a module of its own
// would never be run.
func TestMakeFuzzFindsEveryTarget(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil || !strings.Contains(string(makefile), `go list ./... | while read -r p`) || !strings.Contains(string(makefile), `go test -list '^Fuzz'`) {
		t.Fatalf("make fuzz no longer asks the go command for its targets: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for dir := range strings.FieldsSeq(string(out)) {
		packages[dir] = true
	}
	target, found := regexp.MustCompile(`(?m)^func Fuzz[A-Za-z0-9]+\(`), 0
	eachText(t, true, func(path string, text []byte) error {
		n := len(target.FindAll(text, -1))
		found += n
		if dir, err := filepath.Abs(filepath.Dir(path)); n > 0 && (err != nil || !packages[dir]) {
			t.Errorf("%s holds fuzz targets, and is in no package of this module", path)
		}
		return nil
	})
	if found < 20 {
		t.Errorf("there are %d fuzz targets", found)
	}
}
