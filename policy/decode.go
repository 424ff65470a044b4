package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/internal/strictyaml"
)

// maxBytes bounds a policy document; a Kubernetes object is at most about as large.
const maxBytes = 1 << 20

// Invalid is every mistake of one document.
type Invalid struct {
	Source   string // the file, or what else held the document
	Problems []strictyaml.Problem
}

// Error gives one mistake on one line, several on a line each.
func (e *Invalid) Error() string {
	if len(e.Problems) == 1 {
		return e.Source + ": " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d mistakes:", e.Source, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Load reads and checks the policy in path; "-" is stdin.
func Load(path string, stdin io.Reader) (Policy, error) {
	in, err := files.Open(path, stdin, maxBytes)
	if err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return Policy{}, fmt.Errorf("reading policy %s: %w", path, err)
	}
	return Decode(data, path)
}

// Decode reads one document, YAML or JSON, fills the defaults and checks it.
// Every mistake is reported at once, as *Invalid; source names the document in
// the message.
func Decode(data []byte, source string) (Policy, error) {
	var doc document
	lines, problems := strictyaml.Decode(data, &doc)
	return finish(doc.policy(), source, "", lines, problems)
}

// DecodeNode reads a policy that stands at path inside another document, such
// as a scenario.
func DecodeNode(n *yaml.Node, source, path string) (Policy, error) {
	var doc document
	lines, problems := strictyaml.DecodeNode(n, path, &doc)
	return finish(doc.policy(), source, path, lines, problems)
}

// DecodeSpec reads a spec alone, as JSON or YAML: a custom resource brings its
// name and namespace by itself.
func DecodeSpec(name, namespace string, spec []byte) (Policy, error) {
	p := Policy{APIVersion: APIVersion, Kind: Kind, Metadata: Metadata{Name: name, Namespace: namespace}}
	holder := struct {
		Spec Spec `yaml:"spec"`
	}{}
	wrapped, err := json.Marshal(map[string]json.RawMessage{"spec": spec})
	if err != nil {
		return p, fmt.Errorf("reading the spec of %s: %w", name, err)
	}
	lines, problems := strictyaml.Decode(wrapped, &holder)
	p.Spec = holder.Spec
	clear(lines) // the object has no lines a person could look at
	for i := range problems {
		problems[i].Line = 0
	}
	return finish(p, name, "", lines, problems)
}

// DecodeSpecNode reads a spec that stands at path inside another document.
func DecodeSpecNode(n *yaml.Node, name, source, path string) (Policy, error) {
	p := Policy{APIVersion: APIVersion, Kind: Kind, Metadata: Metadata{Name: name}}
	lines, problems := strictyaml.DecodeNode(n, path, &p.Spec)
	return finishAt(p, source, path, lines, problems)
}

// document is the policy as it is written: status and the rest of a
// Kubernetes object's metadata are accepted and ignored.
type document struct {
	APIVersion string         `yaml:"apiVersion"`
	Kind       string         `yaml:"kind"`
	Metadata   metadata       `yaml:"metadata"`
	Spec       Spec           `yaml:"spec"`
	Status     map[string]any `yaml:"status"`
}

type metadata struct {
	Name        string            `yaml:"name" strict:"lenient"`
	Namespace   string            `yaml:"namespace"`
	Annotations map[string]string `yaml:"annotations"`
}

func (d document) policy() Policy {
	return Policy{d.APIVersion, d.Kind, Metadata(d.Metadata), d.Spec}
}

func finish(p Policy, source, path string, lines strictyaml.Lines, problems []strictyaml.Problem) (Policy, error) {
	header := func(field, got, want string) {
		if got != want {
			at := strictyaml.Join(path, field)
			problems = append(
				problems,
				strictyaml.Problem{Path: at, Line: lines.At(at), Message: fmt.Sprintf("must be %s, not %q", want, got)},
			)
		}
	}
	if !unreadable(problems) {
		header("apiVersion", p.APIVersion, APIVersion)
		header("kind", p.Kind, Kind)
	}
	return finishAt(p, source, strictyaml.Join(path, "spec"), lines, problems)
}

// finishAt fills the defaults and validates the spec that stands at specPath.
func finishAt(p Policy, source, specPath string, lines strictyaml.Lines, problems []strictyaml.Problem) (Policy, error) {
	if unreadable(problems) {
		return Policy{}, &Invalid{source, problems}
	}
	p.SetDefaults()
	told := map[string]bool{}
	for _, x := range problems {
		told[x.Path] = true
	}
	for _, x := range p.Spec.problems(specPath) {
		// A field whose value could not be read is reported once, not twice.
		if !told[x.Path] {
			x.Line = lines.At(x.Path)
			problems = append(problems, x)
		}
	}
	if len(problems) == 0 {
		return p, nil
	}
	slices.SortStableFunc(problems, func(a, b strictyaml.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Path, b.Path)
	})
	return Policy{}, &Invalid{source, problems}
}

// unreadable tells that the document itself, not a field of it, is broken.
func unreadable(problems []strictyaml.Problem) bool {
	return len(problems) == 1 && problems[0].Path == ""
}

// IsInvalid tells whether err is a document's mistakes.
func IsInvalid(err error) bool {
	var inv *Invalid
	return errors.As(err, &inv)
}
