package main

import (
	"fmt"
	"math"

	"github.com/tidetable/tidetable/internal/report"
	"github.com/tidetable/tidetable/rebalance"
)

// planPage is the plan as one page: what it does, and a heat map of brokers and
// resources before and after.
func planPage(p rebalance.Plan) report.Page {
	page := report.Page{
		Title:    "Rebalance plan",
		Subtitle: p.ClusterID,
		Facts: []report.Fact{
			{
				Name:   "Data to move",
				Value:  p.BytesToMove.String(),
				Detail: fmt.Sprintf("in %d replicas; at least %v must move", p.ReplicaMoves, p.LowerBounds.ForcedBytes),
			},
			{Name: "Leaders to move", Value: fmt.Sprint(p.LeaderMoves), Detail: fmt.Sprintf("%d of them without data", p.LeaderOnlyMoves)},
			{
				Name:   "Duration",
				Value:  planDuration(p.DurationSeconds).String(),
				Detail: fmt.Sprintf("at %v a broker", p.ThrottleBytesPerSecond),
			},
			{
				Name:   "Imbalance",
				Value:  fmt.Sprintf("%.1f → %.1f", p.Before.ImbalancePoints, p.After.ImbalancePoints),
				Detail: "points; 0 is perfect",
			},
		},
		Charts: []report.Chart{
			heatMap(p, "Before", func(b rebalance.BrokerChange) map[string]float64 { return b.UsedBefore }),
			heatMap(p, "After", func(b rebalance.BrokerChange) map[string]float64 { return b.UsedAfter }),
		},
		Tables: []report.Table{resourceRows(p)},
		Notes: []string{
			"A cell is a broker's share relative to the average of alive brokers: 1 is even, red is more, blue is less. " +
				"Brokers that must end up empty show what is left on them.",
		},
	}
	if len(p.Frontier) > 1 {
		page.Charts = append(page.Charts, frontierChart(p))
	}
	for _, v := range p.Violations {
		page.Notes = append(page.Notes, fmt.Sprintf("Cannot be met: %s: %s. What would do: %s.", v.Constraint, v.Detail, v.Remedy))
	}
	page.Notes = append(page.Notes, p.Warnings...)
	return page
}

// heatMap shows every broker's load relative to the average, one row a
// resource.
func heatMap(p rebalance.Plan, title string, used func(rebalance.BrokerChange) map[string]float64) report.Chart {
	average := map[string]float64{}
	alive := 0.0
	for _, b := range p.Brokers {
		if b.State == "alive" {
			alive++
			for _, r := range planResources {
				average[r.key] += used(b)[r.key]
			}
		}
	}
	brokers := make([]string, len(p.Brokers))
	rows := make([]string, len(planResources))
	cells := [][3]float64{}
	for x, b := range p.Brokers {
		brokers[x] = fmt.Sprintf("%d (%s)", b.ID, b.Zone)
		for y, r := range planResources {
			rows[y] = r.title
			v := 1.0
			if a := average[r.key] / max(1, alive); a > 0 {
				v = used(b)[r.key] / a
			}
			cells = append(cells, [3]float64{float64(x), float64(y), math.Round(v*1000) / 1000})
		}
	}
	return report.Chart{
		Title: title,
		Description: fmt.Sprintf(
			"Heat map of %d brokers by resource, %s the plan: load relative to the average.",
			len(brokers),
			map[string]string{"Before": "before", "After": "after"}[title],
		),
		Height: 320,
		Option: map[string]any{
			"tooltip":  map[string]any{"position": "top"},
			"grid":     map[string]any{"left": 80, "right": 20, "top": 10, "bottom": 90},
			"xAxis":    map[string]any{"type": "category", "data": brokers, "name": "broker"},
			"yAxis":    map[string]any{"type": "category", "data": rows},
			"dataZoom": []any{map[string]any{"type": "inside"}},
			"visualMap": map[string]any{
				"min":        0,
				"max":        2,
				"calculable": true,
				"orient":     "horizontal",
				"left":       "center",
				"bottom":     5,
				"inRange":    map[string]any{"color": []string{"#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b"}},
			},
			"series": []any{map[string]any{"type": "heatmap", "data": cells, "name": title}},
		},
	}
}

func frontierChart(p rebalance.Plan) report.Chart {
	points := make([][2]float64, len(p.Frontier))
	for i, f := range p.Frontier {
		points[i] = [2]float64{float64(f.Bytes), f.Imbalance}
	}
	return report.Chart{
		Title:       "Balance against bytes",
		Description: "Line of the imbalance left against the bytes moved, for growing budgets.",
		Option: map[string]any{
			"tooltip": map[string]any{"trigger": "axis"},
			"xAxis":   map[string]any{"type": "value", "name": "bytes", "axisLabel": map[string]any{"formatter": "fn:bytes"}},
			"yAxis":   map[string]any{"type": "value", "name": "points"},
			"series":  []any{map[string]any{"type": "line", "data": points, "name": "imbalance"}},
		},
	}
}

func resourceRows(p rebalance.Plan) report.Table {
	t := report.Table{
		Title:   "Resources",
		Columns: []string{"resource", "average", "max before", "max after", "over ideal before", "over ideal after"},
		Numeric: []int{1, 2, 3, 4, 5},
	}
	for _, r := range planResources {
		x, y := p.Before.Resources[r.key], p.After.Resources[r.key]
		cells := []string{
			r.title,
			usedPercent(float64(x.Average)),
			usedPercent(float64(x.Max)),
			usedPercent(float64(y.Max)),
			idealRatio(x.OverIdeal),
			idealRatio(y.OverIdeal),
		}
		if r.count {
			cells[1], cells[2], cells[3] = "", "", ""
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
