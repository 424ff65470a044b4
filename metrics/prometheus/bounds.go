package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// bounded ends a response that is larger than its limits while it is read, since
// the client takes a whole one into memory before it looks at it.
type bounded struct {
	next   http.RoundTripper
	limits Limits
	held   atomic.Int64 // bytes of the responses that are being read or decoded
}

// hold is the bytes that one request's response takes, until it is let go. The client
// may be reading it still when the request has been given up.
type hold struct {
	of *bounded

	mu    sync.Mutex
	bytes int64
	gone  bool
}

// add counts bytes that were read, and gives those of all responses together.
func (h *hold) add(n int64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return h.of.held.Load()
	}
	h.bytes += n
	return h.of.held.Add(n)
}

func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of.held.Add(-h.bytes)
	h.bytes, h.gone = 0, true
}

type holdKey struct{}

// holding gives a request's context what its response is counted by; release is
// called once its answer is decoded.
func (b *bounded) holding(ctx context.Context) (_ context.Context, release func()) {
	h := &hold{of: b}
	return context.WithValue(ctx, holdKey{}, h), h.release
}

func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := b.limits.ResponseBytes
	if resp.ContentLength > limit {
		resp.Body.Close()
		return nil, limitError{"max-response-bytes", fmt.Sprintf("the response is of %d bytes", resp.ContentLength), limit}
	}
	h, ok := req.Context().Value(holdKey{}).(*hold)
	if !ok {
		h = &hold{of: &bounded{limits: b.limits}}
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: limit, limits: b.limits, hold: h, most: 4*b.limits.Series + 64}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left    int64
	limits  Limits
	hold    *hold
	most    int // objects: a series has two, or three with a histogram
	objects objectCounter
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	switch atOnce := b.hold.add(int64(n)); {
	case int64(n) > b.left:
		return int(b.left), limitError{"max-response-bytes", "the response is larger", b.limits.ResponseBytes}
	case atOnce > b.limits.BytesAtOnce:
		return 0, limitError{"max-bytes-at-once", "the responses together are larger", b.limits.BytesAtOnce}
	}
	b.left -= int64(n)
	if b.objects.count(p[:n]); b.objects.seen > b.most {
		return 0, limitError{"max-series", "the query gives more series", int64(b.limits.Series)}
	}
	return n, err
}

// objectCounter counts the objects of JSON that comes in pieces. Small objects
// take many times their text in memory.
type objectCounter struct {
	seen              int
	inString, escaped bool
}

func (c *objectCounter) count(text []byte) {
	for len(text) > 0 {
		switch {
		case c.escaped:
			c.escaped = false
			text = text[1:]
		case c.inString:
			end := bytes.IndexAny(text, `"\\`)
			if end < 0 {
				return
			}
			c.escaped, c.inString = text[end] == '\\', text[end] == '\\'
			text = text[end+1:]
		default:
			quote := bytes.IndexByte(text, '"')
			if quote < 0 {
				c.seen += bytes.Count(text, []byte{'{'})
				return
			}
			c.seen += bytes.Count(text[:quote], []byte{'{'})
			c.inString = true
			text = text[quote+1:]
		}
	}
}

// limitError refuses an answer that is larger than a limit, by the limit's name.
type limitError struct {
	name, what string
	limit      int64
}

func (e limitError) Error() string {
	return fmt.Sprintf("%s than the limit %s of %d allows; narrow the selector or raise the limit",
		strings.TrimSuffix(e.what, " than"), e.name, e.limit)
}
