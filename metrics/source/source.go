// Package source answers signals from whatever speaks PromQL: a server, or a folder of
// its data. It finds out what is exported and by whom, and picks a catalogue's query for
// each signal by that; it takes what is there twice once, and refuses what is of two
// clusters.
package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// Store answers PromQL. Its errors wrap metrics.ErrSource where the store itself failed,
// and metrics.ErrPartial where an answer is known to lack something.
type Store interface {
	// Instant is a vector with all labels of each of its series. Values that are not
	// finite are left out.
	Instant(ctx context.Context, expr string, at time.Time) ([]metrics.Point, error)
	// Range is a query's expression over a window on the grid of its step, put together
	// by the query's labels.
	Range(ctx context.Context, q metrics.Query, w metrics.Window) ([]metrics.Series, error)
}

// Config says what is asked of a store.
type Config struct {
	Catalogue metrics.Catalogue
	Selector  string        // PromQL matchers that pick one cluster
	Scrape    time.Duration // how often the brokers are scraped; where more seldom is seen, that counts
}

// Source answers signals. It is safe for concurrent use.
type Source struct {
	store    Store
	cfg      Config
	planning chan struct{} // holds one who finds out what is exported

	mu      sync.Mutex
	planned *Plan
	failed  error // to plan, and when: other signals of the same round need not try
	at      time.Time
	chosen  map[metrics.Signal]string // catalogues, by what they answered last
}

// New is a source on a store.
func New(store Store, cfg Config) *Source {
	return &Source{store: store, cfg: cfg, planning: make(chan struct{}, 1)}
}

// Read is the latest value of every series of a signal at one instant, sorted by labels.
// Values that are not finite are left out. No series is an empty answer, not an error. Of
// several queries in the catalogue the first with data wins. Where the brokers' ids are
// not in the labels, Point.Names says what they are called.
func (s *Source) Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error) {
	points, by, err := s.read(ctx, signal, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chosen == nil {
		s.chosen = map[metrics.Signal]string{}
	}
	if s.chosen[signal] = by.Catalogue; by.Catalogue == "" {
		delete(s.chosen, signal)
	}
	return points, err
}

// Sources is by which catalogue each signal was read last, and what there is to remark.
func (s *Source) Sources() []cluster.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := map[string]*cluster.Source{}
	of := func(catalogue string) *cluster.Source {
		if by[catalogue] == nil {
			by[catalogue] = &cluster.Source{Catalogue: catalogue, Signals: []cluster.Signal{}}
		}
		return by[catalogue]
	}
	for _, signal := range slices.Sorted(maps.Keys(s.chosen)) {
		x := of(s.chosen[signal])
		x.Signals = append(x.Signals, signal)
	}
	if s.planned != nil {
		for _, x := range s.planned.Exporters {
			if remarks := x.remarks(s.cfg); len(remarks) > 0 {
				of(x.Catalogue).Remarks = remarks
			}
		}
	}
	out := make([]cluster.Source, 0, len(by))
	for _, catalogue := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[catalogue])
	}
	return out
}

// read is Read, and the query that answered.
func (s *Source) read(ctx context.Context, signal metrics.Signal, at time.Time) (points []metrics.Point, by metrics.Query, err error) {
	plan, err := s.Plan(ctx, at)
	if err != nil {
		return nil, by, err
	}
	var failed error
	for _, q := range s.cfg.Catalogue.For(signal) {
		bound, err := plan.bind(q, s.cfg, 0)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err == nil {
			err = plan.misread(q)
		}
		if err == nil {
			points, err = s.readOne(ctx, plan, bound, at)
		}
		if err == nil && len(points) > 0 && q.Unfit != "" {
			points, err = nil, unfit(q)
		}
		if ends(ctx, err) {
			return nil, by, err
		}
		if err != nil && failed == nil {
			failed = err
		}
		if len(points) > 0 {
			return points, q, nil
		}
	}
	return nil, by, failed
}

// unfit is why what a query found is not taken.
func unfit(q metrics.Query) error {
	return fmt.Errorf("%s is there, and is not it: %s", strings.Join(metrics.Metrics(q.Expr), ", "), q.Unfit)
}

// ends tells whether no other query is worth asking: what it gives could not be trusted
// to be the better answer.
func ends(ctx context.Context, err error) bool {
	return errors.Is(err, metrics.ErrSource) || errors.Is(err, metrics.ErrPartial) || ctx.Err() != nil
}

func (s *Source) readOne(ctx context.Context, plan *Plan, q metrics.Query, at time.Time) ([]metrics.Point, error) {
	vector, err := s.store.Instant(ctx, q.Expr, at)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]metrics.Labels, len(vector))
	points := make([]metrics.Point, 0, len(vector))
	for _, v := range vector {
		p, ours := plan.point(q, v)
		if !ours || math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			continue
		}
		key := p.Labels.Key()
		if other, ok := seen[key]; ok {
			return nil, fmt.Errorf("two series stand for %s (%s and %s): narrow the selector to one cluster", key, shown(other), shown(v.Labels))
		}
		seen[key] = v.Labels
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b metrics.Point) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
	return points, nil
}

// shown is labels as PromQL writes them.
func shown(l metrics.Labels) string {
	var parts []string
	for name, v := range l {
		parts = append(parts, fmt.Sprintf("%s=%q", name, v))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

// History is what a signal was, on the part of the window that lies on the grid of its
// step: one series a label set, sorted by labels, all on one grid. A missing sample is
// NaN; so is a sum over brokers while one of them was not scraped.
func (s *Source) History(ctx context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	queries := s.cfg.Catalogue.For(signal)
	if len(queries) == 0 {
		return nil, fmt.Errorf("catalogue %s has no query for it", s.cfg.Catalogue.Name)
	}
	plan, err := s.Plan(ctx, w.To)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, q := range queries {
		bound, err := plan.bind(q, s.cfg, w.Step)
		if errors.Is(err, errAbsent) {
			continue
		}
		var series []metrics.Series
		if err == nil {
			err = plan.misread(q)
		}
		switch {
		case err == nil && q.Unfit != "":
			err = unfit(q)
		case err == nil:
			series, err = s.historyOne(ctx, plan, q, bound, w)
		}
		if ends(ctx, err) {
			return nil, err
		}
		if err != nil && failed == nil {
			failed = err
		}
		if len(series) > 0 {
			return series, nil
		}
	}
	return nil, failed
}

func (s *Source) historyOne(ctx context.Context, plan *Plan, q, bound metrics.Query, w metrics.Window) ([]metrics.Series, error) {
	series, err := s.store.Range(ctx, bound, w)
	if err != nil || len(series) == 0 {
		return nil, err
	}
	if err := onlyGrows(q, series); err != nil {
		return nil, err
	}
	if x := plan.exporter(q.Catalogue); x != nil && q.ByBroker() && !q.PerBroker() {
		scraped, err := s.store.Range(ctx, plan.presence(x, w.Step), w)
		if err != nil {
			return nil, err
		}
		blank(series, metrics.Gaps(scraped))
	}
	return plan.named(bound, series), nil
}

// blank makes gaps of grid points.
func blank(series []metrics.Series, gap []bool) {
	for i := range series {
		for k := range min(len(gap), len(series[i].Values)) {
			if gap[k] && !math.IsNaN(series[i].Values[k]) {
				series[i].Values[k] = math.NaN()
				series[i].Mended.Missing++
			}
		}
	}
}
