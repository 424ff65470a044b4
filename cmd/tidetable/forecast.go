package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
)

// seriesFlags are what forecast and backtest ask alike.
type seriesFlags struct {
	input     string
	columns   []string
	horizon   time.Duration
	quantiles []float64
	events    string
	calendar  *forecast.Calendar
}

func (f *seriesFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.input, "input", "", "trace as CSV: timestamp and one column a series (- for stdin; .gz and .zst are read as they are)")
	fl.StringSliceVar(&f.columns, "column", nil, "columns to forecast (default: all)")
	fl.DurationVar(&f.horizon, "horizon", 24*time.Hour, "how far ahead")
	fl.Float64SliceVar(&f.quantiles, "quantiles", []float64{0.05, 0.5, 0.95}, "quantiles to give")
	fl.StringVar(&f.events, "events", "", "YAML file of holidays and events (docs/formats/events.md)")
	_ = cmd.MarkFlagRequired("input")
}

func (f *seriesFlags) engineOptions() forecast.Options {
	return forecast.Options{MaxAhead: f.horizon, Events: f.calendar}
}

// read checks the flags and reads the wanted columns of the trace.
func (f *seriesFlags) read(cmd *cobra.Command) ([]metrics.Series, error) {
	if f.horizon <= 0 {
		return nil, fmt.Errorf("checking flags: --horizon is %v, want a positive duration such as 24h", f.horizon)
	}
	for _, q := range f.quantiles {
		if !(q > 0 && q < 1) {
			return nil, fmt.Errorf("checking flags: --quantiles has %v, want numbers between 0 and 1 such as 0.05,0.5,0.95", q)
		}
	}
	f.quantiles = withQuantile(f.quantiles)
	if f.events != "" {
		var err error
		if f.calendar, err = readEvents(f.events, cmd.InOrStdin()); err != nil {
			return nil, err
		}
	}
	r, err := files.Open(f.input, cmd.InOrStdin(), 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	t, err := archive.ReadTrace(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.input, err)
	}
	if f.horizon < t.Step {
		return nil, fmt.Errorf("checking flags: --horizon %v is less than the trace's step of %v", f.horizon, t.Step)
	}
	if len(f.columns) == 0 {
		return t.Series, noCounters(f.input, t.Series)
	}
	var out []metrics.Series
	for _, name := range f.columns {
		s, ok := t.Column(name)
		if !ok {
			var have []string
			for _, s := range t.Series {
				have = append(have, s.Labels["column"])
			}
			return nil, fmt.Errorf("%s: there is no column %q, only %q", f.input, name, have)
		}
		out = append(out, s)
	}
	return out, noCounters(f.input, out)
}

// noCounters refuses what only ever grows: what is to be forecast is its rate.
func noCounters(input string, series []metrics.Series) error {
	for _, s := range series {
		if name := s.Labels["column"]; s.LooksLikeCounter(name) {
			return fmt.Errorf(
				"%s: column %q is a counter and not a load; give its rate, such as rate(...[5m]) instead of the counter",
				input,
				name,
			)
		}
	}
	return nil
}

func newForecastCmd() *cobra.Command {
	var in seriesFlags
	cmd := &cobra.Command{
		Use:   "forecast",
		Short: "forecast a trace with calibrated quantiles",
		Long: "forecast reads a trace and says what comes after its last row, at every step up to\n" +
			"the horizon, as quantiles calibrated on the forecaster's own past errors. Of a trace\n" +
			"with several columns the table shows each one's peak, and json holds all of them.",
		Example: "  tidetable forecast --input trace.csv --horizon 24h\n" +
			"  tidetable forecast --input trace.csv --column orders --horizon 6h --quantiles 0.5,0.95 --output json\n" +
			"  tidetable forecast --input trace.csv --events events.yaml --explain\n" +
			"  tidetable forecast --input trace.csv --output html > forecast.html",
		Args: cobra.NoArgs,
	}
	in.register(cmd)
	explain := cmd.Flags().
		Bool("explain", false, "say why: seasons found, models tried and how they did, events ahead, how often the band was right")
	out := outputFlag(cmd, "table", "json", "html")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		series, err := in.read(cmd)
		if err != nil {
			return err
		}
		horizon := forecast.Horizon{Ahead: in.horizon, Quantiles: in.quantiles}
		if len(series) > 1 {
			if *explain || *out == "html" {
				return fmt.Errorf(
					"checking flags: --explain and --output html are for one column, and %s has %d; name one with --column",
					in.input,
					len(series),
				)
			}
			bar := progressBar(cmd.ErrOrStderr(), len(series), "forecasting")
			all, err := forecastColumns(cmd.Context(), series, in.engineOptions(), horizon, bar)
			if err != nil {
				return fmt.Errorf("%s: forecasting: %w", in.input, err)
			}
			if *out == "json" {
				return writeJSON(cmd.OutOrStdout(), forecastColumnsJSON(all))
			}
			return writeColumnsTable(cmd.OutOrStdout(), all)
		}
		p, why, err := forecast.New(in.engineOptions()).Explain(cmd.Context(), series[0], horizon)
		if err != nil {
			return fmt.Errorf("%s: forecasting: %w", in.input, err)
		}
		switch *out {
		case "html":
			return forecastPage(series[0].Labels["column"], series[0], p, why).Write(cmd.OutOrStdout())
		case "json":
			j := forecastJSON(p)
			if *explain {
				j.Explanation = explainJSON(why)
			}
			return writeJSON(cmd.OutOrStdout(), j)
		}
		if *explain {
			return writeExplanation(cmd, why)
		}
		return writeForecastTable(cmd, p)
	}
	return cmd
}

type pointJSON struct {
	Time      time.Time          `json:"time"`
	Quantiles map[string]float64 `json:"quantiles"`
}

type predictionJSON struct {
	Step    string      `json:"step"`
	Seconds float64     `json:"stepSeconds"`
	Origin  time.Time   `json:"origin"`
	Model   string      `json:"model"`
	Trusted bool        `json:"trusted"`
	Why     string      `json:"why,omitempty"`
	Points  []pointJSON `json:"points"`

	Explanation *explanationJSON `json:"explanation,omitempty"`
}

func forecastJSON(p forecast.Prediction) predictionJSON {
	out := predictionJSON{
		Step:    p.Step.String(),
		Seconds: p.Step.Seconds(),
		Origin:  p.Origin,
		Model:   p.Model,
		Trusted: p.Trusted,
		Why:     p.Why,
	}
	for _, pt := range p.Points {
		qs := map[string]float64{}
		for i, q := range p.Quantiles {
			qs[strconv.FormatFloat(q, 'g', -1, 64)] = pt.Values[i]
		}
		out.Points = append(out.Points, pointJSON{pt.Time, qs})
	}
	return out
}

func writeForecastTable(cmd *cobra.Command, p forecast.Prediction) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	head := table.Row{"time"}
	for _, q := range p.Quantiles {
		head = append(head, strconv.FormatFloat(q, 'g', -1, 64))
	}
	t.AppendHeader(head)
	for _, pt := range p.Points {
		row := table.Row{pt.Time.UTC().Format(time.RFC3339)}
		for _, v := range pt.Values {
			row = append(row, strconv.FormatFloat(v, 'g', 6, 64))
		}
		t.AppendRow(row)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), t.Render())
	if err == nil && !p.Trusted {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), p.Why)
	}
	return err
}

func writeExplanation(cmd *cobra.Command, x forecast.Explanation) error {
	w := cmd.OutOrStdout()
	for _, line := range x.Words() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"model", "mean absolute error", "weight"})
	for _, m := range x.Models {
		t.AppendRow(table.Row{m.Name, strconv.FormatFloat(m.Error, 'g', 4, 64), percent(m.Weight)})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}
