// Package strictyaml decodes a YAML (or JSON) document into a struct and
// reports every mistake at once, each with its field path and line: unknown
// keys, keys given twice, and values of the wrong type. A document that people
// write by hand deserves one report, not ten rounds.
package strictyaml

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The bounds of a document written by hand: beyond them it is an accident or
// an attack (aliases can make a small file very large).
const (
	maxNodes = 200_000
	maxDepth = 64
)

// Problem is one mistake. Line is 0 where it is not known.
type Problem struct {
	Path    string
	Line    int
	Message string
}

// String gives the mistake in one line: path, line, and what is wrong.
func (p Problem) String() string {
	s := p.Path
	if s == "" {
		s = "document"
	}
	if p.Line > 0 {
		s += fmt.Sprintf(" (line %d)", p.Line)
	}
	return s + ": " + p.Message
}

// Lines says on which line a field path stands, so that validation done later
// can point there too.
type Lines map[string]int

// Decode reads exactly one document into the struct that into points to.
func Decode(data []byte, into any) (Lines, []Problem) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, []Problem{{Message: "is empty"}}
		}
		return nil, []Problem{{Message: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, []Problem{{Line: second.Line, Message: "holds more than one document; give one"}}
	}
	return DecodeNode(&doc, "", into)
}

// DecodeNode decodes a node that stands at path in a larger document.
func DecodeNode(n *yaml.Node, path string, into any) (Lines, []Problem) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("strictyaml: into must be a pointer to a struct")
	}
	w := &walker{lines: Lines{}}
	if n.Kind == yaml.DocumentNode {
		if len(n.Content) == 0 {
			return nil, []Problem{{Path: path, Message: "is empty"}}
		}
		n = n.Content[0]
	}
	w.decode(n, path, v.Elem(), 0)
	return w.lines, w.problems
}

type walker struct {
	lines    Lines
	problems []Problem
	nodes    int
}

func (w *walker) add(n *yaml.Node, path, format string, args ...any) {
	w.problems = append(w.problems, Problem{Path: path, Line: n.Line, Message: fmt.Sprintf(format, args...)})
}

func (w *walker) decode(n *yaml.Node, path string, v reflect.Value, depth int) {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		if w.nodes <= maxNodes+1 || depth == maxDepth+1 {
			w.add(n, path, "is larger or deeper than %d nodes and %d levels", maxNodes, maxDepth)
		}
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	w.lines[path] = n.Line
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // an empty key means its default
	}
	if isLeaf(v.Type()) {
		w.leaf(n, path, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		w.decode(n, path, v.Elem(), depth+1)
	case reflect.Struct:
		w.object(n, path, v, depth)
	case reflect.Slice:
		w.list(n, path, v, depth)
	case reflect.Map:
		w.dict(n, path, v, depth)
	default:
		w.leaf(n, path, v)
	}
}

// isLeaf tells whether a type reads itself.
func isLeaf(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || p.Implements(reflect.TypeFor[yaml.Unmarshaler]())
}

func (w *walker) leaf(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.ScalarNode && v.Kind() != reflect.Interface {
		w.add(n, path, "must be a single value, not a %s", kindName(n))
		return
	}
	if v.Kind() == reflect.String && n.Tag != "!!str" && n.Tag != "!!int" && n.Tag != "!!float" {
		w.add(n, path, "must be text, not %s", n.Value)
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		var te *yaml.TypeError
		if errors.As(err, &te) {
			w.add(n, path, "must be %s, not %q", typeName(v.Type()), n.Value)
			return
		}
		w.add(n, path, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
}

func (w *walker) object(n *yaml.Node, path string, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode {
		// The value is not repeated here: it may be a secret written inline.
		w.add(n, path, "must be a section with the keys %s, not a %s", strings.Join(keysOf(v.Type()), ", "), kindName(n))
		return
	}
	fields := map[string]int{}
	lenient := false
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Tag.Get("strict") == "lenient" {
			lenient = true
		}
		if name != "" && name != "-" {
			fields[name] = i
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at := Join(path, key.Value)
		if seen[key.Value] {
			w.add(key, at, "is given twice")
			continue
		}
		seen[key.Value] = true
		index, ok := fields[key.Value]
		if !ok {
			if !lenient {
				w.add(key, at, "unknown key%s", suggestion(key.Value, keysOf(v.Type())))
			}
			continue
		}
		w.decode(val, at, v.Field(index), depth+1)
	}
}

func (w *walker) list(n *yaml.Node, path string, v reflect.Value, depth int) {
	if n.Kind != yaml.SequenceNode {
		w.add(n, path, "must be a list, not a %s", kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		w.decode(e, fmt.Sprintf("%s[%d]", path, i), out.Index(i), depth+1)
	}
	v.Set(out)
}

func (w *walker) dict(n *yaml.Node, path string, v reflect.Value, depth int) {
	if n.Kind != yaml.MappingNode {
		w.add(n, path, "must be a section of keys and values, not a %s", kindName(n))
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.New(v.Type().Key()).Elem()
		val := reflect.New(v.Type().Elem()).Elem()
		at := Join(path, n.Content[i].Value)
		w.leaf(n.Content[i], at, key)
		w.decode(n.Content[i+1], at, val, depth+1)
		if out.MapIndex(key).IsValid() {
			w.add(n.Content[i], at, "is given twice")
		}
		out.SetMapIndex(key, val)
	}
	v.Set(out)
}

// Join appends a key to a field path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name != "" && name != "-" {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	return keys
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "section"
	case yaml.SequenceNode:
		return "list"
	default:
		return "single value"
	}
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	default:
		return "a " + t.String()
	}
}

// suggestion names the known key nearest to a mistyped one.
func suggestion(key string, known []string) string {
	best, bestDistance := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(key), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; known here: " + strings.Join(known, ", ")
}

// distance is Levenshtein's, over bytes; keys are short ASCII words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// At is the line of a field path, or of the nearest section around it when the
// field itself is not written; 0 when nothing around it is.
func (l Lines) At(path string) int {
	for {
		if line, ok := l[path]; ok {
			return line
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return l[""]
		}
		path = path[:i]
	}
}
