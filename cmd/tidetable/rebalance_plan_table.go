package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// planResources are a plan's resources in the order in which people read them.
var planResources = []struct {
	key, title string
	count      bool
}{
	{
		string(cluster.Disk),
		"disk",
		false,
	}, {string(cluster.CPU), "cpu", false}, {string(cluster.NetworkIn), "net in", false}, {string(cluster.NetworkOut), "net out", false},
	{"replicas", "replicas", true}, {"leaders", "leaders", true},
}

// maxBrokersShown keeps a table readable; json and html list every broker.
const maxBrokersShown = 60

func planTable(w io.Writer, p rebalance.Plan) error {
	var b strings.Builder
	planSummary(&b, p)
	b.WriteString("\n" + resourceTable(p) + "\n\n" + brokerTable(p) + "\n")
	if len(p.Frontier) > 1 {
		b.WriteString("\n" + frontierTable(p) + "\n")
	}
	if l := p.Locality; l != nil {
		fmt.Fprintf(
			&b,
			"\nConsumers in one zone read %v; %v of it crossed zones and %v still does. The %v saved are worth %.2f in 30 days.\n",
			l.BytesPerSecond,
			l.CrossingBefore,
			l.CrossingAfter,
			l.SavedBytesPerSecond,
			l.SavedCostPer30Days,
		)
	}
	for _, a := range p.PartitionAdvice {
		fmt.Fprintf(
			&b,
			"\n%s has %d partitions and needs %d: %s. Mind: %s.\n",
			a.Topic,
			a.Partitions,
			a.Wanted,
			strings.Join(a.Why, "; "),
			a.Breaks,
		)
	}
	for _, v := range p.Violations {
		fmt.Fprintf(&b, "\ncannot be met: %s: %s\n", v.Constraint, v.Detail)
		if len(v.Partitions) > 0 {
			fmt.Fprintf(&b, "  such as %s\n", strings.Join(v.Partitions, ", "))
		}
		if v.Remedy != "" {
			fmt.Fprintf(&b, "  what would do: %s\n", v.Remedy)
		}
	}
	for _, x := range p.Warnings {
		fmt.Fprintf(&b, "\nmind: %s\n", x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func planSummary(b *strings.Builder, p rebalance.Plan) {
	if len(p.Moves) == 0 {
		fmt.Fprintf(b, "Nothing to move: no plan gains enough for its bytes.\n")
	} else {
		fmt.Fprintf(b, "Move %v in %d replicas, and %d leaders; %v at %v a broker.\n", p.BytesToMove, p.ReplicaMoves, p.LeaderMoves,
			planDuration(p.DurationSeconds), p.ThrottleBytesPerSecond)
	}
	if p.PreferredElections > 0 {
		fmt.Fprintf(b, "%d leaders only need the election of the preferred replica.\n", p.PreferredElections)
	}
	l := p.LowerBounds
	fmt.Fprintf(
		b,
		"No plan can move less than %v (evacuation %v, zone repair %v), nor bring every broker's disk and\n"+
			"network in within %v of its ideal with less than %v.\n",
		l.ForcedBytes,
		l.EvacuationBytes,
		l.ZoneRepairBytes,
		l.Band,
		l.Bytes,
	)
}

func planDuration(seconds float64) time.Duration {
	if seconds > math.MaxInt64/2e9 {
		return time.Duration(math.MaxInt64)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second)
}

func resourceTable(p rebalance.Plan) string {
	t := newPlanTable()
	t.AppendHeader(table.Row{"", "average", "max before", "max after", "over ideal before", "after", "under ideal before", "after"})
	for _, r := range planResources {
		x, y := p.Before.Resources[r.key], p.After.Resources[r.key]
		row := table.Row{r.title, usedPercent(float64(x.Average)), usedPercent(float64(x.Max)), usedPercent(float64(y.Max))}
		if r.count { // per core: the figure itself says little
			row = table.Row{r.title, "", "", ""}
		}
		t.AppendRow(append(row, idealRatio(x.OverIdeal), idealRatio(y.OverIdeal), idealRatio(x.UnderIdeal), idealRatio(y.UnderIdeal)))
	}
	t.AppendFooter(
		table.Row{
			"imbalance, points",
			"",
			"",
			"",
			fmt.Sprintf("%.1f", p.Before.ImbalancePoints),
			fmt.Sprintf("%.1f", p.After.ImbalancePoints),
		},
	)
	return t.Render()
}

// brokerTable shows what people compare: disk and the busiest of the others,
// before and after, as bars.
func brokerTable(p rebalance.Plan) string {
	t := newPlanTable()
	t.AppendHeader(
		table.Row{
			"broker",
			"zone",
			"disk before",
			"disk after",
			"cpu before",
			"cpu after",
			"net out before",
			"net out after",
			"replicas",
			"leaders",
			"receives",
			"sends",
		},
	)
	for n, b := range p.Brokers {
		if n == maxBrokersShown {
			t.AppendFooter(table.Row{"…", fmt.Sprintf("%d more", len(p.Brokers)-n), "see json or html"})
			break
		}
		name := fmt.Sprint(b.ID)
		if b.State != "alive" {
			name += " " + b.State
		}
		row := table.Row{name, b.Zone}
		for _, r := range []cluster.Resource{cluster.Disk, cluster.CPU, cluster.NetworkOut} {
			row = append(row, used(b.UsedBefore, r), used(b.UsedAfter, r))
		}
		for _, counted := range []string{"replicas", "leaders"} {
			row = append(row, fmt.Sprintf("%.0f → %.0f", b.UsedBefore[counted], b.UsedAfter[counted]))
		}
		t.AppendRow(append(row, b.BytesIn, b.BytesOut))
	}
	return t.Render()
}

func frontierTable(p rebalance.Plan) string {
	t := newPlanTable()
	t.AppendHeader(table.Row{"bytes moved", "imbalance left, points"})
	for _, f := range p.Frontier {
		t.AppendRow(table.Row{f.Bytes, fmt.Sprintf("%.2f", f.Imbalance)})
	}
	return t.Render()
}

func newPlanTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header, style.Format.Footer = text.FormatDefault, text.FormatDefault
	t.SetStyle(style)
	return t
}

// used is a bar, or that it is not known of how much.
func used(of map[string]float64, r cluster.Resource) string {
	u, known := of[string(r)]
	if !known {
		return "unknown"
	}
	return bar(u)
}

// bar draws a utilisation in eighths of a block, ten blocks being 100 %.
func bar(u float64) string {
	const blocks = 10
	eighths := int(math.Round(min(1, max(0, u)) * blocks * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	for n := len([]rune(s)); n < blocks; n++ {
		s += "·"
	}
	return s + fmt.Sprintf(" %3.0f %%", 100*u)
}

func usedPercent(u float64) string { return fmt.Sprintf("%.1f %%", 100*u) }

func idealRatio(x float64) string { return fmt.Sprintf("%.3f", x) }
