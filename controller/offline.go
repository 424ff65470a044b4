package controller

import (
	"math"
	"strings"
	"time"

	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// Sum adds series up as the loop does: a gap in one is a gap in the sum.
func Sum(signal metrics.Signal, list []metrics.Series) metrics.Series {
	if len(list) == 0 {
		return metrics.Series{Signal: signal}
	}
	w := metrics.Window{From: list[0].Start, To: list[0].End(), Step: list[0].Step}
	return sumSeries(signal, list, w)
}

// Lately is the highest value and the mean of the end of a series; zero when
// nothing was measured.
func Lately(s metrics.Series, span time.Duration) (peak, mean float64) {
	n := len(s.Values)
	if s.Step > 0 {
		n = min(n, int(span/s.Step))
	}
	count := 0
	for _, v := range s.Values[len(s.Values)-n:] {
		if !math.IsNaN(v) {
			peak = max(peak, v)
			mean += v
			count++
		}
	}
	if count > 0 {
		mean /= float64(count)
	}
	return peak, mean
}

// BytesInColumns picks the series that are the cluster's bytes in, by the names
// in a label: those of the signal topic_bytes_in, one a topic; one called
// bytes_in; one a topic of the snapshot; or the only one there is.
func BytesInColumns(list []metrics.Series, label string, snap cluster.Snapshot) []metrics.Series {
	topics := map[string]bool{}
	for i := range snap.Topics {
		topics[snap.Topics[i].Name] = true
	}
	pick := func(is func(name string) bool) []metrics.Series {
		var out []metrics.Series
		for _, s := range list {
			if is(s.Labels[label]) {
				out = append(out, s)
			}
		}
		return out
	}
	signal := string(metrics.TopicBytesIn)
	for _, is := range []func(string) bool{
		func(n string) bool { return n == "bytes_in" || n == signal },
		func(n string) bool {
			rest, ok := strings.CutPrefix(n, signal)
			return ok && rest != "" && strings.ContainsAny(rest[:1], "{:/.")
		},
		func(n string) bool { return topics[n] },
	} {
		if found := pick(is); len(found) > 0 {
			return found
		}
	}
	if len(list) == 1 {
		return list
	}
	return nil
}

// GroupsOf is the policy's groups as the snapshot shows them, for a plan: what
// arrives is raised to the cluster's peak where one is known.
func GroupsOf(s policy.Spec, snap cluster.Snapshot, peakBytesIn float64) []outlook.Group {
	t := &tick{snap: snap}
	produced := 0.0
	for i := range snap.Topics {
		for _, p := range snap.Topics[i].Partitions {
			produced += float64(p.Load.BytesInPerSecond)
		}
	}
	raise := 1.0
	if produced > 0 && peakBytesIn > produced {
		raise = peakBytesIn / produced
	}
	var out []outlook.Group
	for _, c := range s.Consumers {
		g := outlook.Group{Name: c.Group, PerReplica: c.PerReplica, Utilisation: c.Utilisation, Min: c.Min, Max: c.Max}
		for i := range snap.Groups {
			if snap.Groups[i].Name != c.Group {
				continue
			}
			now := t.groupNow(&snap.Groups[i])
			if !now.measured {
				now.arriving = now.consumed
			}
			g.Arriving, g.Partitions, g.Now = now.arriving*raise, now.parts, snap.Groups[i].Members
			if g.PerReplica == 0 && g.Now > 0 {
				g.PerReplica, g.AtLeast = now.consumed/float64(g.Now), true
			}
		}
		out = append(out, g)
	}
	return out
}
