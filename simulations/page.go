package simulations

import (
	"fmt"
	"html"
	"math"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/report"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/world"
)

// Page is the comparison as a self-contained page.
func (r Result) Page() report.Page {
	p := report.Page{
		Title: "What if: " + r.Scenario,
		Subtitle: fmt.Sprintf("%.4g days from %s · seed %d · every policy in a world of its own, against an oracle that knows the future",
			r.Hours/24, r.Start.Format("2 January 2006 15:04 MST"), r.Seed),
		Facts:   r.facts(),
		Summary: []report.Table{r.comparisonTable()},
		Notes: []string{
			"Broker hours and replica hours count pods from the moment they are asked for. An SLO violation minute is one in which " +
				"a group's lag is over its bound, the worst broker's produce p99 is over the objective, or a partition cannot be written. " +
				"An overload minute is one in which some broker is asked for more than it can carry.",
			"The oracle is the least that anybody could pay who knew the demand and keeps the promise in every minute; nobody can reach it. " +
				"It has no faults, no lag and no latency to show.",
		},
	}
	if len(r.Runs) == 0 {
		return p
	}
	p.Charts = append(p.Charts, r.loadChart(), r.brokerChart(), r.replicaChart(), r.lagChart(), r.p99Chart(), r.costChart())
	if main := r.main(); main != nil {
		p.Charts = append(p.Charts, heatChart(*main), movingChart(*main))
		p.Tables = append(p.Tables, actionTable(*main))
	}
	return p
}

// main is the run that the page shows in detail: tidetable's, else the first.
func (r Result) main() *Run {
	for i := range r.Runs {
		if r.Runs[i].Policy == policies.TidetableName {
			return &r.Runs[i]
		}
	}
	return &r.Runs[0]
}

func (r Result) facts() []report.Fact {
	var out []report.Fact
	for _, p := range r.Policies {
		if p.Policy != policies.TidetableName && p.Policy != policies.OracleName && p.Policy != policies.ReactiveName {
			continue
		}
		detail := fmt.Sprintf("%.0f broker h, %.0f replica h, %d actions", p.BrokerHours, p.ReplicaHours, p.ScaleActions)
		out = append(out, report.Fact{Name: p.Policy + ": SLO violation minutes", Value: fmt.Sprintf("%.0f", p.SLOViolationMinutes),
			Detail: detail})
	}
	return out
}

func (r Result) comparisonTable() report.Table {
	t := report.Table{
		Title: "Policies compared",
		Columns: []string{"Policy", "Broker hours", "Replica hours", "Cost over oracle", "SLO violation minutes", "Overload minutes",
			"Scale actions", "Bytes moved", "Cost " + r.Currency},
		Numeric: []int{1, 2, 3, 4, 5, 6, 7, 8},
	}
	for _, p := range r.Policies {
		over := "–"
		if v, ok := p.OverOracle["cost"]; ok {
			over = fmt.Sprintf("%.2f×", v)
		}
		t.Rows = append(t.Rows, []string{
			p.Policy, fmt.Sprintf("%.0f", p.BrokerHours), fmt.Sprintf("%.0f", p.ReplicaHours),
			over, fmt.Sprintf("%.0f", p.SLOViolationMinutes),
			fmt.Sprintf(
				"%.0f",
				p.OverloadMinutes,
			), fmt.Sprint(p.ScaleActions), cluster.Bytes(p.BytesMoved).String(), fmt.Sprintf("%.0f", p.Cost),
		})
	}
	return t
}

// lines is a chart of one series a run over time. Decisions of the kind, where
// one is given, are dots on it.
func (r Result) lines(title, description, axis, formatter string, of func(Series) []float64, kind decision.ProposalKind) report.Chart {
	var series []any
	var names []string
	for _, x := range r.Runs {
		names = append(names, x.Policy)
		s := map[string]any{"name": x.Policy, "type": "line", "showSymbol": false, "data": points(x.Series, of(x.Series)),
			"lineStyle": lineOf(x.Policy)}
		if c, ok := colours[x.Policy]; ok {
			s["itemStyle"] = map[string]any{"color": c}
		}
		if x.Policy == policies.TidetableName || x.Policy == policies.OracleName {
			s["z"] = 5
		}
		if kind != "" {
			s["step"] = "end"
			if dots := dots(x, kind, of(x.Series)); dots != nil {
				s["markPoint"] = dots
			}
		}
		series = append(series, s)
	}
	return report.Chart{Title: title, Description: description, Option: map[string]any{
		"tooltip": map[string]any{"trigger": "axis"},
		"legend":  map[string]any{"data": names, "top": 0, "type": "scroll"},
		"grid":    map[string]any{"left": 70, "right": 20, "top": 50, "bottom": 70},
		"xAxis":   timeAxis,
		"yAxis":   map[string]any{"type": "value", "name": axis, "axisLabel": map[string]any{"formatter": formatter}},
		"dataZoom": []any{
			map[string]any{"type": "inside"}, map[string]any{"type": "slider", "bottom": 10, "height": 20},
		},
		"series": series,
	}}
}

// timeAxis leaves labels out where they would lie on one another.
var timeAxis = map[string]any{"type": "time", "axisLabel": map[string]any{"hideOverlap": true}}

// colours are the same for a policy on every chart, and are told apart by those
// who do not see red and green (Okabe and Ito's palette).
var colours = map[string]string{
	policies.TidetableName: "#009e73", policies.OracleName: "#7f8c9b", policies.ReactiveName: "#e69f00",
	policies.StaticName: "#56b4e9", policies.HPAName: "#cc79a7", policies.KEDAName: "#d55e00",
	policies.KEDARateName: "#0072b2", policies.KEDACronName: "#f0e442",
}

const loadColour = "#8a94a3"

func lineOf(policy string) map[string]any {
	switch policy {
	case policies.TidetableName:
		return map[string]any{"width": 2.5}
	case policies.OracleName:
		return map[string]any{"width": 2, "type": "dashed"}
	default:
		return map[string]any{"width": 1.2, "opacity": 0.75}
	}
}

// dots are the points of a run at which it decided to change a size; the page
// tells the reason of the one that is clicked.
func dots(x Run, kind decision.ProposalKind, curve []float64) map[string]any {
	const most = 400
	var data []any
	for _, d := range x.Decisions {
		for _, a := range d.Actions {
			p := d.Proposals[a.Proposal]
			if p.Kind != kind || len(data) == most {
				continue
			}
			y := float64(p.To)
			if kind == decision.ScaleConsumers { // the curve is of all groups
				y = curve[min(max(int(d.Time.Sub(x.Series.Start)/x.Series.Step), 0), len(curve)-1)]
			}
			what := fmt.Sprintf("%s · %s: %d → %d", d.Time.Format("2 Jan 15:04"), subject(p), p.From, p.To)
			data = append(data, map[string]any{
				"name": what, "coord": []any{d.Time.UnixMilli(), y}, "value": p.To, "reason": what + ". " + p.Why,
				"tooltip": map[string]any{"formatter": html.EscapeString(what)},
			})
		}
	}
	if data == nil {
		return nil
	}
	size := 9
	if len(data) > 60 {
		size = 6
	}
	return map[string]any{"symbol": "circle", "symbolSize": size, "data": data, "label": map[string]any{"show": false},
		"tooltip": map[string]any{"trigger": "item"}}
}

// subject is what a proposal sizes, as the world's actions name it.
func subject(p decision.Proposal) string {
	if p.Kind == decision.ScaleConsumers {
		return p.Group
	}
	return "brokers"
}

func points(s Series, v []float64) [][2]float64 {
	out := make([][2]float64, len(v))
	for i, x := range v {
		out[i] = [2]float64{float64(s.Start.Add(time.Duration(i+1) * s.Step).UnixMilli()), round(x)}
	}
	return out
}

// round keeps six digits: enough for a chart, and a page half the size.
func round(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

func (r Result) loadChart() report.Chart {
	c := r.lines("Load and how full the fullest broker is",
		"What producers send, and the utilisation of each policy's fullest broker over time.", "utilisation", "fn:percent",
		func(s Series) []float64 { return s.Utilisation }, "")
	first := r.Runs[0]
	series := c.Option["series"].([]any)
	series = append(series, map[string]any{
		"name": "load", "type": "line", "yAxisIndex": 1, "showSymbol": false, "data": points(first.Series, first.Series.Load),
		"areaStyle": map[string]any{"opacity": 0.15}, "lineStyle": map[string]any{"width": 0.5},
		"itemStyle": map[string]any{"color": loadColour}, "z": 1,
	})
	c.Option["series"] = series
	c.Option["yAxis"] = []any{c.Option["yAxis"], map[string]any{"type": "value", "name": "load",
		"axisLabel": map[string]any{"formatter": "fn:bytesPerSecond"}, "splitLine": map[string]any{"show": false}}}
	c.Option["grid"] = map[string]any{"left": 70, "right": 90, "top": 50, "bottom": 70}
	c.Option["legend"] = map[string]any{"top": 0, "type": "scroll"}
	return c
}

func (r Result) brokerChart() report.Chart {
	return r.lines("Brokers",
		"The number of brokers over time, beside the oracle's; a dot is a decision of tidetable: click it for the reason.",
		"brokers", "fn:number", func(s Series) []float64 { return s.Brokers }, decision.ScaleBrokers)
}

func (r Result) replicaChart() report.Chart {
	return r.lines("Consumer replicas",
		"The number of consumer replicas of all groups over time; a dot is a decision of tidetable: click it for the reason.",
		"replicas", "fn:number", func(s Series) []float64 { return s.Replicas }, decision.ScaleConsumers)
}

func (r Result) lagChart() report.Chart {
	return r.lines("Lag of the worst group", "How old the oldest unread record is, in seconds.", "lag", "fn:seconds",
		func(s Series) []float64 { return s.LagSeconds }, "")
}

func (r Result) p99Chart() report.Chart {
	return r.lines("Produce latency, 99th percentile", "Of the worst broker, as the queue at its fullest resource gives it.", "p99",
		"fn:seconds", func(s Series) []float64 { return s.P99 }, "")
}

func (r Result) costChart() report.Chart {
	var names []string
	var values, violations []float64
	for _, p := range r.Policies {
		names = append(names, p.Policy)
		values = append(values, round(p.Cost))
		violations = append(violations, round(p.SLOViolationMinutes))
	}
	return report.Chart{Title: "Cost and violations", Description: "What each policy costs, and for how many minutes it broke a promise.",
		Height: 300, Option: map[string]any{
			"tooltip": map[string]any{"trigger": "axis"},
			"legend":  map[string]any{"top": 0},
			"grid":    map[string]any{"left": 70, "right": 80, "top": 40, "bottom": 30},
			"xAxis":   map[string]any{"type": "category", "data": names},
			"yAxis":   []any{map[string]any{"type": "value", "name": r.Currency}, map[string]any{"type": "value", "name": "minutes"}},
			"series": []any{
				map[string]any{"name": "cost", "type": "bar", "data": values, "itemStyle": map[string]any{"color": loadColour}},
				map[string]any{"name": "SLO violation minutes", "type": "bar", "yAxisIndex": 1, "data": violations,
					"itemStyle": map[string]any{"color": colours[policies.KEDAName]}},
			},
		}}
}

// heatChart is every broker's utilisation over time in one run.
func heatChart(x Run) report.Chart {
	const most = 200 // columns
	var data [][3]float64
	var times, names []string
	n := len(x.Series.Load)
	every := max(1, (n+most-1)/most)
	for i := 0; i < n; i += every {
		times = append(times, x.Series.Start.Add(time.Duration(i+1)*x.Series.Step).Format("2 Jan 15:04"))
	}
	for b, row := range x.Series.Heat {
		names = append(names, fmt.Sprintf("broker %d", b))
		for i := 0; i < n; i += every {
			high := -1.0
			for _, v := range row[i:min(i+every, n)] {
				high = max(high, v)
			}
			if high >= 0 {
				data = append(data, [3]float64{float64(i / every), float64(b), math.Round(high*1000) / 1000})
			}
		}
	}
	return report.Chart{Title: "Utilisation of every broker: " + x.Policy,
		Description: "The fullest resource of each broker over time; red is full.", Height: 160 + 18*len(names), Option: map[string]any{
			"tooltip": map[string]any{},
			"grid":    map[string]any{"left": 80, "right": 20, "top": 10, "bottom": 80},
			"xAxis":   map[string]any{"type": "category", "data": times},
			"yAxis":   map[string]any{"type": "category", "data": names},
			"visualMap": map[string]any{"min": 0, "max": 1, "calculable": true, "orient": "horizontal", "left": "center", "bottom": 0,
				"inRange": map[string]any{"color": []string{"#eef6fb", "#7fb8d8", "#f2c14e", "#d1495b"}}},
			"series": []any{map[string]any{"type": "heatmap", "data": data}},
		}}
}

func movingChart(x Run) report.Chart {
	return report.Chart{Title: "Data moved: " + x.Policy, Description: "Bytes per second that reassignments copy.", Height: 260,
		Option: map[string]any{
			"tooltip": map[string]any{"trigger": "axis"},
			"grid":    map[string]any{"left": 90, "right": 20, "top": 20, "bottom": 30},
			"xAxis":   timeAxis,
			"yAxis":   map[string]any{"type": "value", "axisLabel": map[string]any{"formatter": "fn:bytesPerSecond"}},
			"series": []any{map[string]any{"type": "line", "areaStyle": map[string]any{"opacity": 0.4},
				"itemStyle": map[string]any{
					"color": colours[policies.StaticName],
				}, "showSymbol": false, "data": points(x.Series, x.Series.Moving)}},
		}}
}

// actionTable lists every change of size with its reason.
func actionTable(x Run) report.Table {
	const most = 1000
	t := report.Table{Title: "Changes made by " + x.Policy, Columns: []string{"Time", "What", "From", "To", "Why"}, Numeric: []int{2, 3}}
	why := reasons{x.Decisions, map[string]string{}}
	for i, a := range x.Actions {
		if i == most {
			t.Rows = append(t.Rows, []string{"", fmt.Sprintf("and %d more", len(x.Actions)-most), "", "", ""})
			break
		}
		t.Rows = append(t.Rows, []string{a.Time.Format("2006-01-02 15:04"), a.Target, fmt.Sprint(a.From), fmt.Sprint(a.To), why.of(a)})
	}
	return t
}

// reasons finds the decision behind each change, in order: the last one on the
// same subject until then, since a broker leaves long after it was decided.
type reasons struct {
	left []decision.Decision
	last map[string]string // by subject
}

func (r *reasons) of(a world.ActionAt) string {
	for len(r.left) > 0 && !r.left[0].Time.After(a.Time) {
		for _, done := range r.left[0].Actions {
			p := r.left[0].Proposals[done.Proposal]
			r.last[subject(p)] = p.Why
		}
		r.left = r.left[1:]
	}
	if why, ok := r.last[a.Target]; ok {
		return why
	}
	return a.Why
}
