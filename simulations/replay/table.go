package replay

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/metrics"
)

// Trace is a demand with its name.
type Trace struct {
	Name   string
	Series metrics.Series
}

// Row is one policy at one lead time over many traces: means over the traces,
// the replica-hours' geometric.
type Row struct {
	LeadMinutes      float64 `json:"leadTimeMinutes"`
	Policy           string  `json:"policy"`
	Traces           int     `json:"traces"`
	ViolationsPerDay float64 `json:"violationMinutesPerDay"`
	OverOracle       float64 `json:"replicaHoursOverOracle"`
	ActionsPerDay    float64 `json:"actionsPerDay"`
}

// Table is a replay of many traces.
type Table struct {
	All []Row `json:"all"`
	// Rhythmic leaves out the traces in which no day is like the one before.
	Rhythmic []Row     `json:"rhythmic"`
	Outcomes []Outcome `json:"outcomes"` // by lead time, trace and policy
}

// rhythm is the correlation with a day or a week before from which on a trace
// counts as rhythmic.
const rhythm = 0.5

// Rhythm is how much of a trace repeats: the highest correlation of the demand
// with itself a day, or a week, before.
func Rhythm(s metrics.Series) float64 {
	best := 0.0
	for _, lag := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour} {
		if s.Step > 0 && lag%s.Step == 0 {
			best = math.Max(best, correlation(s.Values, int(lag/s.Step)))
		}
	}
	return best
}

func correlation(v []float64, lag int) float64 {
	var n, sx, sy, sxx, syy, sxy float64
	for i := lag; i < len(v); i++ {
		x, y := v[i], v[i-lag]
		if math.IsNaN(x) || math.IsNaN(y) {
			continue
		}
		n, sx, sy, sxx, syy, sxy = n+1, sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y
	}
	d := math.Sqrt((n*sxx - sx*sx) * (n*syy - sy*sy))
	if n < 3*float64(lag)/4 || !(d > 0) {
		return 0
	}
	return (n*sxy - sx*sy) / d
}

// RunAll replays every trace at every lead time, spread over cores.
func RunAll(ctx context.Context, traces []Trace, leads []time.Duration, s Settings, progress func()) (Table, error) {
	outcomes := make([][]Outcome, len(leads)*len(traces))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, lead := range leads {
		for j, t := range traces {
			g.Go(func() error {
				one := s
				one.LeadTime = lead
				out, err := Run(ctx, t.Name, t.Series, one)
				outcomes[i*len(traces)+j] = out
				if progress != nil {
					progress()
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return Table{}, err
	}
	rhythmic := map[string]bool{}
	for _, t := range traces {
		rhythmic[t.Name] = Rhythm(t.Series) >= rhythm
	}
	var out Table
	for i, lead := range leads {
		of := outcomes[i*len(traces) : (i+1)*len(traces)]
		out.All = append(out.All, rows(lead, of, func(string) bool { return true })...)
		out.Rhythmic = append(out.Rhythmic, rows(lead, of, func(n string) bool { return rhythmic[n] })...)
		for _, o := range of {
			out.Outcomes = append(out.Outcomes, o...)
		}
	}
	return out, nil
}

func rows(lead time.Duration, outcomes [][]Outcome, keep func(string) bool) []Row {
	var out []Row
	for p := range outcomes[0] {
		r := Row{LeadMinutes: lead.Minutes(), Policy: outcomes[0][p].Policy}
		logs := 0.0
		for _, o := range outcomes {
			if !keep(o[p].Trace) {
				continue
			}
			r.Traces++
			r.ViolationsPerDay += o[p].ViolationsPerDay
			r.ActionsPerDay += o[p].ActionsPerDay
			logs += math.Log(o[p].OverOracle)
		}
		if n := float64(r.Traces); n > 0 {
			r.ViolationsPerDay /= n
			r.ActionsPerDay /= n
			r.OverOracle = math.Exp(logs / n)
			out = append(out, r)
		}
	}
	return out
}

// Write prints the table; as Markdown for the docs, else for a terminal.
func (t Table) Write(w io.Writer, markdown, perTrace bool) {
	write := func(title string, header table.Row, body []table.Row) {
		x := table.NewWriter()
		x.SetStyle(table.StyleLight)
		x.Style().Format.Header = 0
		x.AppendHeader(header)
		x.AppendRows(body)
		fmt.Fprintf(w, "%s\n\n", title)
		if markdown {
			fmt.Fprintf(w, "%s\n\n", x.RenderMarkdown())
			return
		}
		fmt.Fprintf(w, "%s\n\n", x.Render())
	}
	header := table.Row{"lead time", "policy", "violation min a day", "replica-hours over the oracle's", "actions a day"}
	for _, part := range []struct {
		words string
		rows  []Row
	}{{"All %d traces", t.All}, {"The %d traces in which a day, or a week, is like the one before (correlation at least 0.5)", t.Rhythmic}} {
		if len(part.rows) == 0 {
			continue
		}
		var body []table.Row
		for _, r := range part.rows {
			body = append(body, table.Row{minutes(r.LeadMinutes), r.Policy, fmt.Sprintf("%.1f", r.ViolationsPerDay),
				fmt.Sprintf("%.2f×", r.OverOracle), fmt.Sprintf("%.0f", r.ActionsPerDay)})
		}
		write(fmt.Sprintf(part.words, part.rows[0].Traces), header, body)
	}
	if !perTrace {
		return
	}
	var body []table.Row
	for _, o := range t.Outcomes {
		body = append(body, table.Row{minutes(o.LeadMinutes), o.Trace, o.Policy, fmt.Sprintf("%.1f", o.ViolationsPerDay),
			fmt.Sprintf("%.2f×", o.OverOracle), fmt.Sprintf("%.0f", o.ActionsPerDay)})
	}
	write("By trace", table.Row{"lead time", "trace", "policy", "violation min a day", "over the oracle's", "actions a day"}, body)
}

func minutes(m float64) string { return fmt.Sprintf("%g min", m) }
