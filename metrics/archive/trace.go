// Package archive reads what was written down: CSV traces, snapshot files, a
// Prometheus TSDB folder and range-query JSON. It is how a planner works with
// no live system at all.
package archive

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// Trace is a table of series on one grid, as a CSV file holds it.
type Trace struct {
	// Series has one series a column, in the file's order, labelled
	// column=<name>. All share Start, Step and length.
	Series []metrics.Series
	Step   time.Duration
	Rows   int // as read
	// Mended sums what was repaired over all columns; Unordered and Duplicates
	// count rows.
	Mended metrics.Mended
}

// Bounds of a trace.
const (
	maxTraceCells = 1 << 26 // grid points × columns: 28 days at 5 minutes of 8,000 series
	maxRowBytes   = 16 << 20
	columnLabel   = "column"
	timestampName = "timestamp"
)

// Column is the series of the column with that name.
func (t Trace) Column(name string) (metrics.Series, bool) {
	for _, s := range t.Series {
		if s.Labels[columnLabel] == name {
			return s, true
		}
	}
	return metrics.Series{}, false
}

// ReadTrace reads a CSV trace as docs/formats/trace.md describes it: a header,
// then rows of a time (RFC 3339 or Unix seconds) and one value a column. Rows
// may be unordered, repeated and irregular: they are put on a grid whose step
// is the median gap between rows, each value at the nearest grid point, and
// what was mended is counted. An error names the line.
//
// The JSON that Prometheus's range queries answer with is read too: a column
// for each of its series.
func ReadTrace(r io.Reader) (Trace, error) {
	in := bufio.NewReader(r)
	read := readTable
	if isObject(in) {
		read = readRangeJSON
	}
	t, err := read(in)
	if err != nil {
		return Trace{}, fmt.Errorf("reading trace: %w", err)
	}
	out, err := t.align()
	if err != nil {
		return Trace{}, fmt.Errorf("reading trace: %w", err)
	}
	return out, nil
}

// table is the file as read: one time a row and one slice a column, with NaN
// where a value is missing.
type table struct {
	columns   []string
	times     []int64 // Unix nanoseconds
	values    [][]float64
	nonFinite []int
}

func readTable(r io.Reader) (*table, error) {
	in := &budget{r: r, limit: maxRowBytes, left: maxRowBytes}
	c := csv.NewReader(in)
	c.ReuseRecord = true
	c.TrimLeadingSpace = true
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; want a header line, such as timestamp,value, and rows below it")
	}
	if err != nil {
		return nil, csvError(err)
	}
	t, err := newTable(header)
	if err != nil {
		return nil, err
	}
	for {
		in.left = in.limit
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, csvError(err)
		}
		line, _ := c.FieldPos(0)
		if err := t.add(line, record); err != nil {
			return nil, err
		}
	}
	switch len(t.times) {
	case 0:
		return nil, errors.New("line 1: there is a header and no row below it; want at least two rows")
	case 1:
		return nil, errors.New("line 2: there is only one row; the step between rows needs at least two")
	}
	return t, nil
}

func newTable(header []string) (*table, error) {
	first := strings.TrimSpace(strings.TrimPrefix(header[0], "\ufeff"))
	if !strings.EqualFold(first, timestampName) {
		if strings.Contains(first, ";") {
			return nil, errors.New("line 1: the fields are separated by semicolons; want commas")
		}
		return nil, fmt.Errorf("line 1: the first column is %q; want a header whose first column is %s", clip(first), timestampName)
	}
	if len(header) < 2 {
		return nil, errors.New("line 1: there is no column beside timestamp; want one column a series")
	}
	t := &table{nonFinite: make([]int, len(header)-1), values: make([][]float64, len(header)-1)}
	seen := make(map[string]bool, len(header))
	for i, name := range header[1:] {
		name = strings.Clone(strings.TrimSpace(name))
		switch {
		case name == "":
			return nil, fmt.Errorf("line 1: column %d has no name", i+2)
		case seen[name]:
			return nil, fmt.Errorf("line 1: column %q is there twice", clip(name))
		}
		seen[name] = true
		t.columns = append(t.columns, name)
	}
	return t, nil
}

func (t *table) add(line int, record []string) error {
	at, err := parseTime(record[0])
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	if (len(t.times)+1)*len(t.columns) > maxTraceCells {
		return fmt.Errorf("line %d: the trace has more than the limit of %d values", line, maxTraceCells)
	}
	t.times = append(t.times, at)
	for i, text := range record[1:] {
		v, err := t.parseValue(i, text)
		if err != nil {
			return fmt.Errorf("line %d, column %q: %w", line, clip(t.columns[i]), err)
		}
		t.values[i] = append(t.values[i], v)
	}
	return nil
}

func (t *table) parseValue(column int, text string) (float64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is out of range", clip(text))
	case err != nil:
		return 0, fmt.Errorf("%q is not a number; leave the field empty where the value is missing", clip(text))
	case math.IsNaN(v) || math.IsInf(v, 0):
		t.nonFinite[column]++
		return math.NaN(), nil
	}
	return v, nil
}

// Times between 1900 and 2200 are believed. Milliseconds given for seconds
// fall outside.
const (
	minUnixSeconds = -2_208_988_800
	maxUnixSeconds = 7_258_118_400
)

func parseTime(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, errors.New("the timestamp is empty")
	}
	var seconds float64
	at, err := time.Parse(time.RFC3339Nano, text)
	if err == nil {
		seconds = float64(at.Unix())
	} else if seconds, err = strconv.ParseFloat(text, 64); err != nil {
		return 0, fmt.Errorf("timestamp %q is neither RFC 3339, such as 2026-03-01T12:00:00Z, nor Unix seconds", clip(text))
	}
	if !(seconds >= minUnixSeconds && seconds <= maxUnixSeconds) {
		return 0, fmt.Errorf("timestamp %q is not between the years 1900 and 2200; Unix times are in seconds", clip(text))
	}
	if !at.IsZero() {
		return at.UnixNano(), nil
	}
	whole, fraction := math.Modf(seconds)
	// Microseconds are what a float64 of today's Unix seconds carries.
	return int64(whole)*1e9 + int64(math.Round(fraction*1e6))*1e3, nil
}

func csvError(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(parse.Err, csv.ErrFieldCount) {
		return fmt.Errorf("line %d: the row has another number of fields than the header", parse.Line)
	}
	return fmt.Errorf("line %d: %w", parse.Line, parse.Err)
}

// clip keeps a hostile field from filling the screen.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// ColumnNames lists the columns of a trace, for messages.
func ColumnNames(t Trace) string {
	const most = 20
	var names []string
	for i, s := range t.Series {
		if i == most {
			return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", len(t.Series)-most)
		}
		names = append(names, s.Labels[columnLabel])
	}
	return strings.Join(names, ", ")
}
