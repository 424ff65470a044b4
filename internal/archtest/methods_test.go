package archtest

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"testing"
)

// mostMethods is how many methods a type may have: one with more is a place
// where anyone may write, and nobody can say what it is.
const mostMethods = 40

func TestNoTypeHasMoreMethodsThanOneCanKnow(t *testing.T) {
	methods := map[string]int{}
	eachFile(t, func(path string, _ *token.FileSet, file *ast.File) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil {
				methods[filepath.Dir(path)+"."+receiver(f.Recv.List[0].Type)]++
			}
		}
	})
	if len(methods) < 100 {
		t.Fatalf("only %d types with methods were found", len(methods))
	}
	for name, n := range methods {
		if n > mostMethods {
			t.Errorf("%s has %d methods, want at most %d", name, n, mostMethods)
		}
	}
}

// receiver is the name of a method's type, whatever its parameters.
func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}
