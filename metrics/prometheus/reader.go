package prometheus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/tidetable/tidetable/metrics"
)

// Read is the latest value of every series of a signal at one instant, sorted
// by labels. Values that are not finite are left out. No series is an empty
// answer, not an error. Of several queries in the catalogue the first with
// data wins.
func (r *Reader) Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error) {
	var failed error
	for _, q := range r.cfg.Catalogue.For(signal) {
		points, err := r.readOne(ctx, q, at)
		if errors.Is(err, metrics.ErrSource) || ctx.Err() != nil {
			return nil, r.wrap(signal, err)
		}
		if err != nil && failed == nil {
			failed = r.wrap(signal, err)
		}
		if len(points) > 0 {
			return points, nil
		}
	}
	return nil, failed
}

func (r *Reader) readOne(ctx context.Context, q metrics.Query, at time.Time) ([]metrics.Point, error) {
	expr := q.Render(r.cfg.Selector, 0, r.cfg.Scrape)
	v, err := r.ask(ctx, func(ctx context.Context) (model.Value, v1.Warnings, error) {
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
	seen := make(map[string]model.Metric, len(vector))
	points := make([]metrics.Point, 0, len(vector))
	for _, s := range vector {
		x := q.Scaled(float64(s.Value))
		if s.Histogram != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		labels := find(q, s.Metric)
		key := labels.Key()
		if other, ok := seen[key]; ok {
			return nil, fmt.Errorf("two series stand for %s (%s and %s): narrow the selector to one cluster", key, other, s.Metric)
		}
		seen[key] = s.Metric
		points = append(points, metrics.Point{Labels: labels, Time: s.Timestamp.Time(), Value: x})
	}
	slices.SortFunc(points, func(a, b metrics.Point) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
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
	queries := r.cfg.Catalogue.For(signal)
	if len(queries) == 0 {
		return nil, r.wrap(signal, fmt.Errorf("catalogue %s has no query for it", r.cfg.Catalogue.Name))
	}
	var failed error
	for _, q := range queries {
		series, err := r.historyOne(ctx, q, w)
		if errors.Is(err, metrics.ErrSource) || ctx.Err() != nil {
			return nil, r.wrap(signal, err)
		}
		if err != nil && failed == nil {
			failed = r.wrap(signal, err)
		}
		if len(series) > 0 {
			return series, nil
		}
	}
	return nil, failed
}

func (r *Reader) historyOne(ctx context.Context, q metrics.Query, w metrics.Window) ([]metrics.Series, error) {
	expr := q.Render(r.cfg.Selector, w.Step, r.cfg.Scrape)
	c := r.entry(fmt.Sprintf("%s %s", w.Step, expr))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.step == 0 {
		c.step = w.Step
		c.overlap = int64(metrics.RateRange(w.Step, r.cfg.Scrape)/w.Step) + 1
	}
	lo, hi := gridIndex(w.From, w.Step), gridIndex(w.To, w.Step)
	if from, needed := c.missing(lo, hi); needed {
		got, err := r.fetch(ctx, q, expr, grid{lo: from, hi: hi, step: w.Step})
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
