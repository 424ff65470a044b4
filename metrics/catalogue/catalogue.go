// Package catalogue reads query catalogues: which PromQL gives each signal for
// one exporter. Those of common exporters are built in; a user's own is a YAML
// file of the same form (docs/formats/catalogue.md).
package catalogue

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/metrics"
	"go.yaml.in/yaml/v3"
)

// Default is the catalogues asked when none is named, in this order: the first
// that knows a signal and has data for it wins.
const Default = "strimzi,kafka-exporter,kminion"

const maxFileBytes = 1 << 20

//go:embed strimzi.yaml kafka-exporter.yaml kminion.yaml
var builtin embed.FS

// Names lists the built-in catalogues, sorted.
func Names() []string { return []string{"kafka-exporter", "kminion", "strimzi"} }

// Load reads one or more catalogues, separated by commas, each the name of a
// built-in one or the path of a file, and joins them in that order. An empty
// string stands for Default.
func Load(names string) (metrics.Catalogue, error) {
	if strings.TrimSpace(names) == "" {
		names = Default
	}
	var all metrics.Catalogue
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		c, err := load(name)
		if err != nil {
			return metrics.Catalogue{}, err
		}
		if all.Name != "" {
			all.Name += ","
		}
		all.Name += c.Name
		all.Queries = append(all.Queries, c.Queries...)
	}
	return all, nil
}

func load(name string) (metrics.Catalogue, error) {
	if slices.Contains(Names(), name) {
		f, err := builtin.Open(name + ".yaml")
		if err != nil {
			return metrics.Catalogue{}, fmt.Errorf("opening built-in catalogue %s: %w", name, err)
		}
		defer f.Close()
		return Read(f)
	}
	f, err := os.Open(name)
	if err != nil {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue %q: it is neither built in (%s) nor a file that can be read: %w",
			name, strings.Join(Names(), ", "), err)
	}
	defer f.Close()
	c, err := Read(f)
	if err != nil {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue %s: %w", name, err)
	}
	return c, nil
}

// document is the YAML form. Labels beside the queries is a place for anchors.
type document struct {
	Name        string              `yaml:"name"`
	Description string              `yaml:"description"`
	Labels      map[string]wireRule `yaml:"labels"`
	Queries     []wireQuery         `yaml:"queries"`
}

type wireQuery struct {
	Signal metrics.Signal      `yaml:"signal"`
	Unit   string              `yaml:"unit"`
	Scale  float64             `yaml:"scale"`
	Expr   string              `yaml:"expr"`
	Labels map[string]wireRule `yaml:"labels"`
	line   int
}

// wireRule is a label's name, or where to look and what to take.
type wireRule struct {
	From    []string
	Pattern string
}

func (r *wireRule) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		r.From = []string{n.Value}
		return nil
	}
	var long struct {
		From    yaml.Node `yaml:"from"`
		Pattern string    `yaml:"pattern"`
	}
	if err := n.Decode(&long); err != nil {
		return err
	}
	r.Pattern = long.Pattern
	if long.From.Kind == yaml.ScalarNode {
		r.From = []string{long.From.Value}
		return nil
	}
	return long.From.Decode(&r.From)
}

func (q *wireQuery) UnmarshalYAML(n *yaml.Node) error {
	type plain wireQuery
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	known := []string{"signal", "unit", "scale", "expr", "labels"}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(known, k.Value) {
			return fmt.Errorf("line %d: %q is not a field of a query; want one of %s", k.Line, k.Value, strings.Join(known, ", "))
		}
	}
	q.line = n.Line
	return n.Decode((*plain)(q))
}

// Read reads one catalogue strictly and reports every mistake with its line.
func Read(r io.Reader) (metrics.Catalogue, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue: %w", err)
	}
	if len(text) > maxFileBytes {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue: it is larger than the limit of %d bytes", maxFileBytes)
	}
	var doc document
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return metrics.Catalogue{}, errors.New("reading catalogue: it is empty; want name and queries")
	} else if err != nil {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return doc.catalogue()
}

func (doc document) catalogue() (metrics.Catalogue, error) {
	c := metrics.Catalogue{Name: doc.Name, Description: doc.Description}
	var wrong []string
	if doc.Name == "" {
		wrong = append(wrong, "name: is missing")
	}
	if len(doc.Queries) == 0 {
		wrong = append(wrong, "queries: has no query")
	}
	for i, w := range doc.Queries {
		at := fmt.Sprintf("line %d: queries[%d]", w.line, i)
		q := metrics.Query{Signal: w.Signal, Unit: w.Unit, Scale: w.Scale, Expr: w.Expr, Labels: map[string]metrics.LabelRule{}}
		for _, m := range check(w) {
			wrong = append(wrong, at+m)
		}
		for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
			rule, err := compile(w.Labels[name])
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s.labels.%s: %v", at, name, err))
			}
			q.Labels[name] = rule
		}
		c.Queries = append(c.Queries, q)
	}
	if len(wrong) > 0 {
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue: %s", strings.Join(wrong, "; "))
	}
	return c, nil
}

func check(w wireQuery) []string {
	var wrong []string
	info, ok := metrics.Signals[w.Signal]
	if !ok {
		return append(wrong, fmt.Sprintf(".signal: %q is not a signal; want one of %s", w.Signal, signalNames()))
	}
	if w.Unit != info.Unit {
		wrong = append(wrong, fmt.Sprintf(".unit: is %q; %s is in %s (scale turns another unit into it)", w.Unit, w.Signal, info.Unit))
	}
	if w.Scale < 0 {
		wrong = append(wrong, ".scale: is negative")
	}
	if strings.TrimSpace(w.Expr) == "" {
		wrong = append(wrong, ".expr: is empty; want PromQL")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
		if !slices.Contains(info.Labels, name) {
			wrong = append(wrong, fmt.Sprintf(".labels.%s: %s has no such label; want %s", name, w.Signal, strings.Join(info.Labels, ", ")))
		}
	}
	if len(w.Labels) == 0 {
		wrong = append(wrong, fmt.Sprintf(".labels: is empty; want %s", strings.Join(info.Labels, ", ")))
	}
	return wrong
}

func compile(w wireRule) (metrics.LabelRule, error) {
	rule := metrics.LabelRule{From: w.From}
	if len(w.From) == 0 {
		return rule, errors.New("names no label of the exporter")
	}
	if w.Pattern == "" {
		return rule, nil
	}
	re, err := regexp.Compile(w.Pattern)
	if err != nil {
		return rule, fmt.Errorf("pattern: %w", err)
	}
	if re.NumSubexp() < 1 {
		return rule, fmt.Errorf("pattern %q has no group; the first group is the value", w.Pattern)
	}
	rule.Pattern = re
	return rule, nil
}

func signalNames() string {
	var names []string
	for s := range metrics.Signals {
		names = append(names, string(s))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
