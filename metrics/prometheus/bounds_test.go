package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// What a hostile server sends is refused while it is read, each answer alone and
// all together: four answers of 256 MiB took 2 GB.
func TestAnswersAreBoundedWhileTheyAreRead(t *testing.T) {
	series := `{"metric":{},"value":[1,"1"]},`
	for _, c := range []struct {
		name, want string
		limits     Limits
		body       string
	}{
		{"one answer", "max-response-bytes of 65536", Limits{ResponseBytes: 1 << 16}, strings.Repeat(" ", 1<<20)},
		{"all answers together", "max-bytes-at-once of 65536", Limits{BytesAtOnce: 1 << 16}, strings.Repeat(" ", 1<<20)},
		{"series", "max-series of 100", Limits{Series: 100},
			`{"status":"success","data":{"resultType":"vector","result":[` + strings.Repeat(series, 1<<15) + `]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(c.body); i += 1 << 12 {
					if _, err := io.WriteString(w, c.body[i:min(i+1<<12, len(c.body))]); err != nil {
						return
					}
				}
			}))
			defer web.Close()
			r := newReader(t, Config{URL: web.URL, Limits: c.limits})
			_, err := r.Read(t.Context(), metrics.TopicBytesIn, start)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if held := r.http.held.Load(); held != 0 {
				t.Errorf("%d bytes are counted still after the answer was refused", held)
			}
		})
	}
}

func TestAnswersTogetherAreBoundedAcrossRequests(t *testing.T) {
	const half = 40 << 10
	var both sync.WaitGroup
	both.Add(2)
	var r *Reader
	var held atomic.Bool
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat(" ", half))
		w.(http.Flusher).Flush()
		both.Done()
		both.Wait() // both have sent their first half
		for !held.Load() && r.http.held.Load() < 2*half {
			time.Sleep(time.Millisecond)
		}
		held.Store(true) // by both
		io.WriteString(w, strings.Repeat(" ", half))
	}))
	defer web.Close()
	r = newReader(t, Config{URL: web.URL, Limits: Limits{BytesAtOnce: 2*half + half/2, Tries: 1}})
	errs := make(chan error, 2)
	for range 2 {
		go func() { _, err := r.Read(t.Context(), metrics.TopicBytesIn, start); errs <- err }()
	}
	refused := 0
	for range 2 {
		if err := <-errs; err != nil && strings.Contains(err.Error(), "max-bytes-at-once") {
			refused++
		}
	}
	if refused == 0 {
		t.Error("two answers that are too large together are both read")
	}
}

func TestObjectsAreCountedWhereverTheTextIsCut(t *testing.T) {
	const text = `{"a":{"b{\"{":"\\"},"c":[{},{"d":"}{"}]}`
	for i := 1; i <= len(text); i++ {
		var c objectCounter
		c.count([]byte(text[:i]))
		c.count([]byte(text[i:]))
		if c.seen != 4 {
			t.Errorf("cut at %d: %d objects, want 4", i, c.seen)
		}
	}
	var c objectCounter
	one := iotest.OneByteReader(strings.NewReader(text))
	for p := make([]byte, 1); ; {
		n, err := one.Read(p)
		c.count(p[:n])
		if err != nil {
			break
		}
	}
	if c.seen != 4 {
		t.Errorf("byte by byte: %d objects", c.seen)
	}
}

func TestALongAnswerIsAShortError(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":"\u001b[2J%s"}`, strings.Repeat("x", 5<<20))
	}))
	defer web.Close()
	_, err := newReader(t, Config{URL: web.URL}).Read(t.Context(), metrics.TopicBytesIn, start)
	if err == nil || len(err.Error()) > 2000 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("the error has %d bytes: %.80q", len(fmt.Sprint(err)), err)
	}
}
