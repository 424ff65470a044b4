package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
	"github.com/tidetable/tidetable/metrics/catalogue"
)

// proxied puts a handler between a reader and a server: it may change an answer.
func proxied(t *testing.T, s *promtest.Server, change func(r *http.Request, code int, body []byte) (int, []byte)) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		body, _ := io.ReadAll(rec.Body)
		code, body := change(r, rec.Code, body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write(body)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

func twoDays(t *testing.T) *promtest.Server {
	t.Helper()
	s := promtest.New(t)
	values := make([]float64, 2*24*12+1)
	for i := range values {
		values[i] = 100 + float64(i)
	}
	s.Append(t, map[string]string{"__name__": "bytes_in", "topic": "a"}, start, 5*time.Minute, values...)
	return s
}

var wholeTwoDays = metrics.Window{From: start, To: start.Add(48 * time.Hour), Step: 5 * time.Minute}

func TestAPartialAnswerIsStaleAndAskedAgain(t *testing.T) {
	for name, said := range map[string]string{
		"Thanos":          `"warnings":["fetch series: store-gateway: context deadline exceeded"],`,
		"VictoriaMetrics": `"isPartial":true,`,
	} {
		var away atomic.Bool
		away.Store(true)
		url := proxied(t, twoDays(t), func(r *http.Request, code int, body []byte) (int, []byte) {
			if !away.Load() {
				return code, body
			}
			// A shard of the two is away: what is left is not what was.
			return code, []byte(strings.Replace(string(body), `{"status":"success",`, `{"status":"success",`+said, 1))
		})
		r := newReader(t, Config{URL: url})
		if _, err := r.Read(t.Context(), metrics.TopicBytesIn, wholeTwoDays.To); !errors.Is(err, metrics.ErrPartial) {
			t.Errorf("%s: reading: %v, want a partial answer", name, err)
		}
		if _, err := r.History(t.Context(), metrics.TopicBytesIn, wholeTwoDays); !errors.Is(err, metrics.ErrPartial) {
			t.Errorf("%s: history: %v, want a partial answer", name, err)
		} else if strings.Contains(said, "deadline") && !strings.Contains(err.Error(), "context deadline exceeded") {
			t.Errorf("%s: the warning is not told: %v", name, err)
		}
		away.Store(false)
		got, err := r.History(t.Context(), metrics.TopicBytesIn, wholeTwoDays)
		if err != nil || len(got) != 1 || got[0].Mended.Missing != 0 || got[0].Len() != 577 {
			t.Errorf("%s: once it is back: %v, %v", name, got, err)
		}
	}
}

func TestARemarkOnTheQueryIsNoPartialAnswer(t *testing.T) {
	url := proxied(t, twoDays(t), func(_ *http.Request, code int, body []byte) (int, []byte) {
		return code, []byte(strings.Replace(string(body), `{"status":"success",`,
			`{"status":"success","warnings":["PromQL warning: metric might not be a counter"],"infos":["PromQL info: x"],"isPartial":false,`, 1))
	})
	if got, err := newReader(t, Config{URL: url}).Read(t.Context(), metrics.TopicBytesIn, wholeTwoDays.To); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWhatAStoreLackedWithoutAWordIsLookedForAgain(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	url := proxied(t, twoDays(t), func(r *http.Request, code int, body []byte) (int, []byte) {
		end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
		if away.Load() && end < float64(start.Add(24*time.Hour).Unix()) {
			return 200, []byte(`{"status":"success","data":{"resultType":"matrix","result":[]}}`)
		}
		return code, body
	})
	r := newReader(t, Config{URL: url, Limits: Limits{Points: 100}})
	w := wholeTwoDays
	w.To = w.To.Add(-2 * time.Hour)
	got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
	if err != nil || len(got) != 1 || got[0].Mended.Missing == 0 {
		t.Fatalf("while it is away: %v, %v", got, err)
	}
	away.Store(false)
	w.To = w.To.Add(2 * time.Hour)
	if got, err = r.History(t.Context(), metrics.TopicBytesIn, w); err != nil || got[0].Mended.Missing != 0 {
		t.Errorf("two hours later %d points are missing still (%v)", got[0].Mended.Missing, err)
	}
}

func TestARangeThatAServerFindsTooLongIsSplit(t *testing.T) {
	for name, c := range map[string]struct {
		limit   time.Duration
		message string
		most    int64 // requests
	}{
		"Mimir": {24 * time.Hour,
			"the query time range exceeds the limit (query length: %s, limit: 1d)", 12},
		"Cortex": {6 * time.Hour, "the query time range exceeds the limit (query length: %s, limit: 6h0m0s)", 24},
		"one that does not say how long": {5 * time.Hour,
			"query processing would load too many samples into memory in query execution (%s)", 60},
	} {
		var asked atomic.Int64
		url := proxied(t, twoDays(t), func(r *http.Request, code int, body []byte) (int, []byte) {
			asked.Add(1)
			from, _ := strconv.ParseFloat(r.FormValue("start"), 64)
			to, _ := strconv.ParseFloat(r.FormValue("end"), 64)
			if length := time.Duration((to - from) * float64(time.Second)); length > c.limit {
				text, _ := json.Marshal(map[string]string{"status": "error", "errorType": "bad_data", "error": fmt.Sprintf(c.message, length)})
				return http.StatusUnprocessableEntity, text
			}
			return code, body
		})
		r := newReader(t, Config{URL: url})
		got, err := r.History(t.Context(), metrics.TopicBytesIn, wholeTwoDays)
		if err != nil || len(got) != 1 || got[0].Mended.Missing != 0 || got[0].Values[0] != 100 || got[0].Values[576] != 676 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if n := asked.Load(); n > c.most {
			t.Errorf("%s: %d requests, want at most %d", name, n, c.most)
		}
	}
}

// rates writes three brokers of a Strimzi cluster that take 10 MB/s each; skip leaves
// samples of broker 1 out.
func rates(t *testing.T, s *promtest.Server, hours int, skip func(at time.Time) bool, extra map[string]string) {
	t.Helper()
	for b := range 3 {
		for _, topic := range []string{"", "orders"} {
			values := make([]float64, hours*60+1)
			for i := range values {
				values[i] = 1e9 + 600e6*float64(i)
				if b == 1 && skip != nil && skip(start.Add(time.Duration(i)*time.Minute)) {
					values[i] = math.NaN()
				}
			}
			series := map[string]string{"__name__": "kafka_server_brokertopicmetrics_bytesin_total", "namespace": "kafka", "job": "kafka",
				"pod": fmt.Sprintf("my-cluster-kafka-%d", b), "strimzi_io_cluster": "my-cluster", "instance": fmt.Sprintf("10.0.0.%d:9404", b)}
			if topic != "" {
				series["topic"] = topic
			}
			for k, v := range extra {
				series[k] = v
			}
			s.Append(t, series, start, time.Minute, values...)
		}
	}
}

func historyOfTopics(t *testing.T, s *promtest.Server, hours int) metrics.Series {
	t.Helper()
	c, err := catalogue.Load("")
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t, Config{URL: s.URL, Catalogue: c, Scrape: 30 * time.Second})
	w := metrics.Window{From: start.Add(10 * time.Minute), To: start.Add(time.Duration(hours) * time.Hour), Step: 5 * time.Minute}
	got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	return got[0]
}

func TestAGapOfOneBrokerIsAGapOfTheSum(t *testing.T) {
	s := promtest.New(t)
	rates(t, s, 16, func(at time.Time) bool { return at.After(start.Add(4*time.Hour)) && at.Before(start.Add(10*time.Hour)) }, nil)
	missing := 0
	for i, v := range historyOfTopics(t, s, 16).Values {
		if math.IsNaN(v) {
			missing++
		} else if math.Abs(v-30e6) > 0.01*30e6 {
			t.Errorf("point %d is %.4g B/s; want 30 MB/s or a gap", i, v)
		}
	}
	if missing < 70 || missing > 75 {
		t.Errorf("%d points are gaps, want about the 72 of six hours", missing)
	}
}

func TestAPairOfServersThatNobodyDeduplicatesIsCountedOnce(t *testing.T) {
	s := promtest.New(t)
	rates(t, s, 3, nil, map[string]string{"prometheus_replica": "prometheus-0"})
	rates(t, s, 3, nil, map[string]string{"prometheus_replica": "prometheus-1"})
	for i, v := range historyOfTopics(t, s, 3).Values {
		if !(math.Abs(v-30e6) <= 0.01*30e6) {
			t.Errorf("point %d is %.4g B/s; want 30 MB/s", i, v)
		}
	}
}

func TestARateLooksBackOverWhatIsScrapedMoreSeldomThanThePolicySays(t *testing.T) {
	s := promtest.New(t)
	rates(t, s, 3, nil, nil) // once a minute, where 30 s is said
	for i, v := range historyOfTopics(t, s, 3).Values {
		if math.IsNaN(v) {
			t.Errorf("point %d is a gap", i)
		}
	}
}

func FuzzPartialOf(f *testing.F) {
	f.Add([]byte(`{"status":"success","warnings":["a"],"data":{}}`))
	f.Add([]byte(`{"isPartial":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if said := partialOf(body); said != "" && !json.Valid(body) {
			t.Errorf("%q is no JSON, and is partial: %s", body, said)
		}
	})
}
