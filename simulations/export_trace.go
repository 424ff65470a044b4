package simulations

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// grid is a trace on its way out: columns on one grid, the first of them the
// sum of the topics.
type grid struct {
	names   []string
	start   time.Time
	step    time.Duration
	columns [][]float64
}

// writeTrace writes the topics' traces with their sum, or what was seen.
func (e *exporter) writeTrace(w io.Writer) error {
	if len(e.Traces) == 0 {
		return e.writeSeen(w)
	}
	t, err := e.measured()
	if err != nil {
		return err
	}
	e.from, e.until = t.start, t.end()
	if !e.from.Before(e.first.Time) || !e.until.After(e.first.Time) {
		return fmt.Errorf("the traces are of %s to %s, the decisions of %s to %s: "+
			"take them at the end, with --lookback to before the first decision",
			stamp(e.from), stamp(e.until), stamp(e.first.Time), stamp(e.last.Time))
	}
	t = e.refined(t)
	return t.write(w)
}

// measured takes the topics' bytes in and records from the traces, from the
// first that is known on, at the time that they were: rates are behind by half
// of the range that they are the mean of. The scenario's are behind again.
func (e *exporter) measured() (grid, error) {
	var topics []metrics.Series
	for _, s := range e.Traces {
		if s.Signal == metrics.TopicBytesIn && s.Labels["topic"] != "" && len(s.Values) > 0 {
			topics = append(topics, s)
		}
	}
	if len(topics) == 0 {
		return grid{}, errors.New("no topic's bytes in are among the traces: take them with tidetable snapshot")
	}
	slices.SortFunc(topics, func(a, b metrics.Series) int { return strings.Compare(a.Labels["topic"], b.Labels["topic"]) })
	skip := firstKnown(topics)
	t := grid{names: []string{"bytesInPerSecond"}, start: topics[0].TimeAt(skip), step: topics[0].Step, columns: make([][]float64, 1)}
	for _, s := range topics {
		if !s.Start.Equal(topics[0].Start) || s.Step != topics[0].Step || len(s.Values) != len(topics[0].Values) {
			return grid{}, fmt.Errorf("topic %s is on another grid than topic %s", s.Labels["topic"], topics[0].Labels["topic"])
		}
		t.add(quoted(s.Labels["topic"]), s.Values[skip:])
	}
	t.columns[0] = total(t.columns[1:])
	for _, s := range e.records(topics) {
		t.add(quoted(s.Labels["topic"]+" records"), s.Values[skip:])
	}
	if e.scrape() > 0 {
		t.start = t.start.Add(-metrics.RateRange(t.step, e.scrape()) / 2)
	}
	return t, nil
}

// add takes a topic's column. A topic that has no values until others have some
// had nothing written to it.
func (t *grid) add(name string, values []float64) {
	values = slices.Clone(values)
	for i := 0; i < len(values) && math.IsNaN(values[i]); i++ {
		values[i] = 0
	}
	t.names, t.columns = append(t.names, name), append(t.columns, values)
}

func (t *grid) end() time.Time {
	return t.start.Add(time.Duration(len(t.columns[0])-1) * t.step)
}

// total adds columns up; a moment that none has is missing.
func total(columns [][]float64) []float64 {
	out := make([]float64, len(columns[0]))
	for i := range out {
		out[i] = math.NaN()
		for _, c := range columns {
			if v := c[i]; !math.IsNaN(v) {
				if math.IsNaN(out[i]) {
					out[i] = 0
				}
				out[i] += v
			}
		}
	}
	return out
}

// records is what of the traces counts the records of those topics, on the same
// grid.
func (e *exporter) records(topics []metrics.Series) []metrics.Series {
	var out []metrics.Series
	for _, t := range topics {
		for _, s := range e.Traces {
			if s.Signal == metrics.TopicMessagesIn && s.Labels["topic"] == t.Labels["topic"] && s.Start.Equal(t.Start) &&
				s.Step == t.Step &&
				len(s.Values) == len(t.Values) {
				out = append(out, s)
			}
		}
	}
	return out
}

// firstKnown is the first point that some series has: a trace begins there.
func firstKnown(series []metrics.Series) int {
	first := math.MaxInt
	for _, s := range series {
		if i := slices.IndexFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) }); i >= 0 {
			first = min(first, i)
		}
	}
	return min(first, len(series[0].Values)-1)
}

// scrape is how often the brokers were scraped; zero when it is not known.
func (e *exporter) scrape() time.Duration {
	if e.Policy == nil {
		return 0
	}
	return e.Policy.Spec.Prometheus.ScrapeInterval.D()
}

// refined puts what the decisions saw between the traces' points where the loop
// looked more often: forecasts are made from the points, which stay as they are,
// but a change is made at the very look that sees the load. Every column goes as
// the sum does.
func (e *exporter) refined(t grid) grid {
	if e.scrape() == 0 || e.interval() >= t.step || t.step%time.Second != 0 {
		return t
	}
	late := metrics.RateRange(0, e.scrape()) / 2
	var times []time.Time
	var ratios []float64
	for _, d := range e.Decisions {
		at := d.Time.Add(-late)
		if v := t.at(0, at); v > 0 {
			times, ratios = append(times, at), append(ratios, float64(d.Seen.BytesIn)/v)
		}
	}
	if len(times) < 2 {
		return t
	}
	fine := grid{names: t.names, start: t.start, step: time.Second}
	every := int(t.step / fine.step)
	for k := range t.columns {
		values := make([]float64, (len(t.columns[k])-1)*every+1)
		j := 0
		for i := range values {
			at := fine.start.Add(time.Duration(i) * fine.step)
			switch {
			case i%every == 0:
				values[i] = t.columns[k][i/every]
			case at.Before(times[0]) || at.After(times[len(times)-1]):
				values[i] = math.NaN() // whoever reads it bridges it
			default:
				for j+1 < len(times) && times[j+1].Sub(at) < at.Sub(times[j]) {
					j++ // the nearest look: the loop sees there just what it saw
				}
				values[i] = t.at(k, at) * ratios[j]
			}
		}
		fine.columns = append(fine.columns, values)
	}
	return fine
}

// at is a column's value at a time, linear between its points; not a number
// where one of them is missing.
func (t *grid) at(column int, at time.Time) float64 {
	c, d := t.columns[column], at.Sub(t.start)
	i := int(d / t.step)
	if d < 0 || i >= len(c)-1 {
		return math.NaN()
	}
	return c[i] + float64(d-time.Duration(i)*t.step)/float64(t.step)*(c[i+1]-c[i])
}

func (t *grid) write(w io.Writer) error {
	if _, err := fmt.Fprintln(w, "timestamp,"+strings.Join(t.names, ",")); err != nil {
		return err
	}
	row := make([]string, len(t.columns)+1)
	for i := range t.columns[0] {
		row[0] = stamp(t.start.Add(time.Duration(i) * t.step))
		for k := range t.columns {
			row[k+1] = number(t.columns[k][i])
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, ",")); err != nil {
			return err
		}
	}
	return nil
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
