package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository, seen from here.
const root = "../.."

// leastFiles is fewer than there are: a walk that finds no more looks in the
// wrong place.
const leastFiles = 100

// eachText reads every Go file of the repository, of tests or of no test; path
// begins with root.
func eachText(t *testing.T, tests bool, see func(path string, text []byte) error) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") != tests:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found++
		return see(path, text)
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < leastFiles {
		t.Fatalf("%d files were read; the test looks in the wrong place", found)
	}
}

// eachFile parses every Go file of the repository that is no test; path begins
// with root, and fset tells where in it a node is.
func eachFile(t *testing.T, see func(path string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	eachText(t, false, func(path string, text []byte) error {
		file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err == nil {
			see(path, fset, file)
		}
		return err
	})
}
