package archive

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/internal/tsdbread"
	"github.com/tidetable/tidetable/metrics/source"
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
	source *source.Source
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
	t.source = source.New(folder{t}, source.Config{Catalogue: opts.Catalogue, Selector: opts.Selector, Scrape: opts.Scrape})
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
	points, err := t.source.Read(ctx, signal, at)
	if err != nil {
		return nil, t.wrap(signal, err)
	}
	return points, nil
}

// Found says what the folder has for every signal.
func (t *TSDB) Found(ctx context.Context, at time.Time) (source.Found, error) {
	return t.source.Found(ctx, at)
}

// Sources says by which catalogue each signal was read last.
func (t *TSDB) Sources() []cluster.Source { return t.source.Sources() }

// folder is the folder as source.Store.
type folder struct{ *TSDB }

// Instant evaluates an expression at one time.
func (t folder) Instant(ctx context.Context, expr string, at time.Time) ([]metrics.Point, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	query, err := t.engine.NewInstantQuery(ctx, t.data, nil, expr, at)
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
	points := make([]metrics.Point, 0, len(vector))
	for _, s := range vector {
		if s.H != nil || math.IsNaN(s.F) || math.IsInf(s.F, 0) {
			continue
		}
		points = append(points, metrics.Point{Labels: s.Metric.Map(), Time: time.UnixMilli(s.T).UTC(), Value: s.F})
	}
	return points, nil
}

// History is what a signal was, as prometheus.Reader.History gives it.
func (t *TSDB) History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	w = w.OnGrid()
	if n := w.Points(); w.Step < time.Second || w.Step%time.Second != 0 || n == 0 || n > maxTraceCells {
		return nil, t.wrap(signal, fmt.Errorf("the window from %s to %s at %s is not a grid of whole seconds", w.From, w.To, w.Step))
	}
	series, err := t.source.History(ctx, signal, w)
	if err != nil {
		return nil, t.wrap(signal, err)
	}
	return series, nil
}

// pointsAtOnce bounds what the engine holds of one range query.
const pointsAtOnce = 2000

// Range evaluates a query over a window.
func (t folder) Range(ctx context.Context, q metrics.Query, w metrics.Window) ([]metrics.Series, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	into := metrics.NewAssembly(w)
	for from := w.From; !from.After(w.To); from = from.Add(pointsAtOnce * w.Step) {
		to := from.Add((pointsAtOnce - 1) * w.Step)
		if to.After(w.To) {
			to = w.To
		}
		if err := t.part(ctx, q, metrics.Window{From: from, To: to, Step: w.Step}, into); err != nil {
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

func (t *TSDB) part(ctx context.Context, q metrics.Query, w metrics.Window, into *metrics.Assembly) error {
	query, err := t.engine.NewRangeQuery(ctx, t.data, nil, q.Expr, w.From, w.To, w.Step)
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
