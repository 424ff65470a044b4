package simulations

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/simulations/scenario"
)

// Shard is one part of a Monte Carlo: the runs whose number leaves Index when
// divided by Count. The zero value is all of them.
type Shard struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// ParseShard reads i/n, i counting from 0 as a Kubernetes Indexed Job does.
func ParseShard(s string) (Shard, error) {
	var x Shard
	if n, err := fmt.Sscanf(s, "%d/%d", &x.Index, &x.Count); err != nil || n != 2 || s != fmt.Sprintf("%d/%d", x.Index, x.Count) {
		return Shard{}, fmt.Errorf("%q is not a shard; write one like 0/16", s)
	}
	if x.Count < 1 || x.Count > 100_000 || x.Index < 0 || x.Index >= x.Count {
		return Shard{}, fmt.Errorf("%q is not a shard: i of i/n is 0 to n−1", s)
	}
	return x, nil
}

// MonteCarlo is the outcome of many runs, or of a shard of them.
type MonteCarlo struct {
	Scenario string       `json:"scenario"`
	Digest   string       `json:"digest"` // of the scenario, so that only parts of one whole are merged
	Seed     uint64       `json:"seed"`
	Runs     int          `json:"runs"`
	Currency string       `json:"currency"`
	Shard    *Shard       `json:"shard,omitempty"`
	Summary  []Summary    `json:"summary"`
	Results  []RunResults `json:"results"` // sorted by run
}

// RunResults are one run's measures, in the order of the scenario's policies.
type RunResults struct {
	Run      int          `json:"run"`
	Policies []RunMeasure `json:"policies"`
}

// RunMeasure is one policy's measures in one run.
type RunMeasure struct {
	Policy string `json:"policy"`
	Measures
}

// Summary is one policy over all runs.
type Summary struct {
	Policy  string            `json:"policy"`
	Metrics map[string]Spread `json:"metrics"`
}

// Spread is how one measure is spread over the runs.
type Spread struct {
	Mean float64 `json:"mean"`
	P05  float64 `json:"p05"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	Max  float64 `json:"max"`
}

// RunMany makes the runs of a shard, spread over cores. Run i is the same
// whichever shard and core makes it.
func RunMany(ctx context.Context, p *scenario.Experiment, runs int, s Shard, digest string, o Options) (MonteCarlo, error) {
	if s.Count == 0 {
		s = Shard{0, 1}
	}
	var numbers []int
	for i := 1; i <= runs; i++ {
		if (i-1)%s.Count == s.Index {
			numbers = append(numbers, i)
		}
	}
	out := MonteCarlo{Scenario: p.Name, Digest: digest, Seed: p.Seed, Runs: runs, Currency: p.Currency(),
		Results: make([]RunResults, len(numbers))}
	if s.Count > 1 {
		out.Shard = &s
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers(o))
	one := o
	one.Workers, one.Points, one.quick = 1, 0, true
	for i, run := range numbers {
		g.Go(func() error {
			done, err := compareRun(ctx, p, run, one)
			if err != nil {
				return fmt.Errorf("run %d: %w", run, err)
			}
			out.Results[i].Run = run
			for _, r := range done {
				out.Results[i].Policies = append(out.Results[i].Policies, RunMeasure{r.Policy, r.Measures})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return MonteCarlo{}, err
	}
	out.summarise()
	return out, nil
}

// Merge puts shards of one whole together; every run must be there once.
func Merge(parts []MonteCarlo) (MonteCarlo, error) {
	if len(parts) == 0 {
		return MonteCarlo{}, fmt.Errorf("merging shards: none given")
	}
	out := parts[0]
	out.Shard, out.Results = nil, nil
	seen := map[int]bool{}
	for i, p := range parts {
		if p.Digest != out.Digest || p.Seed != out.Seed || p.Runs != out.Runs {
			return MonteCarlo{}, fmt.Errorf("merging shards: part %d is of another scenario, seed or number of runs than part 1", i+1)
		}
		for _, r := range p.Results {
			if seen[r.Run] {
				return MonteCarlo{}, fmt.Errorf("merging shards: run %d is in two of them", r.Run)
			}
			seen[r.Run] = true
			out.Results = append(out.Results, r)
		}
	}
	for run := 1; run <= out.Runs; run++ {
		if !seen[run] {
			return MonteCarlo{}, fmt.Errorf("merging shards: run %d of %d is in none of them", run, out.Runs)
		}
	}
	slices.SortFunc(out.Results, func(a, b RunResults) int { return a.Run - b.Run })
	out.summarise()
	return out, nil
}

// measureOf is one column of a summary.
type measureOf struct {
	name string
	of   func(Measures) float64
}

// measures are what a summary is of, in the order of tables.
var measures = []measureOf{
	{"brokerHours", func(m Measures) float64 { return m.BrokerHours }},
	{"replicaHours", func(m Measures) float64 { return m.ReplicaHours }},
	{"sloViolationMinutes", func(m Measures) float64 { return m.SLOViolationMinutes }},
	{"overloadMinutes", func(m Measures) float64 { return m.OverloadMinutes }},
	{"scaleActions", func(m Measures) float64 { return float64(m.ScaleActions) }},
	{"bytesMoved", func(m Measures) float64 { return m.BytesMoved }},
	{"cost", func(m Measures) float64 { return m.Cost }},
}

func (m *MonteCarlo) summarise() {
	m.Summary = []Summary{}
	if len(m.Results) == 0 {
		return
	}
	for i, p := range m.Results[0].Policies {
		s := Summary{Policy: p.Policy, Metrics: map[string]Spread{}}
		for _, x := range measures {
			values := make([]float64, 0, len(m.Results))
			for _, r := range m.Results {
				values = append(values, x.of(r.Policies[i].Measures))
			}
			s.Metrics[x.name] = spreadOf(values)
		}
		m.Summary = append(m.Summary, s)
	}
}

func spreadOf(v []float64) Spread {
	slices.Sort(v)
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	at := func(q float64) float64 { // nearest rank
		return v[min(max(int(math.Ceil(q*float64(len(v))))-1, 0), len(v)-1)]
	}
	return Spread{sum / float64(len(v)), at(0.05), at(0.5), at(0.95), v[len(v)-1]}
}

// tabled are the measures that fit a terminal's width, in the order of its head.
var tabled = []string{"brokerHours", "replicaHours", "sloViolationMinutes", "overloadMinutes", "scaleActions", "cost"}

// WriteTable prints the summary for a terminal: the mean, and 5 to 95 of a
// hundred runs.
func (m MonteCarlo) WriteTable(w io.Writer) {
	fmt.Fprintf(w, "%s · %d runs · seed %d · mean (5 %% … 95 %% of runs)\n", m.Scenario, len(m.Results), m.Seed)
	t := newTable("policy", "broker h", "replica h", "SLO violation min", "overload min", "actions", "cost "+m.Currency)
	for _, s := range m.Summary {
		row := table.Row{s.Policy}
		for _, name := range tabled {
			x := s.Metrics[name]
			row = append(row, fmt.Sprintf("%.0f (%.0f … %.0f)", x.Mean, x.P05, x.P95))
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
}
