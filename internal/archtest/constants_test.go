package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documented are the rooms whose named constants docs/formulas.md lists.
var documented = []string{"forecast", "capacity/outlook", "simulations/world"}

// counted are numbers that follow from the code or the calendar, and that nobody
// chose.
var counted = []string{"fitted", "directP", "nOrigin", "day", "year", "Version"}

// Every number that something was decided with has a name, a unit and a source:
// the name here, the others in docs/formulas.md.
func TestConstantsAreInFormulas(t *testing.T) {
	doc, err := os.ReadFile("../../docs/formulas.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range documented {
		files, err := filepath.Glob(filepath.Join("../..", room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has %d files, %v", room, len(files), err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, name := range numbersNamed(t, f) {
				if !slices.Contains(counted, name) && !strings.Contains(string(doc), "`"+name+"`") {
					t.Errorf("%s: the constant %s is not in docs/formulas.md", f, name)
				}
			}
		}
	}
}

// numbersNamed lists the constants of a file that have a number in their value;
// those counted by iota, and parts of a sum of others, have none of their own.
func numbersNamed(t *testing.T, file string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range tree.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			for i, n := range v.Names {
				if i < len(v.Values) && hasNumber(v.Values[i]) {
					out = append(out, n.Name)
				}
			}
		}
	}
	return out
}

func hasNumber(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && (l.Kind == token.INT || l.Kind == token.FLOAT) {
			found = true
		}
		return true
	})
	return found
}
