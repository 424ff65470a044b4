package rebalance

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// PartitionLimits say when a topic needs more partitions.
type PartitionLimits struct {
	// InPerPartition and OutPerPartition are what one partition should carry at
	// its peak; zero stands for the defaults.
	InPerPartition, OutPerPartition cluster.BytesPerSecond
}

// What one partition carries without being a bottleneck of its own: about what
// a producer with acks=all and one consumer thread sustain on one partition.
// Rules of thumb, in bytes per second: measure your own.
const (
	DefaultInPerPartition  cluster.BytesPerSecond = 10e6
	DefaultOutPerPartition cluster.BytesPerSecond = 20e6
)

// PartitionAdvice says that a topic needs more partitions, and what that
// breaks. Nobody adds them by itself.
type PartitionAdvice struct {
	Topic      string   `json:"topic"`
	Partitions int      `json:"partitions"`
	Wanted     int      `json:"wanted"`
	Why        []string `json:"why"`
	Breaks     string   `json:"breaks"`
}

// advisePartitions looks for topics whose peak, or whose consumers, need more
// partitions than there are. An forecast's busiest block counts.
func advisePartitions(s cluster.Snapshot, o *Forecast, l PartitionLimits) []PartitionAdvice {
	if l.InPerPartition <= 0 {
		l.InPerPartition = DefaultInPerPartition
	}
	if l.OutPerPartition <= 0 {
		l.OutPerPartition = DefaultOutPerPartition
	}
	type reader struct {
		group   string
		members int
	}
	readers := map[string][]reader{}
	for _, g := range s.Groups {
		seen := map[string]bool{}
		for _, q := range g.Partitions {
			if !seen[q.Topic] {
				seen[q.Topic] = true
				readers[q.Topic] = append(readers[q.Topic], reader{g.Name, max(g.Members, sumOf(g.ZonesOfMembers))})
			}
		}
	}
	var out []PartitionAdvice
	for _, t := range s.Topics {
		if t.Internal || len(t.Partitions) == 0 {
			continue
		}
		peak := 1.0
		if o != nil {
			for _, b := range o.Blocks {
				peak = max(peak, b.of(t.Name))
			}
		}
		var in, sent cluster.BytesPerSecond
		for _, q := range t.Partitions {
			in += q.Load.BytesInPerSecond * cluster.BytesPerSecond(peak)
			sent += q.Load.BytesOutPerSecond * cluster.BytesPerSecond(peak)
		}
		a := PartitionAdvice{Topic: t.Name, Partitions: len(t.Partitions), Wanted: len(t.Partitions)}
		need := func(n int, why string) {
			if n > len(t.Partitions) {
				a.Wanted = max(a.Wanted, n)
				a.Why = append(a.Why, why)
			}
		}
		need(int(math.Ceil(float64(in/l.InPerPartition))),
			fmt.Sprintf("producers write %v at the peak, and a partition should take %v", in, l.InPerPartition))
		need(int(math.Ceil(float64(sent/l.OutPerPartition))),
			fmt.Sprintf("consumers read %v at the peak, and a partition should give %v", sent, l.OutPerPartition))
		for _, r := range readers[t.Name] {
			need(r.members, fmt.Sprintf("group %s has %d members, and only as many as there are partitions have work", r.group, r.members))
		}
		if len(a.Why) > 0 {
			a.Breaks = whatBreaks(t)
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b PartitionAdvice) int { return strings.Compare(a.Topic, b.Topic) })
	return out
}

func sumOf(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// whatBreaks says what more partitions do to whoever relies on keys.
func whatBreaks(t cluster.Topic) string {
	s := "records of a key go to another partition from then on, so the order of a key's records " +
		"does not hold across the change; the number cannot be lowered again"
	if strings.Contains(t.Config["cleanup.policy"], "compact") {
		s += "; the topic is compacted: a key's old record stays in its old partition and is never removed by the new one"
	}
	return s
}
