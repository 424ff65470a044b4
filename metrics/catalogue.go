package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Catalogue says how an exporter is asked for each signal. Its YAML form is in
// docs/formats/catalogue.md; metrics/catalogue reads it.
type Catalogue struct {
	Name        string  `yaml:"name"`
	Description string  `yaml:"description"`
	Queries     []Query `yaml:"queries"`
}

// Query asks for one signal in PromQL.
type Query struct {
	Signal Signal `yaml:"signal"`
	// Unit is the signal's base unit; Scale turns the exporter's unit into it.
	Unit  string  `yaml:"unit"`
	Scale float64 `yaml:"scale,omitempty"` // 0 stands for 1
	// Expr is PromQL in which $selector stands for the matchers that pick one
	// cluster (it is empty, or ends in a comma) and $range for the range of a
	// rate.
	Expr string `yaml:"expr"`
	// Labels says, for each of the signal's labels, where its value is found in
	// the result.
	Labels map[string]LabelRule `yaml:"labels"`
}

// LabelRule takes the value of a label out of a result's labels.
type LabelRule struct {
	// From lists the exporter's labels that may hold the value; the first that
	// is there and matches wins.
	From []string
	// Pattern's first group is the value; nil takes the label as it is.
	Pattern *regexp.Regexp
}

// Find is the value of the label in a result, and whether it is there.
func (r LabelRule) Find(get func(label string) string) (string, bool) {
	for _, name := range r.From {
		v := get(name)
		if v == "" {
			continue
		}
		if r.Pattern == nil {
			return v, true
		}
		if m := r.Pattern.FindStringSubmatch(v); len(m) > 1 {
			return m[1], true
		}
	}
	return "", false
}

// Find takes a signal's labels out of a result's. A label that is not there is
// left out: some exporters know a group's lag by topic only.
func (q Query) Find(get func(label string) string) Labels {
	out := make(Labels, len(q.Labels))
	for name, rule := range q.Labels {
		if v, ok := rule.Find(get); ok {
			out[name] = v
		}
	}
	return out
}

// Render is the query as Prometheus is asked it. The selector holds PromQL
// matchers such as namespace="kafka",strimzi_io_cluster="claims".
func (q Query) Render(selector string, step, scrape time.Duration) string {
	selector = strings.Trim(selector, ", ")
	if selector != "" {
		selector += ","
	}
	r := strings.NewReplacer("$selector", selector, "$range", promDuration(RateRange(step, scrape)))
	return r.Replace(q.Expr)
}

// Scaled turns a value of the exporter's unit into the signal's.
func (q Query) Scaled(v float64) float64 {
	if q.Scale == 0 {
		return v
	}
	return v * q.Scale
}

// RateRange is how far back a rate looks: over one step and one scrape more,
// so that no sample falls between two grid points, and over four scrapes at
// least, so that one lost scrape does not make a gap. It is the arithmetic of
// Grafana's $__rate_interval.
func RateRange(step, scrape time.Duration) time.Duration {
	return max(step+scrape, 4*scrape)
}

// promDuration writes a duration as PromQL reads it, in milliseconds.
func promDuration(d time.Duration) string {
	return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
}

// For is the queries for a signal, in order of preference.
func (c Catalogue) For(signal Signal) []Query {
	var out []Query
	for _, q := range c.Queries {
		if q.Signal == signal {
			out = append(out, q)
		}
	}
	return out
}

// Signals is the signals the catalogue can ask for, sorted.
func (c Catalogue) Signals() []Signal {
	var out []Signal
	for _, q := range c.Queries {
		out = append(out, q.Signal)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
