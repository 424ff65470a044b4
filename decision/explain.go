package decision

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// Explain writes one decision in words, in the order the loop took it: what was
// seen, what is expected, what that needs, what was proposed, what every gate
// said, what was done.
func Explain(w io.Writer, d Decision) error {
	e := &explainer{}
	e.line("%s", d.Outcome)
	e.line("")
	e.line(
		"%s  policy %s, mode %s, cluster %s  (%s)",
		d.Time.UTC().Format("2006-01-02 15:04:05 MST"),
		cmp.Or(d.Policy, "without a name"),
		d.Mode,
		cmp.Or(d.ClusterID, "unknown"),
		d.Reason,
	)
	e.seen(d.Seen)
	e.expected(d)
	e.required(d)
	e.scheduled(d.Schedule)
	e.proposed(d)
	e.done(d)
	_, err := io.WriteString(w, e.b.String())
	return err
}

type explainer struct{ b strings.Builder }

func (e *explainer) line(format string, args ...any) {
	e.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (e *explainer) head(title string) {
	e.line("")
	e.line("%s", title)
}

func (e *explainer) seen(s Seen) {
	e.head("Seen")
	e.line("  %d brokers, %d alive; %d topics, %d partitions", s.Brokers, s.AliveBrokers, s.Topics, s.Partitions)
	e.line("  %s in, %s out, %s on disk", s.BytesIn, s.BytesOut, s.DiskBytes)
	for _, x := range s.Stale {
		last := ""
		if !x.LastSeen.IsZero() {
			last = ", last seen " + x.LastSeen.UTC().Format("2006-01-02 15:04:05 MST")
		}
		e.line("  unknown: %s: %s%s", x.Signal, x.Reason, last)
	}
	for _, x := range s.Sources {
		if len(x.Signals) > 0 {
			e.line("  read by %s: %s", x.Catalogue, joined(x.Signals))
		}
		for _, r := range x.Remarks {
			e.line("  %s: %s", x.Catalogue, r)
		}
	}
	for _, o := range s.Observations {
		e.line("  said by %s: %s %s until %s", o.Source, o.Effect, o.Subject, o.Until.UTC().Format("2006-01-02 15:04 MST"))
	}
}

func joined(signals []cluster.Signal) string {
	names := make([]string, len(signals))
	for i, s := range signals {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func (e *explainer) expected(d Decision) {
	if len(d.Forecasts) == 0 {
		return
	}
	e.head("Expected")
	for _, f := range d.Forecasts {
		subject := strings.TrimSpace(f.Signal + " " + f.Subject)
		if len(f.Quantiles) == 0 {
			e.line("  %s: %s", subject, cmp.Or(f.Why, "no forecast"))
			continue
		}
		var q []string
		for k := range f.Quantiles {
			q = append(q, k)
		}
		slices.Sort(q)
		var parts []string
		for _, k := range q {
			parts = append(parts, k+" "+amount(f.Quantiles[k], f.Unit))
		}
		e.line("  %s: %s now; at most, within %s: %s", subject, amount(f.Now, f.Unit), Rounded(f.LeadTime()), strings.Join(parts, ", "))
		if !f.PeakAt.IsZero() {
			e.line("    highest at %s, by %s", f.PeakAt.UTC().Format("2006-01-02 15:04 MST"), f.Model)
		}
		if !f.Trusted {
			e.line("    not trusted: %s", cmp.Or(f.Why, "no reason was given"))
		}
	}
	for _, a := range d.Accuracy {
		e.line(
			"  %s %s came out within %s on average; %s of points below the %s quantile, of %d",
			a.Signal,
			a.Subject,
			a.WAPE,
			a.Coverage,
			a.Nominal,
			a.Points,
		)
	}
}

// amount prints a value in its unit.
func amount(v float64, unit string) string {
	switch unit {
	case metrics.Signals[metrics.TopicBytesIn].Unit:
		return cluster.BytesPerSecond(v).String()
	case metrics.Signals[metrics.PartitionSize].Unit:
		return cluster.Bytes(v).String()
	case metrics.Signals[metrics.TopicMessagesIn].Unit:
		return fmt.Sprintf("%.4g records/s", v)
	default:
		return fmt.Sprintf("%.4g %s", v, unit)
	}
}

func (e *explainer) required(d Decision) {
	r := d.Requirement
	if len(r.Constraints) == 0 {
		return
	}
	e.head("Needed")
	e.line("  %s", r.Explain())
	e.line("  headroom: %s; lead time of one more broker: %s; looked ahead: %s", r.Headroom, Rounded(r.LeadTime()), Rounded(d.Horizon()))
	for _, c := range r.Constraints {
		e.line("  %s", constraint(c, r.Bottleneck))
	}
	for _, c := range r.Consumers {
		e.line("  group %s: %d replicas: %s", c.Group, c.Replicas, c.Why)
	}
	if d.Recommended > 0 {
		e.line("  recommended: %d brokers", d.Recommended)
	}
}

func (e *explainer) scheduled(s *Schedule) {
	if s == nil {
		return
	}
	e.head("Scheduled")
	for _, line := range s.Words() {
		e.line("  %s", line)
	}
	e.line("  until %s: %s for brokers, %s for moves and changes", clock(s.Until), s.Amount(s.Cost.Brokers), s.Amount(s.Cost.Moves))
}

func constraint(c capacity.Constraint, bottleneck string) string {
	mark := " "
	if c.Name == bottleneck {
		mark = "*"
	}
	switch {
	case c.Unknown != "" && c.Advisory:
		return fmt.Sprintf("%s %-15s   -  %s", mark, c.Name, c.Unknown)
	case c.Unknown != "":
		return fmt.Sprintf("%s %-15s   ?  unknown: %s", mark, c.Name, c.Unknown)
	case c.Advisory:
		return fmt.Sprintf("%s %-15s   -  %s", mark, c.Name, c.Formula)
	default:
		return fmt.Sprintf("%s %-15s %3d  %s", mark, c.Name, c.Brokers, c.Formula)
	}
}

func (e *explainer) proposed(d Decision) {
	if len(d.Proposals) == 0 && d.Operation == nil {
		return
	}
	e.head("Proposed")
	for i, p := range d.Proposals {
		kind := ""
		if p.Reactive {
			kind = " (reactive)"
		}
		e.line("  %s%s: %s", p.Words(), kind, p.Why)
		allowed := 0
		for _, v := range d.Verdicts {
			switch {
			case v.Proposal != i:
			case v.Ruling == Allow:
				allowed++
			default:
				ruling := string(v.Ruling)
				if v.Ruling == Undecided {
					ruling = "Undecided, which holds"
				}
				e.line("    %-16s %s: %s", v.Gate, ruling, v.Why)
			}
		}
		e.line("    %d gates allow it", allowed)
	}
	if op := d.Operation; op != nil {
		e.line("  in flight: %s", op.Words())
	}
}

func (e *explainer) done(d Decision) {
	if len(d.Actions) > 0 {
		e.head("Done")
		for _, a := range d.Actions {
			if a.Error != "" {
				e.line("  failed: %s", a.Error)
				continue
			}
			e.line("  %s", a.Done)
		}
	}
	if len(d.Notes) > 0 {
		e.head("Notes")
		for _, n := range d.Notes {
			e.line("  %s", n)
		}
	}
}

// Summary is a decision in one line.
func (d Decision) Summary() string {
	return d.Time.UTC().Format(time.RFC3339) + " " + d.Reason + ": " + d.Outcome
}
