package prometheus

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
	"github.com/tidetable/tidetable/metrics/catalogue"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// gauges is a catalogue whose answers are the stored samples themselves.
func gauges() metrics.Catalogue {
	return metrics.Catalogue{Name: "gauges", Queries: []metrics.Query{
		{Signal: metrics.TopicBytesIn, Unit: "bytes_per_second", Expr: "bytes_in{$selector}", Labels: rules("topic")},
		{Signal: metrics.BrokerCPU, Unit: "cores", Expr: "cpu_percent{$selector}", Scale: 0.01, Labels: rules("broker")},
	}}
}

func rules(names ...string) map[string]metrics.LabelRule {
	out := map[string]metrics.LabelRule{}
	for _, n := range names {
		out[n] = metrics.LabelRule{From: []string{n}}
	}
	return out
}

func newReader(t testing.TB, cfg Config) *Reader {
	t.Helper()
	if cfg.Catalogue.Queries == nil {
		cfg.Catalogue = gauges()
	}
	if cfg.Limits.Timeout == 0 {
		cfg.Limits.Timeout = 5 * time.Minute // a busy machine is not what is tested
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStrimziCountersBecomeRatesByTopicAndBroker(t *testing.T) {
	s := promtest.New(t)
	c, err := catalogue.Load("strimzi")
	if err != nil {
		t.Fatal(err)
	}
	// Two brokers, each taking 100 B/s of orders; broker 1 restarts half way.
	for b := range 2 {
		values := make([]float64, 61)
		for i := range values {
			values[i] = float64(i) * 3000
			if b == 1 && i > 30 {
				values[i] = float64(i-30) * 3000
			}
		}
		pod := fmt.Sprintf("claims-pool-%d", b)
		for _, topic := range []string{"", "orders"} {
			series := map[string]string{"__name__": "kafka_server_brokertopicmetrics_bytesin_total", "kubernetes_pod_name": pod}
			if topic != "" {
				series["topic"] = topic
			}
			s.Append(t, series, start, 30*time.Second, values...)
		}
	}
	r := newReader(t, Config{URL: s.URL, Catalogue: c})
	w := metrics.Window{From: start.Add(10 * time.Minute), To: start.Add(30 * time.Minute), Step: 5 * time.Minute}
	got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Labels.Key() != "topic=orders" || got[0].Len() != 5 || !got[0].Start.Equal(w.From) {
		t.Fatalf("series %+v", got)
	}
	for i, v := range got[0].Values {
		// The reset costs the rate at most its own interval.
		if math.Abs(v-200) > 12 {
			t.Errorf("point %d: %v B/s, want 200", i, v)
		}
	}
	points, err := r.Read(t.Context(), metrics.BrokerBytesIn, start.Add(30*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	// Only Kafka's metadata tells which broker a pod of that name is.
	if len(points) != 2 || points[1].Labels["broker"] != "claims-pool-1" || len(points[1].Names) != 1 || math.Abs(points[1].Value-100) > 1 {
		t.Errorf("points %+v", points)
	}
}

func TestGapsVanishedAndNewSeriesAreGaps(t *testing.T) {
	s := promtest.New(t)
	minute := time.Minute
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "steady"}, start, minute, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
		13, 14, 15, 16, 17, 18, 19, 20, 21)
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "vanished"}, start, minute, 1, 1, 1, 1, 1)
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "new"}, start.Add(18*minute), minute, 7, 7, 7)
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "infinite"}, start, minute, 1, math.Inf(1), 3, 3, 3, 3, 3, 3, 3,
		3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "never"}, start.Add(-3*time.Hour), minute, 5)
	r := newReader(t, Config{URL: s.URL})
	got, err := r.History(t.Context(), metrics.TopicBytesIn, metrics.Window{From: start, To: start.Add(20 * minute), Step: minute})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range got {
		names = append(names, x.Labels["topic"])
	}
	if fmt.Sprint(names) != "[infinite new steady vanished]" {
		t.Fatalf("series %v", names)
	}
	if x := got[0]; x.Mended.NonFinite != 1 || !math.IsNaN(x.Values[1]) || x.Values[2] != 3 {
		t.Errorf("infinite: %v %+v", x.Values, x.Mended)
	}
	if x := got[1]; x.Mended.Missing != 18 || x.Values[20] != 7 {
		t.Errorf("new: %v %+v", x.Values, x.Mended)
	}
	if x := got[3]; !math.IsNaN(x.Values[20]) || x.Values[4] != 1 {
		t.Errorf("vanished: %v", x.Values)
	}
	points, err := r.Read(t.Context(), metrics.TopicBytesIn, start.Add(20*minute))
	if err != nil || len(points) != 3 {
		t.Errorf("points %+v, %v; want infinite, new and steady", points, err)
	}
}

func TestScaleTurnsTheExportersUnitIntoTheSignals(t *testing.T) {
	s := promtest.New(t)
	s.Append(t, map[string]string{"__name__": "cpu_percent", "broker": "4"}, start, time.Minute, 150)
	points, err := newReader(t, Config{URL: s.URL}).Read(t.Context(), metrics.BrokerCPU, start)
	if err != nil || len(points) != 1 || points[0].Value != 1.5 || points[0].Labels["broker"] != "4" {
		t.Errorf("points %+v, %v", points, err)
	}
}

func TestOnlyWhatIsNewIsReadAgain(t *testing.T) {
	s := promtest.New(t)
	values := make([]float64, 3*288)
	for i := range values {
		values[i] = float64(i + 1000*(i%3)) // a load, which falls as well
	}
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "a"}, start, 5*time.Minute, values...)
	r := newReader(t, Config{URL: s.URL})
	read := func(from, to int) metrics.Series {
		t.Helper()
		w := metrics.Window{From: start.Add(time.Duration(from) * 5 * time.Minute), To: start.Add(time.Duration(to) * 5 * time.Minute),
			Step: 5 * time.Minute}
		got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Len() != to-from+1 || got[0].Values[0] != values[from] || got[0].Values[to-from] != values[to] {
			t.Fatalf("%d to %d: %d series, %v to %v", from, to, len(got), got[0].Values[0], got[0].Values[len(got[0].Values)-1])
		}
		if got[0].Mended.Missing != 0 {
			t.Fatalf("%d to %d: %+v", from, to, got[0].Mended)
		}
		return got[0]
	}
	asked := func() int64 { n := s.Points.Load(); s.Points.Store(0); return n }
	first := read(0, 575)
	if n := asked(); n != 576 {
		t.Errorf("the first read asked for %d points, want 576", n)
	}
	first.Values[575] = -1 // the caller's own copy
	read(1, 576)
	if n := asked(); n > 4 {
		t.Errorf("one step later %d points were asked for", n)
	}
	read(560, 577) // another, shorter window must not cost the long one its past
	asked()
	read(2, 578)
	if n := asked(); n > 4 {
		t.Errorf("after a short window %d points were asked for", n)
	}
	read(100, 200)
	if n := asked(); n != 0 {
		t.Errorf("what is known was asked for again: %d points", n)
	}
}

func TestARangeOfMoreThan11000PointsIsSplit(t *testing.T) {
	s := promtest.New(t)
	values := make([]float64, 2000)
	for i := range values {
		values[i] = float64(i)
	}
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "a"}, start, 15*time.Second, values...)
	r := newReader(t, Config{URL: s.URL})
	w := metrics.Window{From: start, To: start.Add(2000*15*time.Second - time.Second), Step: time.Second}
	got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Requests.Load(); n < 4 || s.Points.Load() != 30_000 {
		t.Errorf("%d requests for %d points; want several for exactly 30,000", n, s.Points.Load())
	}
	for i, v := range got[0].Values {
		if v != float64(i/15) {
			t.Fatalf("point %d is %v, want %d", i, v, i/15)
		}
	}
}

func TestTwoClustersInOneServerAreNotMixed(t *testing.T) {
	s := promtest.New(t)
	for _, ns := range []string{"a", "b"} {
		s.Append(t, map[string]string{"__name__": "cpu_percent", "broker": "0", "namespace": ns}, start, time.Minute, 100)
	}
	_, err := newReader(t, Config{URL: s.URL}).Read(t.Context(), metrics.BrokerCPU, start)
	if err == nil || !strings.Contains(err.Error(), "two series stand for broker=0") {
		t.Errorf("error %v", err)
	}
	points, err := newReader(t, Config{URL: s.URL, Selector: `namespace="b"`}).Read(t.Context(), metrics.BrokerCPU, start)
	if err != nil || len(points) != 1 {
		t.Errorf("with a selector: %v, %v", points, err)
	}
}

func TestASignalNobodyExportsIsAnEmptyAnswer(t *testing.T) {
	s := promtest.New(t)
	r := newReader(t, Config{URL: s.URL})
	if p, err := r.Read(t.Context(), metrics.TopicBytesIn, start); err != nil || len(p) != 0 {
		t.Errorf("read: %v, %v", p, err)
	}
	if p, err := r.Read(t.Context(), metrics.GroupLag, start); err != nil || len(p) != 0 {
		t.Errorf("read without a query: %v, %v", p, err)
	}
	if h, err := r.History(t.Context(), metrics.TopicBytesIn, metrics.Window{From: start, To: start.Add(time.Hour),
		Step: time.Minute}); err != nil || len(h) != 0 {
		t.Errorf("history: %v, %v", h, err)
	}
	if _, err := r.History(t.Context(), metrics.GroupLag, metrics.Window{From: start, To: start.Add(time.Hour),
		Step: time.Minute}); err == nil || !strings.Contains(err.Error(), "has no query for it") {
		t.Errorf("history without a query: %v", err)
	}
}

func TestTheSecondQueryIsAskedWhenTheFirstHasNoData(t *testing.T) {
	s := promtest.New(t)
	s.Append(t, map[string]string{"__name__": "other", "topic": "a"}, start, time.Minute, 9)
	c := gauges()
	c.Queries = append(c.Queries, metrics.Query{Signal: metrics.TopicBytesIn, Expr: "other", Labels: rules("topic")})
	points, err := newReader(t, Config{URL: s.URL, Catalogue: c}).Read(t.Context(), metrics.TopicBytesIn, start)
	if err != nil || len(points) != 1 || points[0].Value != 9 {
		t.Errorf("points %v, %v", points, err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var now, most atomic.Int64
	s := promtest.New(t)
	for k := range 40 {
		s.Append(t, map[string]string{"__name__": "bytes_in", "topic": fmt.Sprint(k)}, start, 5*time.Minute, 1, 1, 1)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	r := newReader(t, Config{URL: web.URL, Limits: Limits{Concurrency: 2, Points: 100}})
	if _, err := r.History(t.Context(), metrics.TopicBytesIn, metrics.Window{From: start, To: start.Add(100 * time.Hour),
		Step: 5 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	if most.Load() > 2 {
		t.Errorf("%d requests at once, want 2 at most", most.Load())
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{URL: "prometheus:9090"}, "not of the form http://"},
		{Config{URL: ""}, "not of the form http://"},
		{Config{URL: "http://u:secret@p:9090/?x=secret", CAFile: "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"},
		{Config{URL: "http://p:9090", BearerTokenFile: "a", Username: "u"}, "at most one of"},
	} {
		c.cfg.Catalogue = gauges()
		_, err := New(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: error %v, want %q", c.cfg.URL, err, c.want)
		}
	}
	if _, err := New(Config{URL: "http://p:9090"}); err == nil || !strings.Contains(err.Error(), "catalogue is empty") {
		t.Errorf("error %v", err)
	}
}

func TestACancelledReadEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer web.Close()
	began := time.Now()
	_, err := newReader(t, Config{URL: web.URL}).Read(ctx, metrics.TopicBytesIn, start)
	if err == nil || time.Since(began) > 4*time.Minute {
		t.Errorf("error %v after %s", err, time.Since(began))
	}
}
