package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// Found is what a store has for every signal, and by what.
type Found struct {
	At        time.Time   `json:"at"`
	Exporters []Exporter  `json:"exporters"`
	Signals   []Candidate `json:"signals"` // one a signal, sorted by it
	// Scrape is how often the brokers are scraped.
	Scrape time.Duration `json:"-"`
	// Remarks are what a person should know, in words.
	Remarks []string `json:"remarks,omitempty"`
}

// Candidate is how one signal can be had.
type Candidate struct {
	Signal metrics.Signal `json:"signal"`
	// Catalogue and Query say by what it is read; "" where it is not.
	Catalogue string          `json:"catalogue,omitempty"`
	Query     string          `json:"query,omitempty"`
	Points    []metrics.Point `json:"-"`      // what it reads now
	Series    int             `json:"series"` // of the answer
	// Others are the catalogues that could tell it, too, or could if nothing stood
	// against them.
	Others []string `json:"others,omitempty"`
	// Why says why it is not read; "" when it is.
	Why string `json:"why,omitempty"`
}

// Found reads every signal once and says by what.
func (s *Source) Found(ctx context.Context, at time.Time) (Found, error) {
	plan, err := s.Plan(ctx, at)
	if err != nil {
		return Found{}, err
	}
	f := Found{At: at, Exporters: plan.Exporters, Scrape: plan.Scrape}
	for i := range plan.Exporters {
		for _, r := range plan.Exporters[i].remarks(s.cfg) {
			f.Remarks = append(f.Remarks, plan.Exporters[i].Catalogue+": "+r)
		}
	}
	for _, signal := range slices.Sorted(maps.Keys(metrics.Signals)) {
		c, err := s.candidate(ctx, plan, signal, at)
		if err != nil {
			return Found{}, err
		}
		f.Signals = append(f.Signals, c)
	}
	return f, nil
}

func (s *Source) candidate(ctx context.Context, plan *Plan, signal metrics.Signal, at time.Time) (Candidate, error) {
	c := Candidate{Signal: signal}
	points, by, err := s.read(ctx, signal, at)
	switch {
	case errors.Is(err, metrics.ErrSource) || ctx.Err() != nil:
		return c, err
	case err != nil:
		c.Why = err.Error()
	case len(points) == 0:
		c.Why = s.absent(plan, signal)
	default:
		c.Catalogue, c.Points, c.Series = by.Catalogue, points, len(points)
		if bound, err := plan.bind(by, s.cfg, 0); err == nil {
			c.Query = bound.Expr
		}
	}
	for _, q := range s.cfg.Catalogue.For(signal) {
		if _, err := plan.bind(q, s.cfg, 0); !errors.Is(err, errAbsent) && q.Catalogue != c.Catalogue && q.Unfit == "" &&
			!slices.Contains(c.Others, q.Catalogue) {
			c.Others = append(c.Others, q.Catalogue)
		}
	}
	return c, nil
}

// absent is why a signal has no series, where no query failed.
func (s *Source) absent(plan *Plan, signal metrics.Signal) string {
	queries := s.cfg.Catalogue.For(signal)
	switch {
	case len(queries) == 0:
		return "no catalogue has a query for it"
	case len(s.cfg.Catalogue.Probes) > 0 && len(plan.Exporters) == 0:
		return "no exporter of brokers is found: nothing that a catalogue knows is there under the selector"
	}
	return "no series: it is not exported, or the selector leaves it out"
}
