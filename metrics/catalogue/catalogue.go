// Package catalogue reads query catalogues: which PromQL gives each signal for
// one exporter. Those of common exporters are built in; a user's own is a YAML
// file of the same form (docs/formats/catalogue.md).
package catalogue

import (
	"embed"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/internal/strictyaml"
	"github.com/tidetable/tidetable/metrics"
)

// Default is the catalogues asked when none is named, in this order: the first
// that knows a signal and has data for it wins.
const Default = "kubernetes,strimzi,strimzi-reporter,confluent,jmx-default,jmx-default-lower,aiven,jmx-count,bitnami,cp-helm," +
	"kafka-exporter,kminion,burrow"

const maxFileBytes = 1 << 20

//go:embed *.yaml
var builtin embed.FS

// Names lists the built-in catalogues, sorted: the files beside this one.
func Names() []string {
	files, err := builtin.ReadDir(".")
	if err != nil {
		return nil // the folder is part of the program
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	slices.Sort(names)
	return names
}

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
		all.Queries, all.Probes = append(all.Queries, c.Queries...), append(all.Probes, c.Probes...)
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

// document is the YAML form.
type document struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Probe has one series a broker; Alike one for each exporter of the whole cluster.
	Probe   string      `yaml:"probe"`
	Alike   string      `yaml:"alike"`
	Queries []wireQuery `yaml:"queries"`
}

type wireQuery struct {
	Signal metrics.Signal `yaml:"signal"`
	Unit   string         `yaml:"unit"`
	Scale  float64        `yaml:"scale"`
	Expr   string         `yaml:"expr"`
	// Labels says which of the exporter's labels hold each of the signal's, by
	// commas; Patterns, with its first group, which part of them.
	Labels   map[string]string `yaml:"labels"`
	Patterns map[string]string `yaml:"patterns"`
	Unfit    string            `yaml:"unfit"`
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
	lines, problems := strictyaml.Decode(text, &doc)
	c, more := doc.catalogue(lines)
	if problems = append(problems, more...); len(problems) > 0 {
		said := make([]string, len(problems))
		for i, p := range problems {
			said[i] = p.String()
		}
		return metrics.Catalogue{}, fmt.Errorf("reading catalogue: %s", strings.Join(said, "; "))
	}
	return c, nil
}

// retired are signals that once were asked for and that nobody reads any more. A
// catalogue that has a query for one is read without it.
var retired = []metrics.Signal{"broker_jvm_heap_used", "broker_container_memory"}

func (doc document) catalogue(lines strictyaml.Lines) (metrics.Catalogue, []strictyaml.Problem) {
	c := metrics.Catalogue{Name: doc.Name, Description: doc.Description}
	var wrong []strictyaml.Problem
	add := func(path, format string, args ...any) {
		wrong = append(wrong, strictyaml.Problem{Path: path, Line: lines.At(path), Message: fmt.Sprintf(format, args...)})
	}
	if doc.Name == "" {
		add("name", "is missing")
	}
	if len(doc.Queries) == 0 {
		add("queries", "has no query")
	}
	switch {
	case doc.Probe != "" && doc.Alike != "":
		add("alike", "stands beside probe; an exporter tells of its own broker, or of all")
	case doc.Probe != "":
		c.Probes = []metrics.Probe{{Catalogue: doc.Name, Expr: doc.Probe}}
	case doc.Alike != "":
		c.Probes = []metrics.Probe{{Catalogue: doc.Name, Expr: doc.Alike, Alike: true}}
	}
	for i, w := range doc.Queries {
		if slices.Contains(retired, w.Signal) {
			continue
		}
		at := fmt.Sprintf("queries[%d].", i)
		field := func(name, format string, args ...any) { add(at+name, format, args...) }
		check(w, field)
		q := metrics.Query{Signal: w.Signal, Unit: w.Unit, Scale: w.Scale, Expr: w.Expr, Labels: map[string]metrics.LabelRule{},
			Catalogue: doc.Name, Unfit: w.Unfit}
		for name, from := range w.Labels {
			q.Labels[name] = metrics.LabelRule{From: fields(from)}
		}
		for _, name := range slices.Sorted(maps.Keys(w.Patterns)) {
			rule, ok := q.Labels[name]
			re, err := regexp.Compile(w.Patterns[name])
			switch {
			case !ok:
				field("patterns."+name, "has no label of that name beside it in labels")
			case err != nil:
				field("patterns."+name, "%v", err)
			case re.NumSubexp() < 1:
				field("patterns."+name, "%q has no group; the first group is the value", w.Patterns[name])
			default:
				rule.Pattern = re
				q.Labels[name] = rule
			}
		}
		c.Queries = append(c.Queries, q)
	}
	return c, wrong
}

func check(w wireQuery, wrong func(field, format string, args ...any)) {
	info, ok := metrics.Signals[w.Signal]
	if !ok {
		wrong("signal", "%q is not a signal; want one of %s", w.Signal, signalNames())
		return
	}
	if w.Unit != info.Unit {
		wrong("unit", "is %q; %s is in %s, and scale turns another unit into it", w.Unit, w.Signal, info.Unit)
	}
	if w.Scale < 0 {
		wrong("scale", "is negative")
	}
	if strings.TrimSpace(w.Expr) == "" {
		wrong("expr", "is empty; want PromQL")
	}
	if len(w.Labels) == 0 {
		wrong("labels", "is empty; want %s", strings.Join(info.Labels, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Labels)) {
		if !slices.Contains(info.Labels, name) {
			wrong("labels."+name, "%s has no such label; want %s", w.Signal, strings.Join(info.Labels, ", "))
		}
		if len(fields(w.Labels[name])) == 0 {
			wrong("labels."+name, "names no label of the exporter")
		}
	}
}

// fields splits a list by commas and drops spaces.
func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func signalNames() string {
	var names []string
	for s := range metrics.Signals {
		names = append(names, string(s))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
