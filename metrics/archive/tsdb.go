package archive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/internal/tsdbread"
)

// TSDBOptions says how a Prometheus data folder is asked. It is what
// prometheus.Config says of a server.
type TSDBOptions struct {
	Catalogue metrics.Catalogue
	Selector  string
	Scrape    time.Duration // zero is 30 s
	MaxSeries int           // of one query; zero is 20,000
}

// TSDB answers the queries of a catalogue from a Prometheus data folder, or a
// copy or snapshot of one, with Prometheus's own formats and query engine and
// no server. The folder is only read.
type TSDB struct {
	opts   TSDBOptions
	dir    string
	data   *tsdbread.DB
	engine *promql.Engine
	// mu: one query at a time keeps the memory of a planner's machine bounded.
	mu sync.Mutex
}

// How a folder is asked; the first two as prometheus.Config asks a server.
const (
	defaultScrape    = 30 * time.Second
	defaultMaxSeries = 20_000
	engineSamples    = 50_000_000       // Prometheus' --query.max-samples
	engineTimeout    = 10 * time.Minute // of one query; a planner's machine may be slow
	lookback         = 5 * time.Minute  // Prometheus' --query.lookback-delta
)

// OpenTSDB opens a data folder: its blocks, and what its write-ahead log holds
// beyond them. Close it.
func OpenTSDB(dir string, opts TSDBOptions) (*TSDB, error) {
	if opts.Scrape == 0 {
		opts.Scrape = defaultScrape
	}
	if opts.MaxSeries == 0 {
		opts.MaxSeries = defaultMaxSeries
	}
	t := &TSDB{opts: opts, dir: dir, engine: promql.NewEngine(promql.EngineOpts{
		MaxSamples: engineSamples, Timeout: engineTimeout, LookbackDelta: lookback,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})}
	var err error
	if t.data, err = tsdbread.Open(dir); err != nil {
		return nil, fmt.Errorf("opening Prometheus data in %s: %w", dir, err)
	}
	return t, nil
}

// Close releases the blocks.
func (t *TSDB) Close() error { return t.data.Close() }

// Range is the time of the first and the last sample, as the blocks bound it.
func (t *TSDB) Range() (from, to time.Time) {
	first, last := t.data.Range()
	return time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
}

// Read is a signal's series at one instant, as prometheus.Reader.Read gives
// them.
func (t *TSDB) Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error) {
	var failed error
	for _, q := range t.opts.Catalogue.For(signal) {
		points, err := t.readOne(ctx, q, at)
		if err != nil && failed == nil {
			failed = t.wrap(signal, err)
		}
		if len(points) > 0 {
			return points, nil
		}
	}
	return nil, failed
}

func (t *TSDB) readOne(ctx context.Context, q metrics.Query, at time.Time) ([]metrics.Point, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	query, err := t.engine.NewInstantQuery(ctx, t.data, nil, q.Render(t.opts.Selector, 0, t.opts.Scrape), at)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	res := query.Exec(ctx)
	vector, err := res.Vector()
	if err != nil {
		return nil, err
	}
	if err := t.checkSeries(len(vector)); err != nil {
		return nil, err
	}
	seen := map[string]labels.Labels{}
	var points []metrics.Point
	for _, s := range vector {
		v := q.Scaled(s.F)
		if s.H != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		l := q.Find(s.Metric.Get)
		key := l.Key()
		if other, ok := seen[key]; ok {
			return nil, fmt.Errorf("two series stand for %s (%s and %s): narrow the selector to one cluster", key, other, s.Metric)
		}
		seen[key] = s.Metric
		points = append(points, metrics.Point{Labels: l, Time: time.UnixMilli(s.T).UTC(), Value: v})
	}
	slices.SortFunc(points, func(a, b metrics.Point) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
	return points, nil
}

// History is what a signal was, as prometheus.Reader.History gives it.
func (t *TSDB) History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	w = w.OnGrid()
	if n := w.Points(); w.Step < time.Second || w.Step%time.Second != 0 || n == 0 || n > maxTraceCells {
		return nil, t.wrap(signal, fmt.Errorf("the window from %s to %s at %s is not a grid of whole seconds", w.From, w.To, w.Step))
	}
	queries := t.opts.Catalogue.For(signal)
	if len(queries) == 0 {
		return nil, t.wrap(signal, fmt.Errorf("catalogue %s has no query for it", t.opts.Catalogue.Name))
	}
	var failed error
	for _, q := range queries {
		series, err := t.historyOne(ctx, q, w)
		if err != nil && failed == nil {
			failed = t.wrap(signal, err)
		}
		if len(series) > 0 {
			return series, nil
		}
	}
	return nil, failed
}

// pointsAtOnce bounds what the engine holds of one range query.
const pointsAtOnce = 2000

func (t *TSDB) historyOne(ctx context.Context, q metrics.Query, w metrics.Window) ([]metrics.Series, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	expr := q.Render(t.opts.Selector, w.Step, t.opts.Scrape)
	into := metrics.NewAssembly(w)
	for from := w.From; !from.After(w.To); from = from.Add(pointsAtOnce * w.Step) {
		to := from.Add((pointsAtOnce - 1) * w.Step)
		if to.After(w.To) {
			to = w.To
		}
		if err := t.part(ctx, q, expr, metrics.Window{From: from, To: to, Step: w.Step}, into); err != nil {
			return nil, err
		}
		if n := len(into.Lines) * w.Points(); n > maxTraceCells {
			return nil, fmt.Errorf(
				"%d series of %d points are more than the limit of %d samples allows",
				len(into.Lines),
				w.Points(),
				maxTraceCells,
			)
		}
	}
	return into.Series(q.Signal), nil
}

func (t *TSDB) part(ctx context.Context, q metrics.Query, expr string, w metrics.Window, into *metrics.Assembly) error {
	query, err := t.engine.NewRangeQuery(ctx, t.data, nil, expr, w.From, w.To, w.Step)
	if err != nil {
		return err
	}
	defer query.Close()
	res := query.Exec(ctx)
	matrix, err := res.Matrix()
	if err != nil {
		return err
	}
	if err := t.checkSeries(len(matrix)); err != nil {
		return err
	}
	for _, s := range matrix {
		if len(s.Floats) == 0 {
			continue
		}
		l := into.Line(q.Find(s.Metric.Get))
		for _, p := range s.Floats {
			l.Put(p.T, q.Scaled(p.F))
		}
	}
	return nil
}

func (t *TSDB) checkSeries(n int) error {
	if n > t.opts.MaxSeries {
		return fmt.Errorf("the query gives %d series, more than the limit max-series of %d allows; "+
			"narrow the selector or raise the limit", n, t.opts.MaxSeries)
	}
	return nil
}

func (t *TSDB) wrap(signal metrics.Signal, err error) error {
	return fmt.Errorf("reading %s from %s: %w", signal, t.dir, err)
}
