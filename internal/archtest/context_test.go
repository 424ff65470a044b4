package archtest

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A context belongs to a call, not to a value that outlives it.
func TestNoStructHoldsAContext(t *testing.T) {
	harnesses := filepath.Join(root, "test") // of whole processes hold one for their life
	eachFile(t, func(path string, fset *token.FileSet, file *ast.File) {
		if strings.HasPrefix(path, harnesses+string(filepath.Separator)) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range s.Fields.List {
				if sel, ok := f.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Context" {
					if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "context" {
						t.Errorf("%s: a struct holds a context: pass it to the call", fset.Position(f.Pos()))
					}
				}
			}
			return true
		})
	})
}
