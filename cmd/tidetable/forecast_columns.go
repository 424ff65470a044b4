package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

// columnForecast is what came of one column of a trace: a prediction, or why
// there is none.
type columnForecast struct {
	series     metrics.Series
	prediction forecast.Prediction
	err        error // ErrTooShort only; anything else ends the run
}

// forecastColumns forecasts every series, as many at a time as there are cores;
// the answer is in the order of the series.
func forecastColumns(
	ctx context.Context,
	series []metrics.Series,
	o forecast.Options,
	h forecast.Horizon,
	bar *progressbar.ProgressBar,
) ([]columnForecast, error) {
	out := make([]columnForecast, len(series))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range series {
		g.Go(func() error {
			// An engine of its own for each: nothing is kept of a column once it is done.
			p, err := forecast.New(o).Forecast(ctx, s, h)
			_ = bar.Add(1)
			out[i] = columnForecast{series: s, prediction: p, err: err}
			if err != nil && !errors.Is(err, forecast.ErrTooShort) {
				return fmt.Errorf("column %q: %w", s.Labels["column"], err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, c := range out {
		if c.err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("all %d columns: %w", len(out), forecast.ErrTooShort)
}

type columnJSON struct {
	Column string `json:"column"`
	Error  string `json:"error,omitempty"`
	*predictionJSON
}

// columnsJSON is the answer for several columns: that for one, under "series",
// once for each.
type columnsJSON struct {
	Series []columnJSON `json:"series"`
}

func forecastColumnsJSON(all []columnForecast) columnsJSON {
	out := columnsJSON{Series: make([]columnJSON, len(all))}
	for i, c := range all {
		j := columnJSON{Column: c.series.Labels["column"]}
		if c.err != nil {
			j.Error = c.err.Error()
		} else {
			p := forecastJSON(c.prediction)
			j.predictionJSON = &p
		}
		out.Series[i] = j
	}
	return out
}

// writeColumnsTable gives each column a row: its last value, and its highest
// quantiles within the horizon.
func writeColumnsTable(w io.Writer, all []columnForecast) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	head := table.Row{"column", "last"}
	for _, c := range all {
		if c.err == nil {
			for _, q := range c.prediction.Quantiles {
				head = append(head, "peak of "+strconv.FormatFloat(q, 'g', -1, 64))
			}
			break
		}
	}
	quantiles := len(head) - 2
	t.AppendHeader(append(head, "at", "trusted"))
	for _, c := range all {
		last, _ := c.series.Last()
		row := table.Row{c.series.Labels["column"], strconv.FormatFloat(last, 'g', 6, 64)}
		if c.err != nil {
			for range quantiles + 1 {
				row = append(row, "-")
			}
			t.AppendRow(append(row, c.err.Error()))
			continue
		}
		peaks, at := peaksOf(c.prediction)
		for _, v := range peaks {
			row = append(row, strconv.FormatFloat(v, 'g', 6, 64))
		}
		t.AppendRow(append(row, at.UTC().Format(time.RFC3339), trustWord(c.prediction)))
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// peaksOf is the highest value of each quantile, and when the last one has its.
func peaksOf(p forecast.Prediction) (peaks []float64, at time.Time) {
	peaks = make([]float64, len(p.Quantiles))
	for k, pt := range p.Points {
		for i, v := range pt.Values {
			if k == 0 || v > peaks[i] {
				peaks[i] = v
				if i == len(peaks)-1 {
					at = pt.Time
				}
			}
		}
	}
	return peaks, at
}

func trustWord(p forecast.Prediction) string {
	if p.Trusted {
		return "yes"
	}
	return "no: " + p.Why
}
