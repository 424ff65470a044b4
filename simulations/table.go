package simulations

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/tidetable/tidetable/cluster"
)

// WriteTable prints a comparison for a terminal.
func (r Result) WriteTable(w io.Writer) {
	fmt.Fprintf(w, "%s · %.4g days from %s · seed %d\n", r.Scenario, r.Hours/24, r.Start.Format("2006-01-02 15:04 MST"), r.Seed)
	t := newTable("policy", "broker h", "replica h", "over oracle", "SLO violation min", "overload min", "actions", "moved",
		"cost "+r.Currency)
	for _, p := range r.Policies {
		over := "–"
		if v, ok := p.OverOracle["cost"]; ok {
			over = fmt.Sprintf("%.2f×", v)
		}
		t.AppendRow(table.Row{
			p.Policy, fmt.Sprintf("%.0f", p.BrokerHours), fmt.Sprintf("%.0f", p.ReplicaHours), over,
			fmt.Sprintf("%.0f", p.SLOViolationMinutes), fmt.Sprintf("%.0f", p.OverloadMinutes), p.ScaleActions,
			cluster.Bytes(p.BytesMoved), fmt.Sprintf("%.0f", p.Cost),
		})
	}
	fmt.Fprintln(w, t.Render())
}

func newTable(columns ...string) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options.SeparateColumns = false
	t.Style().Options.DrawBorder = false
	row := table.Row{}
	var configs []table.ColumnConfig
	for i, c := range columns {
		row = append(row, c)
		if i > 0 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(row)
	t.SetColumnConfigs(configs)
	return t
}
