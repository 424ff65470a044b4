package simulations

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// Recorded is what there is of a stretch of time that happened: decisions, and
// what was kept beside them.
type Recorded struct {
	Decisions []decision.Decision
	// Snapshot, where there is one, is the cluster as it was at about the first
	// decision: then the scenario has its brokers, topics, placement and sizes.
	// Without it the scenario has one topic with all partitions.
	Snapshot *cluster.Snapshot
	// Traces, where there are any, are what was written to each topic, with as
	// much of the past as policies may look back on. Without them the load is
	// what the decisions saw.
	Traces []metrics.Series
	// Policy, where it is known, is what decided.
	Policy *policy.Policy
	// SnapshotFile and PolicyFile are their names in the scenario's folder.
	SnapshotFile, PolicyFile string
}

// Export turns what was recorded into a scenario and its trace, so that what
// happened can be run again under the same policy and others. The load, the
// brokers and the groups are what the decisions saw.
func Export(r Recorded, trace, scenario io.Writer) error {
	var seen []decision.Decision
	for _, d := range r.Decisions {
		if d.Seen.BytesIn > 0 && (len(seen) == 0 || d.Time.After(seen[len(seen)-1].Time)) {
			seen = append(seen, d)
		}
	}
	if len(seen) < 2 {
		return errors.New("exporting decisions: fewer than two of them saw a load")
	}
	r.Decisions = seen
	e := exporter{Recorded: r, first: seen[0], last: seen[len(seen)-1]}
	if err := e.writeTrace(trace); err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	if _, err := io.WriteString(scenario, e.document()); err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	return nil
}

type exporter struct {
	Recorded
	first, last decision.Decision
	from, until time.Time // of the trace
}

func (e *exporter) writeSeen(w io.Writer) error {
	if _, err := fmt.Fprintln(w, "timestamp,bytesInPerSecond"); err != nil {
		return err
	}
	for _, d := range e.Decisions {
		if _, err := fmt.Fprintf(w, "%s,%.6g\n", stamp(d.Time), float64(d.Seen.BytesIn)); err != nil {
			return err
		}
	}
	return nil
}

func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf("%.6g", v)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (e *exporter) document() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Exported from %d decisions of policy %s, %s to %s.\n", len(e.Decisions), e.first.Policy, stamp(e.first.Time),
		stamp(e.last.Time))
	fmt.Fprintf(&b, "version: 1\nname: %q\n", "replay of "+e.first.Policy)
	topics := "all"
	if len(e.Traces) > 0 {
		e.when(&b)
	} else {
		e.whenSeen(&b)
	}
	b.WriteString("cluster:\n")
	if e.Snapshot != nil {
		fmt.Fprintf(&b, "  snapshot: %q\n  load: seen\n", e.SnapshotFile)
	} else {
		fmt.Fprintf(&b, "  brokers:\n    count: %d\n    shape: {%s}\n",
			max(e.first.Seen.Brokers, exportedReplication), exportedShape(e.first))
	}
	e.startup(&b)
	if d := e.scrape(); d > 0 && len(e.Traces) > 0 {
		fmt.Fprintf(&b, "  scrapeInterval: %s\n", d)
	}
	b.WriteString("loads:\n  - {name: seen, csv: load.csv}\n")
	if e.Snapshot == nil {
		e.oneTopic(&b)
	}
	e.groups(&b, topics)
	if e.Policy != nil {
		fmt.Fprintf(&b, "policy: {file: %q}\n", e.PolicyFile)
	}
	return b.String()
}

// when is exactly when it was, to the millisecond: a loop that looks every few
// seconds decides at its own times.
func (e *exporter) when(b *strings.Builder) {
	start := e.first.Time.Truncate(time.Millisecond)
	tick := time.Second
	if e.interval() >= time.Minute {
		tick = time.Minute
	}
	end := e.last.Time
	if e.until.Before(end) {
		end = e.until // what was decided after the traces were taken is left out
	}
	rest := max(end.Sub(start).Truncate(tick), tick)
	fmt.Fprintf(b, "start: %s\nduration: %s\ntick: %s\nhistory: %s\n", stamp(start), rest, tick, start.Sub(e.from))
}

// interval is between most decisions.
func (e *exporter) interval() time.Duration {
	var gaps []time.Duration
	for i := range e.Decisions[1:] {
		gaps = append(gaps, e.Decisions[i+1].Time.Sub(e.Decisions[i].Time))
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// whenSeen keeps a part of what was seen as history.
func (e *exporter) whenSeen(b *strings.Builder) {
	span := e.last.Time.Sub(e.first.Time)
	history := time.Minute
	if span > 4*24*time.Hour {
		history = (span / 2).Truncate(time.Hour)
	}
	fmt.Fprintf(b, "duration: %s\nhistory: %s\n", whole((span - history).Truncate(time.Minute)), whole(history))
}

// startup is how long brokers took from being asked for to being seen alive:
// the mean of the scale-outs there were. Half a look has passed on average
// before it was seen.
func (e *exporter) startup(b *strings.Builder) {
	var asked time.Time
	var sum time.Duration
	n := 0
	for _, d := range e.Decisions {
		op := d.Operation
		if op == nil || op.Kind != decision.ScaleBrokers || op.To < op.From {
			continue
		}
		switch op.Phase {
		case decision.Scaling, decision.Joining:
			asked = op.Started
		case decision.Filling:
			if !asked.IsZero() && op.PhaseSince.After(asked) {
				sum += max(op.PhaseSince.Sub(asked)-e.interval()/2, 0)
				n++
			}
			asked = time.Time{}
		}
	}
	if n > 0 {
		half := max(sum/time.Duration(2*n), 50*time.Millisecond).Round(50 * time.Millisecond) // which half took how long is not known
		fmt.Fprintf(b, "  startup: {pod: %s, join: %s}\n", half, half)
	}
}

// exportedReplication is taken where no snapshot says what it is.
const exportedReplication = 3

func (e *exporter) oneTopic(b *strings.Builder) {
	s := e.first.Seen
	retention := time.Hour
	if s.DiskBytes > 0 {
		retention = time.Duration(float64(s.DiskBytes) / float64(s.BytesIn) / exportedReplication * float64(time.Second)).
			Truncate(time.Minute)
	}
	fmt.Fprintf(b, "topics:\n  - {name: all, partitions: %d, replicationFactor: %d, retention: %s, load: seen}\n",
		max(s.Partitions, 1), exportedReplication, whole(max(retention, time.Minute)))
}

func (e *exporter) groups(b *strings.Builder, topic string) {
	groups := e.first.Requirement.Consumers
	if len(groups) > 0 {
		b.WriteString("groups:\n")
	}
	for _, g := range groups {
		per, topics := g.PerReplica, topic
		switch {
		case e.Snapshot != nil:
			topics = strings.Join(e.read(g.Group), ", ")
		case g.Demand > 0:
			// Records are a thousand bytes in the scenario; what one replica can do
			// is scaled so that the group is as busy as it was.
			per *= float64(e.first.Seen.BytesIn) / 1000 / g.Demand
		}
		fmt.Fprintf(
			b,
			"  - {name: %q, topics: [%s], perReplica: %.6g, replicas: %d%s%s}\n",
			g.Group,
			topics,
			max(per, 0.001),
			max(g.Replicas, 1),
			e.bounds(g.Group),
			e.commits(g.Group),
		)
	}
}

// bounds is what the policy says of a group.
func (e *exporter) bounds(group string) string {
	if e.Policy == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range e.Policy.Spec.Consumers {
		if c.Group != group {
			continue
		}
		if c.Min > 0 {
			fmt.Fprintf(&b, ", min: %d", c.Min)
		}
		if c.Max > 0 {
			fmt.Fprintf(&b, ", max: %d", c.Max)
		}
		if c.Lag.MaxSeconds > 0 {
			fmt.Fprintf(&b, ", maxLag: %s", time.Duration(c.Lag.MaxSeconds*float64(time.Second)))
		}
	}
	return b.String()
}

// commits is how often a group's members commit: twice the lag, in time, that
// it shows in most decisions, which is what it has read and not committed. A
// lag of minutes is no such thing.
func (e *exporter) commits(group string) string {
	var ages []float64
	for _, d := range e.Decisions {
		for _, g := range d.Requirement.Consumers {
			if g.Group == group && g.Demand > 0 {
				ages = append(ages, float64(g.Lag)/g.Demand)
			}
		}
	}
	if len(ages) == 0 {
		return ""
	}
	slices.Sort(ages)
	age := ages[len(ages)/2]
	if age < 0.05 || age > 60 {
		return ""
	}
	return fmt.Sprintf(", commitInterval: %s", time.Duration(2*age*float64(time.Second)).Round(100*time.Millisecond))
}

// read is the topics that a group reads, quoted.
func (e *exporter) read(group string) []string {
	var out []string
	for _, g := range e.Snapshot.Groups {
		for _, p := range g.Partitions {
			if name := fmt.Sprintf("%q", p.Topic); g.Name == group && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// whole prints a span in minutes, which the scenario's reader takes.
func whole(d time.Duration) string { return fmt.Sprintf("%dm", max(int(d.Minutes()), 1)) }

// exportedShape takes the brokers' capacity back out of the constraints: the
// demand, over the utilisation that it makes of all brokers.
func exportedShape(d decision.Decision) string {
	fields := map[string]string{
		string(cluster.CPU): "cpuCores", string(cluster.NetworkIn): "network",
		string(cluster.Disk): "disk", string(cluster.DiskBandwidth): "diskBandwidth",
	}
	var parts []string
	for _, c := range d.Requirement.Constraints {
		name, ok := fields[c.Name]
		brokers := float64(d.Seen.AliveBrokers)
		if !ok || c.Utilisation <= 0 || brokers == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s: %.6g", name, c.Demand/float64(c.Utilisation)/brokers))
	}
	return strings.Join(parts, ", ")
}
