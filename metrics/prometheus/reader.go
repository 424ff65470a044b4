package prometheus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/source"
)

// Read is the latest value of every series of a signal at one instant, sorted
// by labels, as source.Source.Read gives them.
func (r *Reader) Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error) {
	points, err := r.source.Read(ctx, signal, at)
	if err != nil {
		return nil, r.wrap(signal, err)
	}
	return points, nil
}

// Found says what the server has for every signal.
func (r *Reader) Found(ctx context.Context, at time.Time) (source.Found, error) {
	return r.source.Found(ctx, at)
}

// Sources says by which catalogue each signal was read last.
func (r *Reader) Sources() []cluster.Source { return r.source.Sources() }

// store is the server as source.Store.
type store struct{ *Reader }

// Instant asks for a vector.
func (r store) Instant(ctx context.Context, expr string, at time.Time) ([]metrics.Point, error) {
	v, err := r.ask(ctx, false, func(ctx context.Context) (model.Value, v1.Warnings, error) {
		return r.api.Query(ctx, expr, at, v1.WithTimeout(r.cfg.Limits.Timeout), v1.WithLimit(uint64(r.cfg.Limits.Series+1)))
	})
	if err != nil {
		return nil, err
	}
	vector, ok := v.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("the query gives a %s; want an instant vector", v.Type())
	}
	if err := r.checkSeries(len(vector)); err != nil {
		return nil, err
	}
	points := make([]metrics.Point, 0, len(vector))
	for _, s := range vector {
		x := float64(s.Value)
		if s.Histogram != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		labels := make(metrics.Labels, len(s.Metric))
		for name, v := range s.Metric {
			labels[string(name)] = string(v)
		}
		points = append(points, metrics.Point{Labels: labels, Time: s.Timestamp.Time(), Value: x})
	}
	return points, nil
}

func find(q metrics.Query, m model.Metric) metrics.Labels {
	return q.Find(func(label string) string { return string(m[model.LabelName(label)]) })
}

func (r *Reader) checkSeries(n int) error {
	if n > r.cfg.Limits.Series {
		return &failure{why: limitError{"max-series", "the query gives more series", int64(r.cfg.Limits.Series)}.Error(), cause: errTooMany}
	}
	return nil
}

var errTooMany = errors.New("too many series")

// History is what a signal was, on the part of the window that lies on the
// grid of its step: one series a label set, sorted by labels, all on one grid.
// A missing sample is NaN; what was mended is counted. After the first read of
// a signal only what is new is asked for. The values belong to the caller.
func (r *Reader) History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	if w.Step < time.Second || w.Step%time.Second != 0 {
		return nil, r.wrap(signal, fmt.Errorf("the step of %s is not a whole number of seconds", w.Step))
	}
	w = w.OnGrid()
	if n := w.Points(); n == 0 || n > r.cfg.Limits.Samples {
		return nil, r.wrap(signal, fmt.Errorf("the window from %s to %s at %s has %d grid points", w.From, w.To, w.Step, n))
	}
	series, err := r.source.History(ctx, signal, w)
	if err != nil {
		return nil, r.wrap(signal, err)
	}
	return series, nil
}

// Range reads a query over a window, of which only what is new is asked for.
func (r store) Range(ctx context.Context, q metrics.Query, w metrics.Window) ([]metrics.Series, error) {
	c := r.entry(fmt.Sprintf("%s %s", w.Step, q.Expr))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.step == 0 {
		c.step = w.Step
		c.overlap = int64(metrics.RateRange(w.Step, r.cfg.Scrape)/w.Step) + 1
	}
	lo, hi := gridIndex(w.From, w.Step), gridIndex(w.To, w.Step)
	if from, needed := c.missing(lo, hi); needed {
		got, err := r.fetch(ctx, q, grid{lo: from, hi: hi, step: w.Step})
		if err != nil {
			return nil, err
		}
		c.put(from, lo, hi, got)
	}
	return c.get(q.Signal, lo, hi), nil
}

// entry is the cache of one expression and step.
func (r *Reader) entry(key string) *cached {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.cache[key]
	if !ok {
		// A loop asks for a few dozen expressions; more is somebody exploring.
		if len(r.cache) >= 128 {
			clear(r.cache)
		}
		c = &cached{}
		r.cache[key] = c
	}
	return c
}

// gridIndex numbers the grid points of a step since the Unix epoch.
func gridIndex(t time.Time, step time.Duration) int64 { return t.UnixNano() / int64(step) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
