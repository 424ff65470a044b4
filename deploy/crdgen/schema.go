package main

import (
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// comments holds the doc comment of each field by "Type.Field", and of each
// type by "Type".
type comments map[string]string

// readComments parses the package's source: comments do not survive compilation.
func readComments(dir string) (comments, error) {
	pkgs, err := parser.ParseDir(token.NewFileSet(), dir, nil, parser.ParseComments) //nolint:staticcheck // one package, no build tags
	if err != nil {
		return nil, fmt.Errorf("reading comments of %s: %w", dir, err)
	}
	out := comments{}
	for _, p := range pkgs {
		for _, f := range p.Files {
			ast.Inspect(f, func(n ast.Node) bool {
				if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.TYPE {
					out.readTypes(decl)
				}
				return true
			})
		}
	}
	return out, nil
}

func (c comments) readTypes(decl *ast.GenDecl) {
	for _, s := range decl.Specs {
		t := s.(*ast.TypeSpec)
		c[t.Name.Name] = oneLine(decl.Doc)
		st, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			text := oneLine(f.Doc)
			if text == "" {
				text = oneLine(f.Comment)
			}
			for _, name := range f.Names {
				c[t.Name.Name+"."+name.Name] = text
			}
		}
	}
}

func oneLine(g *ast.CommentGroup) string {
	return strings.Join(strings.Fields(g.Text()), " ")
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// schemaOf turns a Go type into a structural schema. Fields without omitempty
// or omitzero are required.
func schemaOf(t reflect.Type, path string, c comments) apiextensions.JSONSchemaProps {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), path, c)
	}
	s := apiextensions.JSONSchemaProps{}
	switch {
	case t.Implements(textMarshaler):
		s.Type = "string"
		s.Pattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$|^0$`
	case t.Kind() == reflect.Struct:
		s.Type = "object"
		s.Properties = map[string]apiextensions.JSONSchemaProps{}
		for f := range t.Fields() {
			name, required := jsonName(f)
			if name == "" {
				continue
			}
			p := schemaOf(f.Type, path+"."+name, c)
			if text := c[t.Name()+"."+f.Name]; text != "" {
				p.Description = text
			}
			s.Properties[name] = p
			if required {
				s.Required = append(s.Required, name)
			}
		}
		slices.Sort(s.Required)
	case t.Kind() == reflect.Slice:
		s.Type = "array"
		item := schemaOf(t.Elem(), path+"[]", c)
		s.Items = &apiextensions.JSONSchemaPropsOrArray{Schema: &item}
		s.MaxItems = ptr(int64(1000)) // bounds the cost of CEL rules
	case t.Kind() == reflect.Map:
		s.Type = "object"
		value := schemaOf(t.Elem(), path+"{}", c)
		s.AdditionalProperties = &apiextensions.JSONSchemaPropsOrBool{Allows: true, Schema: &value}
		s.MaxProperties = ptr(int64(100))
	case t.Kind() == reflect.String:
		s.Type = "string"
		s.MaxLength = ptr(int64(4096))
	case t.Kind() == reflect.Bool:
		s.Type = "boolean"
	case t.Kind() == reflect.Float64:
		s.Type = "number"
	case t.Kind() == reflect.Int:
		s.Type = "integer"
		s.Format = "int32"
	default:
		panic(fmt.Sprintf("%s: a %s has no schema", path, t)) // a new kind of field needs a line here
	}
	if refine, ok := refinements[path]; ok {
		refine(&s)
	}
	return s
}

func jsonName(f reflect.StructField) (name string, required bool) {
	tag := f.Tag.Get("json")
	if tag == "" || tag == "-" || !f.IsExported() {
		return "", false
	}
	name, opts, _ := strings.Cut(tag, ",")
	return name, !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero")
}

func ptr[T any](v T) *T { return &v }
