// Package economics asks what the brokers of a cluster cost under every policy
// when one measured demand after another is its load, by how long data are kept
// and what a byte between zones costs: the table of docs/economics.md.
//
// Consumers are as many as the peak needs and stay so: the question is brokers.
package economics

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/scenario"
)

// Trace is a demand with its name.
type Trace struct {
	Name   string
	Series metrics.Series
}

// Settings of the runs.
type Settings struct {
	Retentions []time.Duration
	CrossZone  []float64 // prices of a GB between zones, in USD
	Policies   []string  // nil is Policies
	Options    simulations.Options
	Workers    int
	// Comparison are the settings of the policies that tidetable is compared with,
	// as a scenario has them; "" is its defaults.
	Comparison string
}

// Policies of the table, in its order; the optimum comes after them.
var Policies = []string{policies.StaticName, policies.ReactiveName, policies.HPAName, policies.TidetableName}

// OptimumName is the row of what whoever knew the demand would have paid.
const OptimumName = "optimum"

// Row is one policy with one trace, retention and price; a day's worth of each.
type Row struct {
	Trace          string  `json:"trace"`
	RetentionHours float64 `json:"retentionHours"`
	CrossZone      float64 `json:"crossZoneGigabyte"`
	Policy         string  `json:"policy"`
	Cost           float64 `json:"costPerDay"` // of brokers and moves, in USD
	OverOptimum    float64 `json:"costOverOptimum"`
	Changes        float64 `json:"changesPerDay"`
	Violations     float64 `json:"violationMinutesPerDay"`
	Moved          float64 `json:"bytesMovedPerDay"`
}

// What a run is made of. Brokers of 4 cores and 6 TB: CPU binds at the peak, and
// disks as much when data are kept for three days.
const (
	longest    = 7 * 24 * time.Hour // that is judged
	begin      = 0.6                // where it begins, as a part of the trace
	peak       = "400MB/s"
	brokerHour = 0.4
)

const document = `version: 1
name: %s
duration: %s
history: %s
cluster:
  brokers: {count: %d, zones: [a, b, c], shape: {cpuCores: 4, network: 625MB/s, disk: 6TB, diskBandwidth: 500MB/s, memory: 32GB, costPerHour: %g}}
  startup: {pod: 1m, join: 1m, consumer: 2m, rebalancePause: 5s}
  throttle: 100MB/s
loads:
  - {name: l, csv: trace, from: %s, peak: %s}
topics:
  - {name: events, partitions: 120, retention: %s, load: l}
groups:
  - {name: billing, topics: [events], perReplica: 40000, replicas: 30, min: 30, max: 30}
  - {name: search, topics: [events], perReplica: 40000, replicas: 30, min: 30, max: 30}
policies: [%s]
comparison: {%s}
`

// Run asks for every retention, trace and price; rows are in that order.
func Run(ctx context.Context, traces []Trace, s Settings, progress func(done, of int)) ([]Row, error) {
	if s.Policies == nil {
		s.Policies = Policies
	}
	type job struct {
		trace     Trace
		retention time.Duration
	}
	var jobs []job
	for _, r := range s.Retentions {
		for _, t := range traces {
			jobs = append(jobs, job{t, r})
		}
	}
	out := make([][]Row, len(jobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.Workers, 1))
	done := make(chan struct{}, len(jobs))
	for i, j := range jobs {
		g.Go(func() error {
			rows, err := one(ctx, j.trace, j.retention, s)
			out[i] = rows
			if done <- struct{}{}; progress != nil {
				progress(len(done), len(jobs))
			}
			if err != nil {
				return fmt.Errorf("%s with %s of retention: %w", j.trace.Name, j.retention, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []Row
	for _, rows := range out {
		all = append(all, rows...)
	}
	return all, nil
}

// one is a trace at one retention under every policy, at every price. Of the
// policies only tidetable asks what things cost; the others run once.
func one(ctx context.Context, t Trace, retention time.Duration, s Settings) ([]Row, error) {
	size, err := staticSize(t, retention, s)
	if err != nil {
		return nil, err
	}
	var rows []Row
	ran := map[string]simulations.Measures{}
	for _, price := range s.CrossZone {
		var left []string
		for _, name := range s.Policies {
			if _, done := ran[name]; !done || name == policies.TidetableName {
				left = append(left, name)
			}
		}
		p, err := experiment(t, retention, price, size, left, s.Comparison)
		if err != nil {
			return nil, err
		}
		o := s.Options
		o.Workers = 1
		r, err := simulations.Compare(ctx, p, o)
		if err != nil {
			return nil, err
		}
		for _, x := range r.Policies {
			ran[x.Policy] = x.Measures
		}
		if ran[OptimumName], err = simulations.Optimum(p); err != nil {
			return nil, err
		}
		for _, name := range append(slices.Clone(s.Policies), OptimumName) {
			rows = append(rows, rowOf(Row{Trace: t.Name, RetentionHours: retention.Hours(), CrossZone: price, Policy: name}, ran, p.Duration.D()))
		}
	}
	return rows, nil
}

// rowOf fills a row with what a policy's run came to.
func rowOf(r Row, ran map[string]simulations.Measures, judged time.Duration) Row {
	days := judged.Hours() / 24
	cost := func(m simulations.Measures) float64 {
		return (m.BrokerHours*brokerHour + m.CrossZoneBytes/1e9*r.CrossZone) / days
	}
	m := ran[r.Policy]
	r.Cost, r.OverOptimum, r.Changes = cost(m), cost(m)/cost(ran[OptimumName]), float64(m.ScaleActions)/days
	r.Violations, r.Moved = m.SLOViolationMinutes/days, m.BytesMoved/days
	return r
}

// staticSize is what static would have: everybody starts with that.
func staticSize(t Trace, retention time.Duration, s Settings) (int, error) {
	p, err := experiment(t, retention, 0, someBrokers, []string{policies.StaticName}, s.Comparison)
	if err != nil {
		return 0, err
	}
	return simulations.StaticBrokers(p)
}

// someBrokers is any number: static is asked what it would have.
const someBrokers = 30

func experiment(
	t Trace, retention time.Duration, price float64, brokers int, names []string, comparison string,
) (*scenario.Experiment, error) {
	span := t.Series.End().Sub(t.Series.Start)
	history := time.Duration(float64(span) * begin).Truncate(time.Hour)
	judged := min(span-history, longest).Truncate(time.Hour)
	past := min(history, 35*24*time.Hour)
	doc := fmt.Sprintf(document, t.Name, judged, past, brokers, brokerHour, t.Series.Start.Add(history-past).UTC().Format(time.RFC3339), peak,
		retention, strings.Join(names, ", "), comparison)
	p, err := scenario.Decode([]byte(doc), t.Name, scenario.Sources{
		Trace: func(string) ([]metrics.Series, error) { return []metrics.Series{t.Series}, nil },
	})
	if err != nil {
		return nil, err
	}
	p.Reprice(price)
	return p, nil
}

// Mean is one policy over the traces, at one retention and price.
type Mean struct {
	RetentionHours, CrossZone float64
	Policy                    string
	Row
	// Worst is the highest cost over the optimum's, and Dearer how many traces cost
	// more than under static.
	Worst  float64
	Dearer int
}

// Means are the rows' means by retention, price and policy, in the rows' order;
// of costs over the optimum's the geometric one.
func Means(rows []Row) []Mean {
	var out []Mean
	at, n := map[string]int{}, map[string]float64{}
	static := map[string]float64{}
	for _, r := range rows {
		if r.Policy == policies.StaticName {
			static[key(r)+r.Trace] = r.Cost
		}
	}
	for _, r := range rows {
		k := key(r) + r.Policy
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, Mean{RetentionHours: r.RetentionHours, CrossZone: r.CrossZone, Policy: r.Policy})
		}
		m := &out[i]
		n[k]++
		m.Cost += r.Cost
		m.OverOptimum += math.Log(r.OverOptimum)
		m.Changes += r.Changes
		m.Violations += r.Violations
		m.Moved += r.Moved
		m.Worst = max(m.Worst, r.OverOptimum)
		if v, ok := static[key(r)+r.Trace]; ok && r.Cost > v*1.001 {
			m.Dearer++
		}
	}
	for i := range out {
		m := &out[i]
		c := n[fmt.Sprintf("%g/%g/", m.RetentionHours, m.CrossZone)+m.Policy]
		m.Cost, m.OverOptimum, m.Changes = m.Cost/c, math.Exp(m.OverOptimum/c), m.Changes/c
		m.Violations, m.Moved = m.Violations/c, m.Moved/c
	}
	return out
}

func key(r Row) string { return fmt.Sprintf("%g/%g/", r.RetentionHours, r.CrossZone) }

// Write prints the means, and every trace's rows where wanted.
func Write(w io.Writer, rows []Row, markdown, perTrace bool) {
	head := table.Row{"retention", "USD/GB", "policy", "USD a day", "over the optimum", "worst", "dearer than static", "changes a day",
		"violation min a day", "TB moved a day"}
	var body []table.Row
	for _, m := range Means(rows) {
		body = append(body, table.Row{fmt.Sprintf("%g h", m.RetentionHours), m.CrossZone, m.Policy, fmt.Sprintf("%.1f", m.Cost),
			fmt.Sprintf("%.3f×", m.OverOptimum), fmt.Sprintf("%.2f×", m.Worst), m.Dearer, fmt.Sprintf("%.2f", m.Changes),
			fmt.Sprintf("%.2f", m.Violations), fmt.Sprintf("%.2f", m.Moved/1e12)})
	}
	write(w, markdown, head, body)
	if !perTrace {
		return
	}
	body = nil
	for _, r := range rows {
		body = append(body, table.Row{fmt.Sprintf("%g h", r.RetentionHours), r.CrossZone, r.Trace, r.Policy, fmt.Sprintf("%.1f", r.Cost),
			fmt.Sprintf("%.3f×", r.OverOptimum), fmt.Sprintf("%.2f", r.Changes), fmt.Sprintf("%.2f", r.Violations),
			fmt.Sprintf("%.2f", r.Moved/1e12)})
	}
	fmt.Fprintln(w)
	write(w, markdown, table.Row{"retention", "USD/GB", "trace", "policy", "USD a day", "over the optimum", "changes a day",
		"violation min a day", "TB moved a day"}, body)
}

func write(w io.Writer, markdown bool, head table.Row, body []table.Row) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0
	t.AppendHeader(head)
	t.AppendRows(body)
	if markdown {
		fmt.Fprintln(w, t.RenderMarkdown())
		return
	}
	fmt.Fprintln(w, t.Render())
}
