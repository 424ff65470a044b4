package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// growthUntil turns growth a year into growth until the horizon.
func growthUntil(perYear float64, horizon time.Duration) float64 {
	return math.Pow(1+perYear, horizon.Hours()/24/365.25) - 1
}

func printOutlook(w io.Writer, o outlook.Outlook) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	span := policy.Duration(time.Duration(o.HorizonSeconds) * time.Second)
	line(
		"%d brokers now, %d needed now, %d needed in %s; bound by %s",
		o.BrokersNow,
		o.BrokersNeededNow,
		o.Requirement.Brokers,
		span,
		o.BindingConstraint,
	)
	line("%s", runsOutWords(o))
	line("lead time of one more broker: %s", policy.Duration(time.Duration(o.LeadTimeSeconds)*time.Second))
	if t := o.Trend; t != nil {
		line(
			"trend: %+.1f %% a month on a daily peak of %s, from %d days",
			100*t.RelativeGrowthPerMonth,
			cluster.BytesPerSecond(t.PeakBytesInPerSecond),
			t.DaysMeasured,
		)
	}
	line("\n%s", monthsTable(o))
	if len(o.Requirement.Constraints) > 0 {
		line("\nat the end of the horizon (%s)", o.Requirement.Headroom)
		for _, c := range o.Requirement.Constraints {
			switch {
			case c.Unknown != "":
				line("  %-15s   -  %s", c.Name, c.Unknown)
			case c.Advisory:
				line("  %-15s   -  %s", c.Name, c.Formula)
			default:
				line("  %-15s %3d  %s", c.Name, c.Brokers, c.Formula)
			}
		}
	}
	shapesWords(line, o)
	for _, l := range o.Losses {
		line("\n%s", lossWords(l, o.Currency))
	}
	for _, n := range o.Notes {
		line("note: %s", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func runsOutWords(o outlook.Outlook) string {
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02") }
	r := o.RunsOut
	switch {
	case r == nil:
		return "the present size does for the whole horizon"
	case r.At.Equal(o.From):
		return fmt.Sprintf("the present size is too small already (%s)", r.Constraint)
	case r.At.IsZero():
		return fmt.Sprintf(
			"the present size does for the horizon as expected; on the high side it runs out on %s (%s)",
			day(r.Earliest),
			r.Constraint,
		)
	case r.Latest.IsZero():
		return fmt.Sprintf(
			"the present size runs out on %s (%s): %s at the earliest, beyond the horizon at the latest; order by %s",
			day(r.At),
			r.Constraint,
			day(r.Earliest),
			day(r.OrderBy),
		)
	default:
		return fmt.Sprintf(
			"the present size runs out on %s (%s): between %s and %s; order by %s",
			day(r.At),
			r.Constraint,
			day(r.Earliest),
			day(r.Latest),
			day(r.OrderBy),
		)
	}
}

func monthsTable(o outlook.Outlook) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(
		table.Row{"from", "peak in", "low … high", "brokers", "low … high", "bound by",
			"stored", "consumers", "cost (" + o.Currency + ")"},
	)
	for _, m := range o.Months {
		var consumers []string
		for g, n := range m.Consumers {
			s := fmt.Sprintf("%s %d", g, n)
			if p := m.Partitions[g]; p > 0 {
				s += fmt.Sprintf(" (needs %d partitions)", p)
			}
			consumers = append(consumers, s)
		}
		slices.Sort(consumers)
		t.AppendRow(table.Row{
			m.From.UTC().
				Format("2006-01-02"),
			cluster.BytesPerSecond(
				m.PeakBytesIn.Mid,
			), fmt.Sprintf("%s … %s", cluster.BytesPerSecond(m.PeakBytesIn.Low), cluster.BytesPerSecond(m.PeakBytesIn.High)),
			m.Brokers.Mid, fmt.Sprintf("%d … %d", m.Brokers.Low, m.Brokers.High), m.BindingConstraint,
			cluster.Bytes(m.StoredBytes), strings.Join(consumers, ", "), fmt.Sprintf("%.0f", m.Cost),
		})
	}
	return t.Render()
}

func shapesWords(line func(string, ...any), o outlook.Outlook) {
	if len(o.Shapes) == 0 {
		return
	}
	line("\nmachines that would carry the end of the horizon, cheapest first")
	for _, s := range o.Shapes[:min(5, len(o.Shapes))] {
		line("  %-18s %3d brokers, %.0f %s a month, bound by %s", s.Shape, s.Brokers, s.CostPerMonth, o.Currency, s.BindingConstraint)
	}
}

func lossWords(l outlook.LossEffect, currency string) string {
	s := fmt.Sprintf("losing %s takes brokers %v and leaves %d: ", l.What, l.BrokersLost, l.BrokersLeft)
	if l.Holds {
		s += "they carry the peak within the limits"
	} else {
		s += fmt.Sprintf("%s would be over its limit; %d more brokers elsewhere would hold it, for %.0f %s a month",
			l.Overloaded, l.BrokersToAdd, l.CostToHold, currency)
	}
	if l.PartitionsOffline+l.PartitionsUnderMinISR > 0 {
		s += fmt.Sprintf("; %d partitions would be offline, %d below min.insync.replicas", l.PartitionsOffline, l.PartitionsUnderMinISR)
	}
	return s
}
