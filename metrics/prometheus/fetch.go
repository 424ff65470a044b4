package prometheus

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/metrics"
)

const (
	// firstPoints is the size of the first request of a read. It is small,
	// because only its answer tells how many series there are.
	firstPoints = 64
	// samplesPerRequest keeps one response near 7 MB of JSON.
	samplesPerRequest = 250_000
)

// grid is the points lo to hi of a step, numbered since the epoch.
type grid struct {
	lo, hi int64
	step   time.Duration
}

func (g grid) points() int { return int(g.hi-g.lo) + 1 }

func (g grid) window() metrics.Window {
	return metrics.Window{From: time.Unix(0, g.lo*int64(g.step)), To: time.Unix(0, g.hi*int64(g.step)), Step: g.step}
}

// fetch reads an expression over a grid in requests of bounded size: the
// newest first, then the others at once.
func (r *Reader) fetch(ctx context.Context, q metrics.Query, g grid) (map[string]*metrics.Line, error) {
	into := metrics.NewAssembly(g.window())
	first := grid{lo: max(g.lo, g.hi-firstPoints+1), hi: g.hi, step: g.step}
	newest, err := r.split(ctx, q.Expr, first)
	if err != nil {
		return nil, err
	}
	series := 0
	for _, m := range newest {
		series = max(series, len(m))
	}
	if err := r.checkSize(series, g); err != nil {
		return nil, err
	}
	for _, m := range newest {
		add(into, q, m)
	}
	if first.lo == g.lo {
		return into.Lines, nil
	}
	chunk := int64(min(r.cfg.Limits.Points, max(firstPoints, samplesPerRequest/max(series, 1))))
	if longest := r.longest.Load(); longest > 0 {
		chunk = max(1, min(chunk, longest/int64(g.step)+1))
	}
	matrices := make(chan model.Matrix, r.cfg.Limits.Concurrency)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.cfg.Limits.Concurrency)
	go func() {
		for hi := first.lo - 1; hi >= g.lo; hi -= chunk {
			part := grid{lo: max(g.lo, hi-chunk+1), hi: hi, step: g.step}
			group.Go(func() error {
				all, err := r.split(ctx, q.Expr, part)
				for _, m := range all {
					select {
					case matrices <- m:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return err
			})
		}
		_ = group.Wait() // asked again below
		close(matrices)
	}()
	var tooLarge error
	for m := range matrices {
		if tooLarge == nil {
			add(into, q, m)
			if tooLarge = r.checkSize(len(into.Lines), g); tooLarge != nil {
				cancel()
			}
		}
	}
	err = group.Wait()
	if tooLarge != nil {
		return nil, tooLarge
	}
	return into.Lines, err
}

func (r *Reader) checkSize(series int, g grid) error {
	if err := r.checkSeries(series); err != nil {
		return err
	}
	if n := series * g.points(); n > r.cfg.Limits.Samples {
		return &failure{why: limitError{"max-samples", fmt.Sprintf("%d series of %d points are more", series, g.points()),
			int64(r.cfg.Limits.Samples)}.Error(), cause: errTooMany}
	}
	return nil
}

// split reads a part of a range, in halves where the server finds it too long.
func (r *Reader) split(ctx context.Context, expr string, g grid) ([]model.Matrix, error) {
	m, err := r.ranged(ctx, expr, g)
	var long tooLong
	switch {
	case err == nil:
		return []model.Matrix{m}, nil
	case !errors.As(err, &long) || g.points() < 2:
		return nil, err
	}
	half := g.hi - int64(g.points()/2)
	if long.limit > 0 {
		// The server says what it takes: the other parts of the range are asked so.
		r.longest.Store(int64(long.limit))
		half = max(half, g.hi-int64(long.limit/g.step)-1)
	}
	newer, err := r.split(ctx, expr, grid{lo: half + 1, hi: g.hi, step: g.step})
	if err != nil {
		return nil, err
	}
	older, err := r.split(ctx, expr, grid{lo: g.lo, hi: half, step: g.step})
	return append(newer, older...), err
}

// ranged sends one range query.
func (r *Reader) ranged(ctx context.Context, expr string, g grid) (model.Matrix, error) {
	w := g.window()
	v, err := r.ask(ctx, true, func(ctx context.Context) (model.Value, v1.Warnings, error) {
		return r.api.QueryRange(ctx, expr, v1.Range{Start: w.From, End: w.To, Step: w.Step},
			v1.WithTimeout(r.cfg.Limits.Timeout), v1.WithLimit(uint64(r.cfg.Limits.Series+1)))
	})
	if err != nil {
		return nil, err
	}
	matrix, ok := v.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("the query gives a %s; want a range vector", v.Type())
	}
	return matrix, r.checkSeries(len(matrix))
}

// add puts one response on the grid.
func add(into *metrics.Assembly, q metrics.Query, matrix model.Matrix) {
	for _, stream := range matrix {
		if len(stream.Values) == 0 {
			continue
		}
		l := into.Line(find(q, stream.Metric))
		for _, s := range stream.Values {
			l.Put(int64(s.Timestamp), q.Scaled(float64(s.Value)))
		}
	}
}
