// Package tsdbread reads a Prometheus data folder, or a copy or snapshot of one:
// its blocks, and what its write-ahead log holds beyond them. It stands on the
// parts that Prometheus' storage is made of and not on the storage itself, which
// brings every cloud's SDK with it through the configuration of remote writes
// (docs/decisions/offline-tsdb.md). Nothing is written anywhere.
package tsdbread

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// DB is a data folder opened for reading. It satisfies storage.Queryable.
type DB struct {
	parts []part
}

// part is a block or the head.
type part interface {
	span() (from, until int64) // milliseconds; until is exclusive
	// selected is the series that match and have samples within [mint, maxt],
	// sorted by labels.
	selected(ctx context.Context, mint, maxt int64, matchers []*labels.Matcher) ([]storage.Series, error)
	close() error
}

// blockName is a ULID, which is what block folders are called.
var blockName = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

// Open opens a data folder. Close it.
func Open(dir string) (*DB, error) {
	d := &DB{}
	if err := d.open(dir); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *DB) open(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	blocksUntil := int64(math.MinInt64)
	for _, e := range entries {
		if !e.IsDir() || !blockName.MatchString(e.Name()) {
			continue
		}
		b, err := openBlock(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("block %s: %w", e.Name(), err)
		}
		d.parts = append(d.parts, b)
		if b.inOrder {
			blocksUntil = max(blocksUntil, b.until)
		}
	}
	h, err := readHead(filepath.Join(dir, "wal"), blocksUntil)
	if err != nil {
		return fmt.Errorf("reading its write-ahead log: %w", err)
	}
	if h.first <= h.last {
		d.parts = append(d.parts, h)
	}
	if len(d.parts) == 0 {
		return errors.New(
			"it holds neither blocks nor a write-ahead log; want the folder that --storage.tsdb.path names, or a snapshot of it",
		)
	}
	return nil
}

// Close releases the blocks.
func (d *DB) Close() error {
	var errs []error
	for _, p := range d.parts {
		errs = append(errs, p.close())
	}
	d.parts = nil
	return errors.Join(errs...)
}

// Range is the time of the first and the last sample in Unix milliseconds, as
// the blocks bound it.
func (d *DB) Range() (first, last int64) {
	first, until := int64(math.MaxInt64), int64(math.MinInt64)
	for _, p := range d.parts {
		lo, hi := p.span()
		first, until = min(first, lo), max(until, hi)
	}
	return first, until - 1
}

// Querier merges the parts that a time range touches.
func (d *DB) Querier(mint, maxt int64) (storage.Querier, error) {
	var queriers []storage.Querier
	for _, p := range d.parts {
		if from, until := p.span(); until > mint && from <= maxt {
			queriers = append(queriers, &querier{storage.NoopQuerier(), p, mint, maxt})
		}
	}
	return storage.NewMergeQuerier(queriers, nil, storage.ChainedSeriesMerge), nil
}

// querier selects from one part. The query engine asks for nothing else.
type querier struct {
	storage.LabelQuerier
	part       part
	mint, maxt int64
}

// Select is the series that match, sorted, whether asked for or not.
func (q *querier) Select(ctx context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	all, err := q.part.selected(ctx, q.mint, q.maxt, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	return &seriesSet{SeriesSet: storage.EmptySeriesSet(), all: all}
}

// seriesSet walks a list.
type seriesSet struct {
	storage.SeriesSet // no error, no warning
	all               []storage.Series
	at                int
}

// Next goes to the next series.
func (s *seriesSet) Next() bool { s.at++; return s.at <= len(s.all) }

// At is the series that Next went to.
func (s *seriesSet) At() storage.Series { return s.all[s.at-1] }

// series is one series whose samples are in chunks.
func series(l labels.Labels, chunks []chunkenc.Chunk) storage.Series {
	return &storage.SeriesEntry{Lset: l, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
		its := make([]chunkenc.Iterator, len(chunks))
		for i, c := range chunks {
			its[i] = c.Iterator(nil)
		}
		return storage.ChainSampleIteratorFromIterators(nil, its)
	}}
}

// without is a chunk without the samples that were deleted; nil when none is
// left. Of a chunk that loses samples only numbers are kept.
func without(c chunkenc.Chunk, deleted tombstones.Intervals) (chunkenc.Chunk, error) {
	gone := func(t int64) bool {
		return slices.ContainsFunc(deleted, func(i tombstones.Interval) bool { return i.InBounds(t) })
	}
	rest := chunkenc.NewXORChunk()
	to, err := rest.Appender()
	if err != nil {
		return nil, err
	}
	it := c.Iterator(nil)
	for v := it.Next(); v != chunkenc.ValNone; v = it.Next() {
		if t := it.AtT(); v == chunkenc.ValFloat && !gone(t) {
			_, x := it.At()
			to.Append(0, t, x)
		}
	}
	switch {
	case it.Err() != nil:
		return nil, it.Err()
	case rest.NumSamples() == 0:
		return nil, nil
	}
	return rest, nil
}
