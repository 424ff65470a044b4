// Package shareddata finds the folder of traces and judges that tests and
// benchmarks read from beside the repository. It is never copied into it.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// Path is the path of a file in the shared folder ($TIDETABLE_SHARED, or
// "shared" beside the repository). The test is skipped, with the reason, where
// it is absent.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{root(t)}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("left out: %s is not there (set TIDETABLE_SHARED to the folder of traces and judges)", p)
	}
	return p
}

func root(t testing.TB) string {
	if dir := os.Getenv("TIDETABLE_SHARED"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "README.md")); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return filepath.Join(filepath.Dir(dir), "shared")
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return filepath.Join(dir, "shared")
		}
		dir = up
	}
}
