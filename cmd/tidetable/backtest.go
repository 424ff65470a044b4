package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/forecast/backtest"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
)

func newBacktestCmd() *cobra.Command {
	var in seriesFlags
	var o backtest.Options
	var predictions string
	cmd := &cobra.Command{
		Use:   "backtest",
		Short: "score forecasts of a trace against what came, on a rolling origin",
		Long: "backtest forecasts a trace from many origins, each time from what lay before it\n" +
			"and nothing else, and holds what was said against what came: WAPE, MASE, pinball\n" +
			"loss at 0.95 and coverage of the ensemble in use and of every candidate.\n\n" +
			"--predictions writes what was said at each origin as CSV\n" +
			"(column,origin,time,quantile,value).",
		Example: "  tidetable backtest --input trace.csv --horizon 24h\n" +
			"  tidetable backtest --input trace.csv.zst --column value --from 0.7 --every 15m --quantiles 0.5,0.95 --predictions out.csv",
		Args: cobra.NoArgs,
	}
	in.register(cmd)
	f := cmd.Flags()
	f.Float64Var(&o.From, "from", 0.7, "share of the trace before the first origin")
	f.DurationVar(&o.Every, "every", 6*time.Hour, "time from one origin to the next")
	f.StringVar(&predictions, "predictions", "", "write every prediction to this CSV file (- for stdout)")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if predictions == "-" && cmd.Flags().Changed("output") {
			return errors.New("checking flags: --predictions - and --output both want stdout; give --predictions a file")
		}
		if !(o.From > 0 && o.From < 1) {
			return fmt.Errorf("checking flags: --from is %v, want a share between 0 and 1, such as 0.7", o.From)
		}
		if o.Every <= 0 {
			return fmt.Errorf("checking flags: --every is %v, want a positive duration such as 6h", o.Every)
		}
		series, err := in.read(cmd)
		if err != nil {
			return err
		}
		o.Ahead, o.Quantiles, o.Candidates = in.horizon, withQuantile(in.quantiles, 0.5, 0.95), true
		b := &backtester{
			opts:   o,
			asked:  in.quantiles,
			engine: forecast.New(in.engineOptions()),
			bar:    progressBar(cmd.ErrOrStderr(), len(series), "backtesting"),
		}
		results, err := b.writeAll(cmd.Context(), series, predictions, cmd.OutOrStdout())
		if err != nil {
			return err
		}
		for _, w := range b.warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "tidetable: "+w)
		}
		switch {
		case predictions == "-":
			return nil
		case *out == "json":
			return writeJSON(cmd.OutOrStdout(), backtestJSON(series[0].Step, results))
		}
		return writeBacktestTable(cmd.OutOrStdout(), results)
	}
	return cmd
}

// withQuantile is qs with the wanted ones in it, sorted.
func withQuantile(qs []float64, want ...float64) []float64 {
	out := append(slices.Clone(qs), want...)
	slices.Sort(out)
	return slices.Compact(out)
}

// progressBar is shown on a terminal only.
func progressBar(w io.Writer, n int, what string) *progressbar.ProgressBar {
	if !isTerminal(w) {
		return progressbar.DefaultSilent(int64(n))
	}
	return progressbar.NewOptions(n, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
}

type backtester struct {
	opts     backtest.Options
	asked    []float64 // quantiles the predictions file holds
	engine   *forecast.Engine
	bar      *progressbar.ProgressBar
	warnings []string
}

// writeAll backtests every series and writes predictions on the way, columns
// in the trace's order whatever finishes first.
func (b *backtester) writeAll(ctx context.Context, series []metrics.Series, path string, stdout io.Writer) ([]backtest.Result, error) {
	if path == "" {
		return b.runAll(ctx, series, io.Discard)
	}
	var results []backtest.Result
	err := files.WriteAtomic(path, stdout, func(w io.Writer) error {
		_, err := io.WriteString(w, "column,origin,time,quantile,value\n")
		if err != nil {
			return err
		}
		results, err = b.runAll(ctx, series, w)
		return err
	})
	return results, err
}

// runAll backtests in batches of a few series a core, so that what waits to be
// written stays small.
func (b *backtester) runAll(ctx context.Context, series []metrics.Series, w io.Writer) ([]backtest.Result, error) {
	var results []backtest.Result
	cores := runtime.GOMAXPROCS(0)
	for len(series) > 0 {
		batch := series[:min(len(series), 2*cores)]
		series = series[len(batch):]
		out := make([]backtest.Result, len(batch))
		text := make([]bytes.Buffer, len(batch))
		errs := make([]error, len(batch))
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(cores)
		for i, s := range batch {
			g.Go(func() error {
				var emit func(backtest.Forecast) error
				if w != io.Discard {
					emit = newPredictionWriter(&text[i], s.Labels["column"], b.asked).write
				}
				out[i], errs[i] = backtest.Run(gctx, b.engine, s, b.opts, emit)
				_ = b.bar.Add(1)
				if errors.Is(errs[i], forecast.ErrTooShort) {
					return nil
				}
				return errs[i]
			})
		}
		if err := g.Wait(); err != nil {
			return nil, fmt.Errorf("backtesting: %w", err)
		}
		for i := range batch {
			if errs[i] != nil {
				b.warnings = append(b.warnings, fmt.Sprintf("column %q: %v", batch[i].Labels["column"], errs[i]))
				continue
			}
			results = append(results, out[i])
			if _, err := text[i].WriteTo(w); err != nil {
				return nil, fmt.Errorf("writing predictions: %w", err)
			}
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("backtesting: %s", strings.Join(b.warnings, "; "))
	}
	return results, nil
}

// predictionWriter formats predictions; times are formatted once each.
type predictionWriter struct {
	w         *bytes.Buffer
	column    string
	quantiles []float64
	labels    []string
	times     map[time.Time]string
	line      []byte
}

func newPredictionWriter(w *bytes.Buffer, column string, quantiles []float64) *predictionWriter {
	p := &predictionWriter{w: w, column: csvField(column), quantiles: quantiles, times: map[time.Time]string{}}
	for _, q := range quantiles {
		p.labels = append(p.labels, strconv.FormatFloat(q, 'g', -1, 64))
	}
	return p
}

func (p *predictionWriter) write(f backtest.Forecast) error {
	cols := make([]int, len(p.quantiles))
	for i, q := range p.quantiles {
		cols[i] = slices.Index(f.Quantiles, q)
	}
	origin := p.format(f.Origin)
	delete(p.times, f.Origin.Add(-f.Step))
	for _, pt := range f.Points {
		at := p.format(pt.Time)
		for i, c := range cols {
			b := append(p.line[:0], p.column...)
			b = append(append(b, ','), origin...)
			b = append(append(b, ','), at...)
			b = append(append(b, ','), p.labels[i]...)
			b = strconv.AppendFloat(append(b, ','), pt.Values[c], 'g', 9, 64)
			p.line = append(b, '\n')
			p.w.Write(p.line)
		}
	}
	return nil
}

func (p *predictionWriter) format(t time.Time) string {
	s, ok := p.times[t]
	if !ok {
		s = t.UTC().Format(time.RFC3339Nano)
		p.times[t] = s
	}
	return s
}

// csvField quotes a column name where CSV needs it.
func csvField(s string) string {
	if strings.ContainsAny(s, ",\"\r\n") || s != strings.TrimSpace(s) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

func writeBacktestTable(w io.Writer, results []backtest.Result) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"column", "model", "horizon", "points", "WAPE", "MASE", "pinball95/mean", "cover95"})
	for _, r := range results {
		for _, s := range r.Scores {
			t.AppendRow(
				table.Row{
					r.Column,
					s.Model,
					shortDuration(s.Horizon),
					s.Points,
					percent(s.WAPE),
					number(s.MASE),
					percent(s.Pinball95),
					percent(s.Coverage95),
				},
			)
		}
		t.AppendSeparator()
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

func percent(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*v)
}

func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return fmt.Sprintf("%.3f", v)
}

// shortDuration is 24h rather than 24h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" {
		return "0s"
	}
	return s
}

type scoreJSON struct {
	Model      string   `json:"model"`
	Horizon    float64  `json:"horizonSeconds"`
	Points     int      `json:"points"`
	WAPE       *float64 `json:"wape"`
	MASE       *float64 `json:"mase"`
	Pinball95  *float64 `json:"pinball95OverMean"`
	Coverage95 *float64 `json:"coverage95"`
}

type backtestColumnJSON struct {
	Column  string      `json:"column"`
	Origins int         `json:"origins"`
	Skipped int         `json:"skippedOrigins"`
	Scores  []scoreJSON `json:"scores"`
}

type backtestsJSON struct {
	Step    float64              `json:"stepSeconds"`
	Columns []backtestColumnJSON `json:"columns"`
}

func backtestJSON(step time.Duration, results []backtest.Result) backtestsJSON {
	out := backtestsJSON{Step: step.Seconds(), Columns: []backtestColumnJSON{}}
	for _, r := range results {
		c := backtestColumnJSON{Column: r.Column, Origins: r.Origins, Skipped: r.Skipped, Scores: []scoreJSON{}}
		for _, s := range r.Scores {
			c.Scores = append(c.Scores, scoreJSON{Model: s.Model, Horizon: s.Horizon.Seconds(), Points: s.Points,
				WAPE: finite(s.WAPE), MASE: finite(s.MASE), Pinball95: finite(s.Pinball95), Coverage95: finite(s.Coverage95)})
		}
		out.Columns = append(out.Columns, c)
	}
	return out
}

// finite is v for JSON, which knows no NaN: null.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
