package tsdbread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/prometheus/common/model"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/tombstones"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// head is what the write-ahead log tells, kept in chunks as a server keeps it.
// Native histograms and samples that came out of order, which no catalogue asks
// for, are not in it.
type head struct {
	valid       int64 // what is earlier is in blocks, where it may have been deleted since
	first, last int64 // times of samples; first > last: there is none
	byRef       map[chunks.HeadSeriesRef]*headSeries
	byHash      map[uint64][]*headSeries
	byName      map[string][]*headSeries
}

type headSeries struct {
	labels  labels.Labels
	chunks  []headChunk
	append  chunkenc.Appender // into the last chunk
	deleted tombstones.Intervals
}

type headChunk struct {
	*chunkenc.XORChunk
	first, last int64
}

// samplesPerChunk is Prometheus' own.
const samplesPerChunk = 120

// readHead reads what a write-ahead log holds from a time on: the last
// checkpoint, and the segments after it. A folder that is not there is an empty
// one.
func readHead(dir string, from int64) (*head, error) {
	h := &head{valid: from, first: math.MaxInt64, last: math.MinInt64,
		byRef: map[chunks.HeadSeriesRef]*headSeries{}, byHash: map[uint64][]*headSeries{}, byName: map[string][]*headSeries{}}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return h, nil
	}
	begin := -1
	checkpoint, at, err := wlog.LastCheckpoint(dir)
	switch {
	case err == nil:
		in, err := wlog.NewSegmentsReader(checkpoint)
		if err != nil {
			return nil, err
		}
		if err := h.replay(in); err != nil {
			return nil, fmt.Errorf("checkpoint %s: %w", checkpoint, err)
		}
		begin = at + 1
	case !errors.Is(err, record.ErrNotFound):
		return nil, err
	}
	first, last, err := wlog.Segments(dir)
	if err != nil {
		return nil, err
	}
	if first < 0 {
		return h, nil
	}
	for i := max(first, begin); i <= last; i++ {
		in, err := wlog.NewSegmentsRangeReader(wlog.SegmentRange{Dir: dir, First: i, Last: i})
		if err != nil {
			return nil, err
		}
		var torn *wlog.CorruptionErr
		if err := h.replay(in); i == last && errors.As(err, &torn) {
			break // a copy of a live folder ends in the middle of a record
		} else if err != nil {
			return nil, fmt.Errorf("segment %s: %w", wlog.SegmentName(dir, i), err)
		}
	}
	return h, nil
}

func (h *head) replay(in io.ReadCloser) error {
	defer in.Close()
	var (
		r       = wlog.NewReader(in)
		decode  = record.NewDecoder(nil, nil)
		known   []record.RefSeries
		samples []record.RefSample
		stones  []tombstones.Stone
		err     error
	)
	for r.Next() {
		switch decode.Type(r.Record()) {
		case record.Series:
			if known, err = decode.Series(r.Record(), known[:0]); err != nil {
				return err
			}
			for _, s := range known {
				h.byRef[s.Ref] = h.named(s.Labels)
			}
		case record.Samples, record.SamplesV2:
			if samples, err = decode.Samples(r.Record(), samples[:0]); err != nil {
				return err
			}
			for _, s := range samples {
				if err := h.put(s); err != nil {
					return err
				}
			}
		case record.Tombstones:
			if stones, err = decode.Tombstones(r.Record(), stones[:0]); err != nil {
				return err
			}
			for _, s := range stones {
				for _, span := range s.Intervals {
					if x := h.byRef[chunks.HeadSeriesRef(s.Ref)]; x != nil {
						x.deleted = x.deleted.Add(span)
					}
				}
			}
		}
	}
	return r.Err()
}

// named is the series with these labels. One that went and came back has several
// references.
func (h *head) named(l labels.Labels) *headSeries {
	hash := l.Hash()
	for _, s := range h.byHash[hash] {
		if labels.Equal(s.labels, l) {
			return s
		}
	}
	s := &headSeries{labels: l.Copy()}
	h.byHash[hash] = append(h.byHash[hash], s)
	name := s.labels.Get(model.MetricNameLabel)
	h.byName[name] = append(h.byName[name], s)
	return s
}

// put appends a sample. One that is no later than the last before it, as
// segments hold beside a checkpoint, is passed over.
func (h *head) put(x record.RefSample) (err error) {
	s := h.byRef[x.Ref]
	if s == nil || x.T < h.valid {
		return nil // of a series that was gone when the checkpoint was made, or in a block
	}
	n := len(s.chunks)
	if n > 0 && x.T <= s.chunks[n-1].last {
		return nil
	}
	if n == 0 || s.chunks[n-1].NumSamples() >= samplesPerChunk {
		c := chunkenc.NewXORChunk()
		if s.append, err = c.Appender(); err != nil {
			return err
		}
		s.chunks = append(s.chunks, headChunk{c, x.T, x.T})
		n++
	}
	s.append.Append(0, x.T, x.V)
	s.chunks[n-1].last = x.T
	h.first, h.last = min(h.first, x.T), max(h.last, x.T)
	return nil
}

func (h *head) span() (from, until int64) { return h.first, h.last + 1 }

func (h *head) close() error { return nil }

func (h *head) selected(_ context.Context, mint, maxt int64, matchers []*labels.Matcher) ([]storage.Series, error) {
	var out []storage.Series
	for _, s := range h.candidates(matchers) {
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			continue
		}
		within, err := s.within(mint, maxt)
		if err != nil {
			return nil, err
		}
		if len(within) > 0 {
			out = append(out, series(s.labels, within))
		}
	}
	slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return out, nil
}

// candidates is the series of a metric's name where one is given, else all.
func (h *head) candidates(matchers []*labels.Matcher) (all []*headSeries) {
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return h.byName[m.Value]
		}
	}
	for _, list := range h.byName {
		all = append(all, list...)
	}
	return all
}

// within is the chunks that overlap [mint, maxt], without what was deleted.
func (s *headSeries) within(mint, maxt int64) (out []chunkenc.Chunk, err error) {
	for _, x := range s.chunks {
		if x.first > maxt || x.last < mint {
			continue
		}
		var c chunkenc.Chunk = x.XORChunk
		if slices.ContainsFunc(s.deleted, func(i tombstones.Interval) bool { return i.Mint <= x.last && i.Maxt >= x.first }) {
			if c, err = without(c, s.deleted); err != nil {
				return nil, err
			}
		}
		if c != nil {
			out = append(out, c)
		}
	}
	return out, nil
}
