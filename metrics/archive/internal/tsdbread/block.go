package tsdbread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// block is one block folder.
type block struct {
	from, until int64
	inOrder     bool // the log's samples go on where the block ends
	index       *index.Reader
	chunks      *chunks.Reader
	deleted     tombstones.Reader
}

// besideTheLog are the hints of blocks that do not end where the log's samples
// begin: of samples that came late, and of series that went.
var besideTheLog = []string{"from-out-of-order", "from-stale-series"}

func openBlock(dir string) (b *block, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, err
	}
	var meta struct {
		Version          int
		MinTime, MaxTime int64
		Compaction       struct{ Hints []string }
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return nil, fmt.Errorf("meta.json: %w", err)
	}
	if meta.Version != 1 {
		return nil, fmt.Errorf("meta.json: is of version %d, and this program reads version 1", meta.Version)
	}
	b = &block{from: meta.MinTime, until: meta.MaxTime,
		inOrder: !slices.ContainsFunc(meta.Compaction.Hints, func(hint string) bool { return slices.Contains(besideTheLog, hint) })}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.index, err = index.NewFileReader(filepath.Join(dir, "index"), index.DecodePostingsRaw); err != nil {
		return nil, err
	}
	if b.chunks, err = chunks.NewDirReader(filepath.Join(dir, "chunks"), nil); err != nil {
		return nil, err
	}
	if b.deleted, _, err = tombstones.ReadTombstones(dir); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *block) span() (from, until int64) { return b.from, b.until }

func (b *block) close() error {
	var errs []error
	if b.index != nil {
		errs = append(errs, b.index.Close())
	}
	if b.chunks != nil {
		errs = append(errs, b.chunks.Close())
	}
	if b.deleted != nil {
		errs = append(errs, b.deleted.Close())
	}
	return errors.Join(errs...)
}

func (b *block) selected(ctx context.Context, mint, maxt int64, matchers []*labels.Matcher) ([]storage.Series, error) {
	matching, err := b.postings(ctx, matchers)
	if err != nil {
		return nil, err
	}
	var (
		out     []storage.Series
		builder labels.ScratchBuilder
		metas   []chunks.Meta
	)
	for matching.Next() { // a block's series are in the order of their labels
		if err := b.index.Series(matching.At(), &builder, &metas); err != nil {
			return nil, err
		}
		deleted, err := b.deleted.Get(matching.At())
		if err != nil {
			return nil, err
		}
		within, err := b.within(metas, deleted, mint, maxt)
		if err != nil {
			return nil, err
		}
		if len(within) > 0 {
			out = append(out, series(builder.Labels(), within))
		}
	}
	return out, matching.Err()
}

// within is the chunks that overlap [mint, maxt], without what was deleted.
func (b *block) within(metas []chunks.Meta, deleted tombstones.Intervals, mint, maxt int64) (out []chunkenc.Chunk, err error) {
	for _, m := range metas {
		if !m.OverlapsClosedInterval(mint, maxt) {
			continue
		}
		c, _, err := b.chunks.ChunkOrIterable(m)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(deleted, func(i tombstones.Interval) bool { return m.OverlapsClosedInterval(i.Mint, i.Maxt) }) {
			if c, err = without(c, deleted); err != nil {
				return nil, err
			}
		}
		if c != nil {
			out = append(out, c)
		}
	}
	return out, nil
}

// postings is the series that all matchers match. A matcher that matches a
// missing label takes away what has another value, every other one asks for
// what has a value that matches.
func (b *block) postings(ctx context.Context, matchers []*labels.Matcher) (index.Postings, error) {
	var with, without []index.Postings
	for _, m := range matchers {
		if m.Matches("") {
			without = append(without, b.index.PostingsForLabelMatching(ctx, m.Name, func(v string) bool { return !m.Matches(v) }))
			continue
		}
		if m.Type != labels.MatchEqual {
			with = append(with, b.index.PostingsForLabelMatching(ctx, m.Name, m.Matches))
			continue
		}
		p, err := b.index.Postings(ctx, m.Name, m.Value)
		if err != nil {
			return nil, err
		}
		with = append(with, p)
	}
	if len(with) == 0 {
		name, value := index.AllPostingsKey()
		all, err := b.index.Postings(ctx, name, value)
		if err != nil {
			return nil, err
		}
		with = append(with, all)
	}
	p := index.Intersect(with...)
	for _, not := range without {
		p = index.Without(p, not)
	}
	return p, nil
}
