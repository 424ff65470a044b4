package prometheus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
)

const (
	benchSeries = 2000
	benchStep   = 5 * time.Minute
	benchPoints = 28 * 288
)

// BenchmarkHistory reads and aligns 28 days at 5 minutes of 2,000 series from
// an in-process Prometheus: all of it, only what one more step brings, and all
// of it from recorded responses, which leaves the server's own work out.
func BenchmarkHistory(b *testing.B) {
	s := promtest.New(b)
	app := s.DB.Appender(context.Background())
	names := make([]labels.Labels, benchSeries)
	for k := range names {
		names[k] = labels.FromStrings("__name__", "bytes_in", "topic", fmt.Sprintf("topic-%04d", k))
	}
	for i := range benchPoints + 400 {
		at := start.Add(time.Duration(i) * benchStep).UnixMilli()
		for k, l := range names {
			if _, err := app.Append(0, l, at, 1e6+float64(k*i%100_000)); err != nil {
				b.Fatal(err)
			}
		}
		if i%100 == 99 {
			if err := app.Commit(); err != nil {
				b.Fatal(err)
			}
			app = s.DB.Appender(context.Background())
		}
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
	window := func(i int) metrics.Window {
		from := start.Add(time.Duration(i) * benchStep)
		return metrics.Window{From: from, To: from.Add((benchPoints - 1) * benchStep), Step: benchStep}
	}
	read := func(b *testing.B, r *Reader, w metrics.Window) {
		got, err := r.History(b.Context(), metrics.TopicBytesIn, w)
		if err != nil {
			b.Fatal(err)
		}
		if len(got) != benchSeries || got[0].Len() != benchPoints || got[0].Mended.Missing > 0 {
			b.Fatalf("%d series", len(got))
		}
	}
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, newReader(b, Config{URL: s.URL}), window(0))
		}
		b.ReportMetric(benchSeries*benchPoints*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
	b.Run("one-step-more", func(b *testing.B) {
		r := newReader(b, Config{URL: s.URL})
		read(b, r, window(0))
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i = i%399 + 1
			read(b, r, window(i))
		}
	})
	b.Run("whole-recorded", func(b *testing.B) {
		web := httptest.NewServer(recorded(s))
		defer web.Close()
		read(b, newReader(b, Config{URL: web.URL}), window(0))
		b.ReportAllocs()
		for b.Loop() {
			read(b, newReader(b, Config{URL: web.URL}), window(0))
		}
		b.ReportMetric(benchSeries*benchPoints*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
}

// recorded answers a request it has seen with the bytes of the first answer.
func recorded(next http.Handler) http.Handler {
	var mu sync.Mutex
	seen := map[string][]byte{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		key := r.URL.Path + r.Form.Encode()
		mu.Lock()
		body, ok := seen[key]
		mu.Unlock()
		if !ok {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			body, _ = io.ReadAll(rec.Body)
			mu.Lock()
			seen[key] = body
			mu.Unlock()
		}
		_, _ = w.Write(body)
	})
}
