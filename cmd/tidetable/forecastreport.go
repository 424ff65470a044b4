package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/report"
	"github.com/tidetable/tidetable/metrics"
)

// forecastPage is the history, the forecast and its band on one page.
func forecastPage(name string, s metrics.Series, p forecast.Prediction, x forecast.Explanation) report.Page {
	mid := 0
	for i, q := range p.Quantiles {
		if math.Abs(q-0.5) < math.Abs(p.Quantiles[mid]-0.5) {
			mid = i
		}
	}
	top := len(p.Quantiles) - 1
	peak, at := 0.0, p.Origin
	for _, pt := range p.Points {
		if pt.Values[top] > peak {
			peak, at = pt.Values[top], pt.Time
		}
	}
	trusted := "trusted"
	if !p.Trusted {
		trusted = "switched off"
	}
	page := report.Page{
		Title:    "Forecast of " + name,
		Subtitle: fmt.Sprintf("from %s, every %v", p.Origin.UTC().Format(time.RFC3339), p.Step),
		Facts: []report.Fact{
			{
				Name:   fmt.Sprintf("highest %v quantile", p.Quantiles[top]),
				Value:  strconv.FormatFloat(peak, 'g', 4, 64),
				Detail: at.UTC().Format(time.RFC3339),
			},
			{Name: "outcomes at or under 0.95", Value: percent(x.CoverageHigh), Detail: fmt.Sprintf("of the last %d judged", x.Outcomes)},
			{Name: "predictive part", Value: trusted, Detail: p.Why},
		},
		Charts: []report.Chart{forecastChart(s, p, mid, top)},
		Notes:  x.Words(),
	}
	t := report.Table{
		Title:   fmt.Sprintf("Candidates at %v ahead", x.Horizon),
		Columns: []string{"model", "mean absolute error", "weight"},
		Numeric: []int{1, 2},
	}
	for _, m := range x.Models {
		t.Rows = append(t.Rows, []string{m.Name, strconv.FormatFloat(m.Error, 'g', 4, 64), percent(m.Weight)})
	}
	page.Tables = append(page.Tables, t)
	return page
}

// forecastChart draws the last week or so and what follows. The band is two
// stacked areas, the lower one invisible.
func forecastChart(s metrics.Series, p forecast.Prediction, mid, top int) report.Chart {
	from := max(0, len(s.Values)-max(7*int(24*time.Hour/s.Step), 4*len(p.Points)))
	var past, median, low, band [][]any
	for i := from; i < len(s.Values); i++ {
		var v any
		if !math.IsNaN(s.Values[i]) {
			v = s.Values[i]
		}
		past = append(past, []any{s.TimeAt(i).UnixMilli(), v})
	}
	for _, pt := range p.Points {
		t := pt.Time.UnixMilli()
		median = append(median, []any{t, pt.Values[mid]})
		low = append(low, []any{t, pt.Values[0]})
		band = append(band, []any{t, pt.Values[top] - pt.Values[0]})
	}
	quantile := func(i int) string { return strconv.FormatFloat(p.Quantiles[i], 'g', -1, 64) }
	line := func(name string, data [][]any, more map[string]any) map[string]any {
		m := map[string]any{"name": name, "type": "line", "showSymbol": false, "data": data}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	hidden := map[string]any{"opacity": 0}
	return report.Chart{
		Title: "History, forecast and band",
		Description: fmt.Sprintf(
			"The load of the past and its forecast for %v with the band between the %s and %s quantiles.",
			time.Duration(len(p.Points))*p.Step,
			quantile(0),
			quantile(top),
		),
		Height: 420,
		Option: map[string]any{
			"tooltip": map[string]any{
				"trigger": "axis",
			}, "legend": map[string]any{}, "dataZoom": []any{map[string]any{"type": "slider"}, map[string]any{"type": "inside"}},
			"xAxis": map[string]any{"type": "time"}, "yAxis": map[string]any{"type": "value", "scale": true},
			"series": []any{
				line("measured", past, nil),
				line("forecast "+quantile(mid), median, nil),
				line("lower edge "+quantile(0), low, map[string]any{"stack": "band", "lineStyle": hidden}),
				line(
					"band up to "+quantile(top),
					band,
					map[string]any{"stack": "band", "lineStyle": hidden, "areaStyle": map[string]any{"opacity": 0.25}},
				),
			},
		},
	}
}

type explanationJSON struct {
	forecast.Explanation
	SeasonSeconds  []seasonJSON `json:"seasons"`
	HorizonSeconds float64      `json:"horizonSeconds"`
	Words          []string     `json:"words"`
}

type seasonJSON struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

func explainJSON(x forecast.Explanation) *explanationJSON {
	out := &explanationJSON{Explanation: x, HorizonSeconds: x.Horizon.Seconds(), Words: x.Words(), SeasonSeconds: []seasonJSON{}}
	for _, s := range x.Seasons {
		out.SeasonSeconds = append(out.SeasonSeconds, seasonJSON{s.Name, s.Length.Seconds()})
	}
	return out
}
