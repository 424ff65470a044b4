package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tidetable/tidetable/metrics"
)

// ColumnName is the name of a series' column in a trace: the signal, with its
// labels as PromQL writes them, such as topic_bytes_in{topic="orders"}.
func ColumnName(signal metrics.Signal, l metrics.Labels) string {
	if len(l) == 0 {
		return string(signal)
	}
	var b strings.Builder
	b.WriteString(string(signal))
	for i, name := range slices.Sorted(maps.Keys(l)) {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(name + "=" + strconv.Quote(l[name]))
	}
	b.WriteByte('}')
	return b.String()
}

// ParseColumn takes a column's name apart. Names that are not of the form that
// ColumnName writes, such as those people choose, give ok = false.
func ParseColumn(name string) (signal metrics.Signal, l metrics.Labels, ok bool) {
	m, err := parser.NewParser(parser.Options{}).ParseMetric(name)
	if err != nil || m.Get(model.MetricNameLabel) == "" {
		return "", nil, false
	}
	l = metrics.Labels{}
	m.Range(func(x labels.Label) {
		if x.Name != model.MetricNameLabel {
			l[x.Name] = x.Value
		}
	})
	return metrics.Signal(m.Get(model.MetricNameLabel)), l, true
}

// WriteTrace writes series that share one grid as a CSV trace, a column each,
// under the names of ColumnName, or of their column label where they have no
// signal. Missing values are empty fields.
func WriteTrace(w io.Writer, series []metrics.Series) error {
	if len(series) == 0 {
		return errors.New("writing trace: there is no series")
	}
	first := series[0]
	// The writer keeps its first error, and Flush gives it.
	out := bufio.NewWriterSize(w, 1<<16)
	line := []byte(timestampName)
	for _, s := range series {
		if !s.Start.Equal(first.Start) || s.Step != first.Step || s.Len() != first.Len() {
			return fmt.Errorf(
				"writing trace: %s is on another grid than %s",
				ColumnName(s.Signal, s.Labels),
				ColumnName(first.Signal, first.Labels),
			)
		}
		name := ColumnName(s.Signal, s.Labels)
		if s.Signal == "" {
			name = s.Labels[columnLabel]
		}
		line = append(append(line, ','), csvField(name)...)
	}
	_, _ = out.Write(append(line, '\n'))
	for i := range first.Values {
		line = first.TimeAt(i).UTC().AppendFormat(line[:0], time.RFC3339Nano)
		for _, s := range series {
			line = append(line, ',')
			if v := s.Values[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
				line = strconv.AppendFloat(line, v, 'g', -1, 64)
			}
		}
		_, _ = out.Write(append(line, '\n'))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	return nil
}

func csvField(name string) string {
	if !strings.ContainsAny(name, ",\"\r\n ") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// History serves a trace's columns as signals: those whose names ColumnName
// would write. Columns with other names are not found by it.
func (t Trace) History(_ context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	var out []metrics.Series
	for _, s := range t.Series {
		found, l, ok := ParseColumn(s.Labels[columnLabel])
		if !ok || found != signal {
			continue
		}
		var samples []metrics.Sample
		for i, v := range s.Values {
			if at := s.TimeAt(i); !math.IsNaN(v) && !at.Before(w.From.Add(-w.Step)) && !at.After(w.To) {
				samples = append(samples, metrics.Sample{Time: at, Value: v})
			}
		}
		if len(samples) > 0 {
			out = append(out, metrics.Align(signal, l, samples, w.OnGrid()))
		}
	}
	slices.SortFunc(out, func(a, b metrics.Series) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
	return out, nil
}
