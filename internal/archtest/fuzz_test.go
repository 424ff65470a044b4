package archtest

import (
	"io/fs"
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
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if n := len(target.FindAll(text, -1)); n > 0 {
			found += n
			if dir, failed := filepath.Abs(filepath.Dir(path)); failed != nil || !packages[dir] {
				t.Errorf("%s holds fuzz targets, and is in no package of this module", path)
			}
		}
		return err
	})
	if err != nil || found < 20 {
		t.Errorf("%d fuzz targets: %v", found, err)
	}
}
