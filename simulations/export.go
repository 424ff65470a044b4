package simulations

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidetable/tidetable/controller"
)

// Export turns recorded decisions into a scenario and its trace, so that what
// happened can be run again under other policies. The load, the brokers and the
// groups are what the decisions saw; how load is spread over topics is not in a
// decision, so the scenario has one topic with all partitions.
func Export(decisions []controller.Decision, trace, scenario io.Writer) error {
	var seen []controller.Decision
	for _, d := range decisions {
		if d.Seen.BytesIn > 0 && (len(seen) == 0 || d.Time.After(seen[len(seen)-1].Time)) {
			seen = append(seen, d)
		}
	}
	if len(seen) < 2 {
		return errors.New("exporting decisions: fewer than two of them saw a load")
	}
	if _, err := fmt.Fprintln(trace, "timestamp,bytesInPerSecond"); err != nil {
		return fmt.Errorf("writing the trace: %w", err)
	}
	for _, d := range seen {
		if _, err := fmt.Fprintf(trace, "%s,%.6g\n", d.Time.UTC().Format(time.RFC3339), float64(d.Seen.BytesIn)); err != nil {
			return fmt.Errorf("writing the trace: %w", err)
		}
	}
	if _, err := io.WriteString(scenario, exported(seen)); err != nil {
		return fmt.Errorf("writing the scenario: %w", err)
	}
	return nil
}

func exported(seen []controller.Decision) string {
	first, last := seen[0], seen[len(seen)-1]
	span := last.Time.Sub(first.Time)
	history := time.Minute
	if span > 4*24*time.Hour {
		history = (span / 2).Truncate(time.Hour)
	}
	rest := (span - history).Truncate(time.Minute)
	s := first.Seen
	rf := 3
	retention := time.Hour
	if s.DiskBytes > 0 {
		retention = time.Duration(float64(s.DiskBytes) / float64(s.BytesIn) / float64(rf) * float64(time.Second)).Truncate(time.Minute)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Exported from %d decisions of policy %s, %s to %s.\n", len(seen), first.Policy, first.Time.UTC().Format(time.RFC3339), last.Time.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "version: 1\nname: %q\nduration: %s\nhistory: %s\n", "replay of "+first.Policy, whole(rest), whole(history))
	fmt.Fprintf(&b, "cluster:\n  brokers:\n    count: %d\n    shape: {%s}\n", max(s.Brokers, rf), exportedShape(first))
	b.WriteString("loads:\n  - {name: seen, csv: load.csv}\n")
	fmt.Fprintf(&b, "topics:\n  - {name: all, partitions: %d, replicationFactor: %d, retention: %s, load: seen}\n", max(s.Partitions, 1), rf, whole(max(retention, time.Minute)))
	groups := first.Requirement.Consumers
	if len(groups) > 0 {
		b.WriteString("groups:\n")
	}
	for _, g := range groups {
		// Records are a thousand bytes in the scenario; what one replica can do
		// is scaled so that the group is as busy as it was.
		per := g.PerReplica
		if g.Demand > 0 {
			per *= float64(s.BytesIn) / 1000 / g.Demand
		}
		fmt.Fprintf(&b, "  - {name: %q, topics: [all], perReplica: %.6g, replicas: %d}\n", g.Group, max(per, 0.001), max(g.Replicas, 1))
	}
	return b.String()
}

// whole prints a span in minutes, which the scenario's reader takes.
func whole(d time.Duration) string { return fmt.Sprintf("%dm", max(int(d.Minutes()), 1)) }

// exportedShape takes the brokers' capacity back out of the constraints: the
// demand, over the utilisation that it makes of all brokers.
func exportedShape(d controller.Decision) string {
	fields := map[string]string{"cpu": "cpuCores", "network-in": "network", "storage": "disk", "disk-bandwidth": "diskBandwidth"}
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
