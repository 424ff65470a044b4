package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/tidetable/tidetable/metrics"
)

// isObject tells a JSON object from a CSV header by its first letter.
func isObject(in *bufio.Reader) bool {
	head, _ := in.Peek(64)
	head = bytes.TrimLeft(head, " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}

// maxRangeJSONBytes bounds a saved answer, which is decoded as a whole: four
// weeks of a minute's step are 1 MB a series.
const maxRangeJSONBytes = 64 << 20

// rangeAnswer is the answer of /api/v1/query_range.
type rangeAnswer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string    `json:"metric"`
			Values [][2]json.RawMessage `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// readRangeJSON reads a saved answer into the same table as a CSV file.
func readRangeJSON(r io.Reader) (*table, error) {
	var answer rangeAnswer
	if err := json.NewDecoder(&budget{r: r, limit: maxRangeJSONBytes, left: maxRangeJSONBytes}).Decode(&answer); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("the JSON ends in the middle; is the file complete?")
		}
		return nil, fmt.Errorf("it is not the JSON of a range query: %w", err)
	}
	switch {
	case answer.Status == "error":
		return nil, fmt.Errorf("it is an answer that failed: %s", clip(answer.Error))
	case answer.Data.ResultType != "matrix":
		return nil, fmt.Errorf("it is the JSON of a %q; want that of a range query, a matrix", clip(answer.Data.ResultType))
	case len(answer.Data.Result) == 0:
		return nil, errors.New("the range query found no series")
	}
	t := &table{nonFinite: make([]int, len(answer.Data.Result))}
	columns := make([]map[int64]float64, len(answer.Data.Result))
	rows := map[int64]bool{}
	for i, s := range answer.Data.Result {
		name := seriesName(s.Metric)
		if slices.Contains(t.columns, name) {
			return nil, fmt.Errorf("series %s is there twice", clip(name))
		}
		t.columns = append(t.columns, name)
		columns[i] = make(map[int64]float64, len(s.Values))
		for _, pair := range s.Values {
			at, v, err := t.samplePair(i, pair)
			if err != nil {
				return nil, fmt.Errorf("series %s: %w", clip(name), err)
			}
			columns[i][at] = v
			rows[at] = true
		}
	}
	if len(rows)*len(columns) > maxTraceCells {
		return nil, fmt.Errorf("it has more than the limit of %d values", maxTraceCells)
	}
	t.times = slices.Sorted(maps.Keys(rows))
	for _, c := range columns {
		values := make([]float64, len(t.times))
		for k, at := range t.times {
			v, ok := c[at]
			if !ok {
				v = math.NaN()
			}
			values[k] = v
		}
		t.values = append(t.values, values)
	}
	if len(t.times) < 2 {
		return nil, errors.New("it has fewer than two samples; the step between them needs at least two")
	}
	return t, nil
}

func (t *table) samplePair(column int, pair [2]json.RawMessage) (at int64, v float64, err error) {
	if at, err = parseTime(string(pair[0])); err != nil {
		return 0, 0, err
	}
	text, err := strconv.Unquote(string(pair[1]))
	if err != nil {
		return 0, 0, fmt.Errorf("%s is not a value in quotes", clip(string(pair[1])))
	}
	v, err = t.parseValue(column, text)
	return at, v, err
}

// seriesName is a column's name for a series: its labels as PromQL writes them.
func seriesName(labels map[string]string) string {
	rest := metrics.Labels{}
	for k, v := range labels {
		if k != "__name__" {
			rest[k] = v
		}
	}
	if labels["__name__"] == "" && len(rest) == 0 {
		return "value"
	}
	return ColumnName(metrics.Signal(labels["__name__"]), rest)
}
