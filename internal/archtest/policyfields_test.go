package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const policyPackage = module + "policy"

// checkingOnly are the files of package policy that read every field, to check
// or to fill it, and do nothing by it.
var checkingOnly = []string{"decode.go", "defaults.go", "validate.go", "validate_scaling.go"}

// readByChecking are fields that do all they promise by being checked.
var readByChecking = map[string]string{
	"Forecast.Seasons": "its one value says what is done anyway; documents that say it stay valid",
}

// A field of the policy that nothing reads promises what is not done.
func TestEveryFieldOfThePolicyIsReadSomewhere(t *testing.T) {
	read := map[string]bool{} // "Brokers.Min"
	var spec types.Type
	for _, p := range checked(t, policyPackage) {
		if p.path == policyPackage {
			spec = p.types.Scope().Lookup("Spec").Type()
		}
		if strings.HasPrefix(p.path, module+"deploy/") {
			continue
		}
		for file, syntax := range p.files {
			if p.path == policyPackage && slices.Contains(checkingOnly, file) {
				continue
			}
			written := writtenTo(syntax)
			ast.Inspect(syntax, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || written[sel] {
					return true
				}
				if field := fieldOf(p.info.Selections[sel]); field != "" {
					read[field] = true
				}
				return true
			})
		}
	}
	var unread []string
	walkFields(spec, map[string]bool{}, func(field string) {
		if !read[field] && readByChecking[field] == "" {
			unread = append(unread, field)
		}
	})
	slices.Sort(unread)
	for _, f := range slices.Compact(unread) {
		t.Errorf("nothing reads %s: wire it, or take it out of the policy, the definition and the docs", f)
	}
}

// fieldOf names a field of a struct of package policy; "" for anything else.
func fieldOf(s *types.Selection) string {
	if s == nil || s.Kind() != types.FieldVal || s.Obj().Pkg() == nil || s.Obj().Pkg().Path() != policyPackage {
		return ""
	}
	at := s.Recv()
	for _, i := range s.Index()[:len(s.Index())-1] { // through embedded structs
		at = structOf(at).Field(i).Type()
	}
	if p, ok := at.Underlying().(*types.Pointer); ok {
		at = p.Elem()
	}
	named, ok := types.Unalias(at).(*types.Named)
	if !ok {
		return ""
	}
	return named.Obj().Name() + "." + s.Obj().Name()
}

func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, _ := t.Underlying().(*types.Struct)
	return s
}

// walkFields gives every field of a struct of package policy, and of what is in it.
func walkFields(t types.Type, seen map[string]bool, field func(string)) {
	switch u := t.(type) {
	case *types.Pointer:
		walkFields(u.Elem(), seen, field)
	case *types.Slice:
		walkFields(u.Elem(), seen, field)
	case *types.Named:
		s, ok := u.Underlying().(*types.Struct)
		if !ok || u.Obj().Pkg().Path() != policyPackage || seen[u.Obj().Name()] {
			return
		}
		seen[u.Obj().Name()] = true
		for i := range s.NumFields() {
			if f := s.Field(i); f.Exported() {
				field(u.Obj().Name() + "." + f.Name())
				walkFields(f.Type(), seen, field)
			}
		}
	}
}

// writtenTo are the selectors that a file only assigns to.
func writtenTo(f *ast.File) map[*ast.SelectorExpr]bool {
	out := map[*ast.SelectorExpr]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.ASSIGN {
			for _, l := range a.Lhs {
				if sel, ok := l.(*ast.SelectorExpr); ok {
					out[sel] = true
				}
			}
		}
		return true
	})
	return out
}

// checkedPackage is a package with its types.
type checkedPackage struct {
	path  string
	types *types.Package
	info  *types.Info
	files map[string]*ast.File // without tests, by base name
}

// checked type-checks the package and all of ours that import it, against the
// export data that the build made.
func checked(t *testing.T, wanted string) []checkedPackage {
	t.Helper()
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles, Imports        []string
	}
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Imports", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages with their export data: %v", err)
	}
	var ours []listed
	exports := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath == wanted || strings.HasPrefix(p.ImportPath, module) && slices.Contains(p.Imports, wanted) {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var all []checkedPackage
	for _, p := range ours {
		c := checkedPackage{
			path:  p.ImportPath,
			info:  &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}},
			files: map[string]*ast.File{},
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files[name] = f
			files = append(files, f)
		}
		cfg := types.Config{Importer: imp}
		if c.types, err = cfg.Check(p.ImportPath, fset, files, c.info); err != nil {
			t.Fatalf("checking the types of %s: %v", p.ImportPath, err)
		}
		all = append(all, c)
	}
	return all
}
