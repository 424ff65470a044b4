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
	Probes      []Probe `yaml:"-"`
	Queries     []Query `yaml:"queries"`
}

// Probe is a query that gives one series for each broker that an exporter tells of,
// under the labels of the scrape: who is scraped, how often, and by how many.
type Probe struct {
	Catalogue string // whose it is
	Expr      string
	// Alike is true of an exporter that tells of the whole cluster: there is one series
	// for each that is scraped, and they say the same.
	Alike bool
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
	// Catalogue is the one that the query is of.
	Catalogue string `yaml:"-"`
	// Unfit says why what the query finds must not be taken for the signal: it is
	// only looked for, to be able to say what else is needed. "" is a query like any.
	Unfit string `yaml:"unfit,omitempty"`
}

// BrokerLabels are the labels of a scrape that may tell brokers apart, the best first.
var BrokerLabels = []string{"brokerId", "broker_id", "broker", "kubernetes_pod_name", "pod", "host", "hostname", "instance"}

// What a query's PromQL and labels may leave open.
const (
	varSelector = "$selector"
	varRange    = "$range"
	varBroker   = "$broker"
	varPods     = "$pods"
)

// Vars are the values of what a query leaves open.
type Vars struct {
	// Selector holds PromQL matchers that pick one cluster.
	Selector string
	// Broker are the labels that tell brokers apart; empty stands for BrokerLabels.
	Broker []string
	// Pods holds PromQL matchers that pick the brokers' pods, where they are known.
	Pods         string
	Step, Scrape time.Duration
}

// Bind fills in what the query leaves open.
func (q Query) Bind(v Vars) Query {
	if len(v.Broker) == 0 {
		v.Broker = BrokerLabels
	}
	r := strings.NewReplacer(varSelector, matchers(v.Selector), varPods, matchers(v.Pods), varBroker, strings.Join(v.Broker, ", "),
		varRange, promDuration(RateRange(v.Step, v.Scrape)))
	q.Expr = r.Replace(q.Expr)
	bound := make(map[string]LabelRule, len(q.Labels))
	for name, rule := range q.Labels {
		if slices.Equal(rule.From, []string{varBroker}) {
			rule.From = v.Broker
		}
		bound[name] = rule
	}
	q.Labels = bound
	return q
}

// ByBroker tells whether the query's answer is told apart by the labels of the scrape,
// or is a sum over them.
func (q Query) ByBroker() bool { return strings.Contains(q.Expr, varBroker) }

// ByPod tells whether the query asks for the brokers' pods.
func (q Query) ByPod() bool { return strings.Contains(q.Expr, varPods) }

// Selects tells whether the query takes the matchers that pick one cluster.
func (q Query) Selects() bool { return strings.Contains(q.Expr, varSelector) || q.ByPod() }

// PerBroker tells whether the signal has a series a broker.
func (q Query) PerBroker() bool { _, ok := q.Labels["broker"]; return ok }

var metricName = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{`)

// Metrics are the names of the metrics that a PromQL expression selects with braces.
func Metrics(expr string) []string {
	var out []string
	for _, m := range metricName.FindAllStringSubmatch(expr, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// matchers are PromQL matchers that more may follow.
func matchers(list string) string {
	if list = strings.Trim(list, ", "); list != "" {
		list += ","
	}
	return list
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
	return q.Bind(Vars{Selector: selector, Step: step, Scrape: scrape}).Expr
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
