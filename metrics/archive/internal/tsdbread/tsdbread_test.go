package tsdbread

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/tidetable/tidetable/metrics/archive/promtest"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// told is every sample that a source gives for the matchers.
func told(t *testing.T, from storage.Queryable, mint, maxt time.Time, matchers ...*labels.Matcher) string {
	t.Helper()
	q, err := from.Querier(mint.UnixMilli(), maxt.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var b strings.Builder
	set := q.Select(t.Context(), true, nil, matchers...)
	for set.Next() {
		samples := ""
		it := set.At().Iterator(nil)
		for v := it.Next(); v != chunkenc.ValNone; v = it.Next() {
			// A server trims to the range, which the query engine does anyway.
			if at, x := it.At(); at >= mint.UnixMilli() && at <= maxt.UnixMilli() {
				samples += fmt.Sprint(" ", at, "=", x)
			}
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
		if samples != "" {
			fmt.Fprintln(&b, set.At().Labels(), samples)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func open(t *testing.T, dir string) *DB {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// The storage itself is what a folder's reader has to agree with.
func TestAFolderGivesWhatTheStorageGives(t *testing.T) {
	s := promtest.New(t)
	write := func(from, to int) {
		for i, l := range []map[string]string{
			{"__name__": "in", "topic": "orders", "pod": "k-0"}, {"__name__": "in", "topic": "orders", "pod": "k-1"},
			{"__name__": "in", "topic": "payments"}, {"__name__": "in"}, {"__name__": "out", "topic": "orders"},
		} {
			var values []float64
			for k := from; k < to; k++ {
				values = append(values, float64(i*1000+k)*1.1)
			}
			s.Append(t, l, start.Add(time.Duration(from)*time.Minute), time.Minute, values...)
		}
	}
	match := func(kind labels.MatchType, name, value string) *labels.Matcher {
		return labels.MustNewMatcher(kind, name, value)
	}
	write(0, 300)
	if err := s.DB.CompactHead(promtest.RangeHead(s.DB)); err != nil {
		t.Fatal(err)
	}
	write(300, 500)
	// Some is deleted in the block, in the head, and over their border.
	for topic, span := range map[string][2]int{"orders": {290, 310}, "payments": {400, 410}} {
		from, to := start.Add(time.Duration(span[0])*time.Minute), start.Add(time.Duration(span[1])*time.Minute)
		if err := s.DB.Delete(t.Context(), from.UnixMilli(), to.UnixMilli(), match(labels.MatchEqual, "topic", topic)); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, s.Dir)
	end := start.Add(500 * time.Minute)
	for name, matchers := range map[string][]*labels.Matcher{
		"one name":          {match(labels.MatchEqual, "__name__", "in")},
		"a value":           {match(labels.MatchEqual, "__name__", "in"), match(labels.MatchEqual, "topic", "orders")},
		"no such value":     {match(labels.MatchEqual, "topic", "nowhere")},
		"a missing label":   {match(labels.MatchEqual, "__name__", "in"), match(labels.MatchEqual, "topic", "")},
		"a label":           {match(labels.MatchNotEqual, "topic", "")},
		"another value":     {match(labels.MatchEqual, "__name__", "in"), match(labels.MatchNotEqual, "topic", "orders")},
		"a pattern":         {match(labels.MatchRegexp, "topic", "ord.*|pay.*")},
		"a pattern or none": {match(labels.MatchEqual, "__name__", "in"), match(labels.MatchRegexp, "pod", "k-1|")},
		"not a pattern":     {match(labels.MatchRegexp, "__name__", ".+"), match(labels.MatchNotRegexp, "topic", "o.*")},
		"all":               {match(labels.MatchRegexp, "__name__", ".*")},
	} {
		for _, span := range [][2]time.Time{{start, end}, {start.Add(299 * time.Minute), start.Add(301 * time.Minute)},
			{end, end.Add(time.Hour)}} {
			want, got := told(t, s.DB, span[0], span[1], matchers...), told(t, d, span[0], span[1], matchers...)
			if got != want {
				t.Errorf("%s, %s to %s: the storage gives\n%.2000s\nthe folder\n%.2000s", name, span[0], span[1], want, got)
			}
			if name == "all" && span[0].Equal(start) && strings.Count(got, "\n") != 5 {
				t.Errorf("all are %d series, want 5", strings.Count(got, "\n"))
			}
		}
	}
}

// writeLog writes a write-ahead log of three segments, ten samples each, of a
// series that comes back under another reference in the last.
func writeLog(t *testing.T, dir string) *wlog.WL {
	t.Helper()
	w, err := wlog.New(slog.New(slog.DiscardHandler), nil, dir, compression.None)
	if err != nil {
		t.Fatal(err)
	}
	var encode record.Encoder
	for segment := range 3 {
		ref := chunks.HeadSeriesRef(1 + segment/2)
		var samples []record.RefSample
		for i := range 10 {
			samples = append(samples, record.RefSample{Ref: ref, T: start.Add(time.Duration(10*segment+i) * time.Minute).UnixMilli(),
				V: float64(10*segment + i)})
		}
		series := []record.RefSeries{{Ref: ref, Labels: labels.FromStrings("__name__", "in")}}
		if err := w.Log(encode.Series(series, nil), encode.Samples(samples, nil)); err != nil {
			t.Fatal(err)
		}
		if segment < 2 {
			if _, err := w.NextSegment(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func samplesOf(t *testing.T, dir string) int {
	t.Helper()
	all := told(t, open(t, dir), start, start.Add(time.Hour), labels.MustNewMatcher(labels.MatchEqual, "__name__", "in"))
	if strings.Count(all, "\n") != 1 {
		t.Fatalf("told %q; want one series", all)
	}
	return strings.Count(all, "=") - strings.Count(all, "__name__=")
}

func TestALogIsReadFromItsCheckpointOn(t *testing.T) {
	dir := t.TempDir()
	w := writeLog(t, filepath.Join(dir, "wal"))
	if n := samplesOf(t, dir); n != 30 {
		t.Errorf("%d samples without a checkpoint, want 30", n)
	}
	keep := func(chunks.HeadSeriesRef) bool { return true }
	if _, err := wlog.Checkpoint(slog.New(slog.DiscardHandler), w, 0, 1, keep, math.MinInt64, false); err != nil {
		t.Fatal(err)
	}
	// A crash may leave segments that the checkpoint holds already.
	if n := samplesOf(t, dir); n != 30 {
		t.Errorf("%d samples with a checkpoint beside its segments, want 30", n)
	}
	if err := w.Truncate(2); err != nil {
		t.Fatal(err)
	}
	if n := samplesOf(t, dir); n != 30 {
		t.Errorf("%d samples with a checkpoint, want 30", n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestATornEndIsReadUpToWhereItIsWhole(t *testing.T) {
	dir := t.TempDir()
	if err := writeLog(t, filepath.Join(dir, "wal")).Close(); err != nil {
		t.Fatal(err)
	}
	for segment, want := range map[int]string{2: "", 1: "segment"} {
		name := wlog.SegmentName(filepath.Join(dir, "wal"), segment)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		last := len(text) - 1
		for last > 0 && text[last] == 0 {
			last--
		}
		if err := os.WriteFile(name, text[:last-20], 0o600); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			if n := samplesOf(t, dir); n != 20 {
				t.Errorf("%d samples before the torn record, want 20", n)
			}
		} else if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a torn record in the middle: %v, want it told", err)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever a log holds is read or refused, and what was read can be asked.
func TestABrokenLogIsReadOrRefused(t *testing.T) {
	dir := t.TempDir()
	if err := writeLog(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(wlog.SegmentName(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	read, asked := 0, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*")
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := slices.Clone(whole)
		for range rng.IntN(20) {
			text[rng.IntN(400)] = byte(rng.IntN(256)) // the records are at the beginning of a page
		}
		if seed%3 == 0 {
			text = text[:rng.IntN(len(text))]
		}
		dir := t.TempDir()
		if err := os.WriteFile(wlog.SegmentName(dir, 0), text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := readHead(dir, 0)
		if err != nil || h.first > h.last {
			continue
		}
		read++
		if got, err := h.selected(t.Context(), h.first, h.last, []*labels.Matcher{asked}); err != nil || len(got) == 0 {
			t.Errorf("seed %d: samples from %d to %d in %d series: %v", seed, h.first, h.last, len(got), err)
		}
	}
	if read == 0 || read == 300 {
		t.Errorf("%d of 300 broken logs were read; the test breaks none or all", read)
	}
}
