// Package promtest runs Prometheus's own storage and query engine in the test's
// process, with the two query endpoints of its HTTP API before them. It is for
// tests and benchmarks; what decides in the end is the real server in test/e2e.
package promtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Server is an in-process Prometheus.
type Server struct {
	DB  *tsdb.DB
	Dir string // the storage's folder, as a server leaves it behind
	URL string
	// Requests counts what was asked of the HTTP API.
	Requests atomic.Int64
	// Points counts the grid points of the range queries.
	Points atomic.Int64
	engine *promql.Engine
}

// New starts an empty server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = 0
	// History of many days is appended at once, before the head is compacted.
	opts.MinBlockDuration = (60 * 24 * time.Hour).Milliseconds()
	opts.MaxBlockDuration = opts.MinBlockDuration
	db, err := tsdb.Open(dir, nil, nil, opts, nil)
	if err != nil {
		t.Fatalf("opening storage: %v", err)
	}
	s := &Server{DB: db, Dir: dir, engine: NewEngine()}
	web := httptest.NewServer(s)
	s.URL = web.URL
	t.Cleanup(func() {
		web.Close()
		db.Close()
	})
	return s
}

// NewEngine is a query engine with the defaults of a real server.
func NewEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: 2 * time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})
}

// Append adds samples of one series, from start on, step apart. A NaN leaves
// its sample out.
func (s *Server) Append(t testing.TB, series map[string]string, start time.Time, step time.Duration, values ...float64) {
	t.Helper()
	app := s.DB.Appender(context.Background())
	l := labels.FromMap(series)
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		if _, err := app.Append(0, l, start.Add(time.Duration(i)*step).UnixMilli(), v); err != nil {
			t.Fatalf("appending to %s: %v", l, err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatalf("committing: %v", err)
	}
}

// ServeHTTP answers /api/v1/query and /api/v1/query_range as Prometheus does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Requests.Add(1)
	q, err := s.query(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_data", err)
		return
	}
	defer q.Close()
	res := q.Exec(r.Context())
	if res.Err != nil {
		fail(w, http.StatusUnprocessableEntity, "execution", res.Err)
		return
	}
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(res.Value, limit))
}

func (s *Server) query(r *http.Request) (promql.Query, error) {
	expr := r.FormValue("query")
	switch r.URL.Path {
	case "/api/v1/query":
		return s.engine.NewInstantQuery(r.Context(), s.DB, nil, expr, seconds(r.FormValue("time")))
	case "/api/v1/query_range":
		start, end := seconds(r.FormValue("start")), seconds(r.FormValue("end"))
		step, err := strconv.ParseFloat(r.FormValue("step"), 64)
		if err != nil {
			return nil, err
		}
		d := time.Duration(step * float64(time.Second))
		points := int64(end.Sub(start)/d) + 1
		if points > 11_000 {
			return nil, fmt.Errorf("exceeded maximum resolution of 11,000 points per timeseries")
		}
		s.Points.Add(points)
		return s.engine.NewRangeQuery(r.Context(), s.DB, nil, expr, start, end, d)
	}
	return nil, fmt.Errorf("no such endpoint: %s", r.URL.Path)
}

func seconds(text string) time.Time {
	f, _ := strconv.ParseFloat(text, 64)
	return time.UnixMilli(int64(math.Round(f * 1000)))
}

func fail(w http.ResponseWriter, code int, kind string, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": err.Error()})
}

func encode(v parser.Value, limit int) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"` + string(v.Type()) + `","result":[`)
	switch v := v.(type) {
	case promql.Vector:
		for i, x := range v {
			if limit > 0 && i == limit {
				break
			}
			b = comma(b, i)
			b = append(metric(b, x.Metric), `,"value":`...)
			b = append(sample(b, x.T, x.F), '}')
		}
	case promql.Matrix:
		for i, x := range v {
			if limit > 0 && i == limit {
				break
			}
			b = comma(b, i)
			b = append(metric(b, x.Metric), `,"values":[`...)
			for k, p := range x.Floats {
				b = sample(comma(b, k), p.T, p.F)
			}
			b = append(b, "]}"...)
		}
	}
	return append(b, "]}}"...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func metric(b []byte, l labels.Labels) []byte {
	text, _ := json.Marshal(l.Map())
	return append(append(b, `{"metric":`...), text...)
}

func sample(b []byte, t int64, v float64) []byte {
	b = strconv.AppendFloat(append(b, '['), float64(t)/1000, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, `,"`...), v, 'f', -1, 64)
	return append(b, `"]`...)
}

// Dump writes every sample as text that other stores import, with times in milliseconds.
func (s *Server) Dump(t testing.TB, w io.Writer) {
	t.Helper()
	q, err := s.DB.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatalf("reading storage: %v", err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		series := set.At()
		name := series.Labels().Get("__name__")
		var with []string
		series.Labels().Range(func(l labels.Label) {
			if l.Name != "__name__" {
				with = append(with, fmt.Sprintf("%s=%q", l.Name, l.Value))
			}
		})
		it := series.Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			fmt.Fprintf(w, "%s{%s} %v %d\n", name, strings.Join(with, ","), v, at)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatalf("reading storage: %v", err)
	}
}

// RangeHead is all that the storage's head holds, for compacting it into a
// block.
func RangeHead(db *tsdb.DB) *tsdb.RangeHead {
	return tsdb.NewRangeHead(db.Head(), db.Head().MinTime(), db.Head().MaxTime())
}
