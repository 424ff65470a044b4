package prometheus

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

const oneSeries = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"topic":"a"},"value":[1772323200,"5"]}]}}`

// TestAFailingServerIsExplained is the list of what real servers do wrong. Each
// must end as one clear line that wraps metrics.ErrSource where the server
// itself is at fault, so that the signals become stale and nothing else.
func TestAFailingServerIsExplained(t *testing.T) {
	for _, c := range []struct {
		name   string
		handle http.HandlerFunc
		want   string
		source bool
		tries  int64 // 0: as many as time allows
	}{
		{"401", status(401), "401: the credentials are missing or not accepted", true, 1},
		{"403", status(403), "403: the credentials are missing or not accepted", true, 2}, // the client falls back from POST to GET
		{"404", status(404), "404: there is no query API under this URL", true, 1},
		{"500", status(500), "server error: 500", true, 2},
		{"502 with a page", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			io.WriteString(w, "<html>bad gateway\n<p>more</p></html>")
		}, "server error: 502 (<html>bad gateway)", true, 2},
		{"a page instead of JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>log in</html>") },
			"cannot be read", true, 2},
		{"half a response", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, oneSeries[:60])
		}, "unexpected EOF", true, 2},
		{"half a response that says it is whole", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, oneSeries[:60]) },
			"ends in the middle", true, 2},
		{"a hanging server", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() },
			"no answer within 150ms", true, 0},
		{"a server that hangs half way", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, oneSeries[:60])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "no answer within 150ms", true, 0},
		{"a bad query", answer(400, `{"status":"error","errorType":"bad_data","error":"parse error"}`), "parse error", false, 1},
		{"a query that is too large", answer(422,
			`{"status":"error","errorType":"execution","error":"query processing would load too many samples"}`), "too many samples", false, 1},
		{"a scalar", answer(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`), "gives a scalar", false, 1},
		{"100,000 series", manySeries(100_000), "max-series of 20000", false, 1},
		{"an endless response", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("a", 1<<16)); err != nil {
					return
				}
			}
		}, "max-response-bytes of 33554432", false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				c.handle(w, r)
			}))
			web.Config.ErrorLog = log.New(io.Discard, "", 0)
			web.Start()
			defer web.Close()
			limits := Limits{Tries: 2, ResponseBytes: 32 << 20}
			if strings.Contains(c.want, "150ms") {
				limits.Timeout = 150 * time.Millisecond
			}
			r := newReader(t, Config{URL: strings.Replace(web.URL, "http://", "http://user:hunter2@", 1) + "/", Limits: limits})
			points, err := r.Read(t.Context(), metrics.TopicBytesIn, start)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("points %v, error %v; want %q", points, err, c.want)
			}
			if errors.Is(err, metrics.ErrSource) != c.source {
				t.Errorf("the source is at fault: %v, want %v (%v)", !c.source, c.source, err)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has more than one line, or a secret: %q", err)
			}
			if !strings.Contains(err.Error(), "asking Prometheus at "+web.URL) {
				t.Errorf("the error does not say whom: %v", err)
			}
			if n := tries.Load(); c.tries > 0 && n != c.tries {
				t.Errorf("tried %d times, want %d", n, c.tries)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); io.WriteString(w, body) }
}

func manySeries(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var b strings.Builder
		b.WriteString(`{"status":"success","data":{"resultType":"vector","result":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"metric":{"topic":"t%d"},"value":[1772323200,"1"]}`, i)
		}
		b.WriteString("]}}")
		io.WriteString(w, b.String())
	}
}

func TestAnUnreachableServerIsExplained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = newReader(t, Config{URL: "http://" + addr, Limits: Limits{Tries: 2}}).Read(t.Context(), metrics.TopicBytesIn, start)
	if !errors.Is(err, metrics.ErrSource) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

func TestAPassingFailureIsTriedAgain(t *testing.T) {
	for _, code := range []int{500, 503, 429} {
		var n atomic.Int64
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) < 3 {
				w.WriteHeader(code)
				return
			}
			io.WriteString(w, oneSeries)
		}))
		points, err := newReader(t, Config{URL: web.URL}).Read(t.Context(), metrics.TopicBytesIn, start)
		web.Close()
		if err != nil || len(points) != 1 || n.Load() != 3 {
			t.Errorf("%d: %v, %v after %d tries", code, points, err, n.Load())
		}
	}
}

func TestAHistoryOf100000SeriesIsRefusedByTheLimitsName(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b strings.Builder
		b.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
		for i := range 100_000 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"metric":{"topic":"t%d"},"values":[[1772323200,"1"]]}`, i)
		}
		b.WriteString("]}}")
		io.WriteString(w, b.String())
	}))
	defer web.Close()
	w := metrics.Window{From: start, To: start.Add(time.Hour), Step: time.Minute}
	_, err := newReader(t, Config{URL: web.URL}).History(t.Context(), metrics.TopicBytesIn, w)
	if err == nil || !strings.Contains(err.Error(), "max-series of 20000") {
		t.Errorf("error %v", err)
	}
	w.From = w.To.Add(-28 * 24 * time.Hour)
	_, err = newReader(t, Config{URL: web.URL, Limits: Limits{Series: 200_000}}).History(t.Context(), metrics.TopicBytesIn, w)
	if err == nil || !strings.Contains(err.Error(), "max-samples of 50000000") {
		t.Errorf("error %v", err)
	}
}

func TestUnorderedAndRepeatedSamplesAreMended(t *testing.T) {
	at := func(minute int) int64 { return start.Add(time.Duration(minute) * time.Minute).Unix() }
	body := fmt.Sprintf(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"topic":"a"},`+
		`"values":[[%d,"3"],[%d,"1"],[%d,"9"],[%d,"NaN"],[%d,"5"]]}]}}`,
		at(2), at(0), at(0), at(3), at(4))
	web := httptest.NewServer(answer(200, body))
	defer web.Close()
	got, err := newReader(t, Config{URL: web.URL}).History(t.Context(), metrics.TopicBytesIn,
		metrics.Window{From: start, To: start.Add(4 * time.Minute), Step: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	want := metrics.Mended{Unordered: 1, Duplicates: 1, NonFinite: 1, Missing: 2}
	if got[0].Mended != want || got[0].Values[0] != 1 || got[0].Values[2] != 3 || got[0].Values[4] != 5 {
		t.Errorf("values %v, mended %+v", got[0].Values, got[0].Mended)
	}
}

func TestHeadersAndCredentialsAreSentAndReadAgain(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		io.WriteString(w, oneSeries)
	}))
	defer web.Close()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(r *Reader) *http.Request {
		t.Helper()
		if _, err := r.Read(t.Context(), metrics.TopicBytesIn, start); err != nil {
			t.Fatal(err)
		}
		return seen.Load()
	}
	bearer := newReader(t, Config{URL: web.URL, BearerTokenFile: file("token", "one\n"),
		Headers: map[string]string{"X-Scope-OrgID": "team-a"}})
	if r := read(bearer); r.Header.Get("Authorization") != "Bearer one" || r.Header.Get("X-Scope-OrgID") != "team-a" ||
		r.UserAgent() != "tidetable" {
		t.Errorf("headers %v", r.Header)
	}
	file("token", "two")
	if r := read(bearer); r.Header.Get("Authorization") != "Bearer two" {
		t.Errorf("the token was not read again: %s", r.Header.Get("Authorization"))
	}
	basic := newReader(t, Config{URL: web.URL, Username: "u", PasswordFile: file("password", "p")})
	if u, p, ok := read(basic).BasicAuth(); !ok || u != "u" || p != "p" {
		t.Errorf("basic auth %s %s %v", u, p, ok)
	}
}

func TestTLSIsVerified(t *testing.T) {
	web := httptest.NewUnstartedServer(answer(200, oneSeries))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(cfg Config) error {
		cfg.URL = web.URL
		_, err := newReader(t, cfg).Read(t.Context(), metrics.TopicBytesIn, start)
		return err
	}
	if err := read(Config{CAFile: ca}); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	for name, cfg := range map[string]Config{"unknown authority": {}, "elsewhere.test": {CAFile: ca, ServerName: "elsewhere.test"}} {
		err := read(cfg)
		if !errors.Is(err, metrics.ErrSource) || !strings.Contains(err.Error(), "its certificate is not accepted") ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	// A server that wants a client certificate.
	strict := httptest.NewUnstartedServer(answer(200, oneSeries))
	strict.Config.ErrorLog = log.New(io.Discard, "", 0)
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	defer strict.Close()
	if _, err := newReader(t, Config{URL: strict.URL, CAFile: ca, Limits: Limits{Tries: 1}}).Read(t.Context(), metrics.TopicBytesIn,
		start); !errors.Is(err, metrics.ErrSource) {
		t.Errorf("without a client certificate: %v", err)
	}
}
