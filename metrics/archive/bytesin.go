package archive

import (
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// bytesInColumns picks the series that are the cluster's bytes in, by the names
// in a label: those of the signal topic_bytes_in, one a topic; one called
// bytes_in; one a topic of the snapshot; or the only one there is.
func bytesInColumns(list []metrics.Series, label string, snap cluster.Snapshot) []metrics.Series {
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

// BytesIn adds up the columns that are the cluster's bytes in: those named, or
// those that BytesInColumns picks.
func (t Trace) BytesIn(columns []string, snap cluster.Snapshot) (metrics.Series, error) {
	var list []metrics.Series
	for _, name := range columns {
		s, ok := t.Column(name)
		if !ok {
			return metrics.Series{}, fmt.Errorf("there is no column %q; there are %s", name, ColumnNames(t))
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		list = bytesInColumns(t.Series, "column", snap)
	}
	if len(list) == 0 {
		return metrics.Series{}, fmt.Errorf(
			"which columns are bytes in is not clear; name them with --column; there are %s",
			ColumnNames(t),
		)
	}
	return metrics.Sum(metrics.TopicBytesIn, list), nil
}
