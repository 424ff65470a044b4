// Package web is the page that people look at: what the loop sees, expects,
// wants and did, and the buttons by which they overrule it. It is a reading of
// Decisions, embedded in the binary, and asks no other host for anything.
package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/tidetable/tidetable/internal/report"
)

//go:embed assets
var assets embed.FS

// contentSecurityPolicy lets the page load and ask nothing but itself.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// User is who a token belongs to, as the API server has it.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Reviewer asks the cluster who a token is and what its owner may do.
type Reviewer interface {
	// WhoIs authenticates a bearer token, such as by TokenReview.
	WhoIs(ctx context.Context, token string) (User, error)
	// May tells whether the user may do verb to a policy, such as by
	// SubjectAccessReview. The verbs are get, hold, resume and approve.
	May(ctx context.Context, u User, verb, policy string) (bool, error)
}

// Options say what the page shows, and who may do what. The zero value shows
// nothing to nobody.
type Options struct {
	Store *Store
	// Reviewer is who to ask for rights; nil makes the page read-only.
	Reviewer Reviewer
	// Operator does what people ask for; nil makes the page read-only.
	Operator Operator
	// OpenReading lets everybody read who can reach the page. Without it a
	// reader needs a token with the right to get the policy.
	OpenReading bool
	// Hosts are names under which an open page is served, besides addresses, those
	// of Services and names without a dot: others could lead theirs to us.
	Hosts []string
	Title string // shown beside the name, such as "simulation"
	Now   func() time.Time
	Log   *slog.Logger
}

type server struct {
	opt    Options
	rights *rights
	ids    *identities
}

// Handler serves the page and its API.
func Handler(opt Options) http.Handler {
	if opt.Store == nil {
		opt.Store = NewStore(0)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{opt: opt, rights: newRights(), ids: newIdentities()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/now", s.reading(s.now))
	mux.HandleFunc("GET /api/v1/decision", s.reading(s.decision))
	mux.HandleFunc("GET /api/v1/decisions", s.reading(s.decisions))
	mux.HandleFunc("GET /api/v1/me", s.me)
	mux.HandleFunc("POST /api/v1/operations", s.operate)
	mux.Handle("GET /assets/{name}", staticFiles())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "assets/index.html")
	})
	// The page uses no cookies, so that there is no authority to borrow. A
	// proxy in front may add some: then a request of another site is refused.
	return secured(s.guarded(http.NewCrossOriginProtection().Handler(mux)))
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// static is one embedded file, compressed once.
type static struct {
	plain, packed []byte
	kind, tag     string
}

func staticFiles() http.Handler {
	all := sync.OnceValue(func() map[string]static {
		files := map[string]static{"echarts.min.js": newStatic("echarts.min.js", report.ECharts())}
		entries, err := fs.ReadDir(assets, "assets")
		if err != nil {
			panic(err) // embedded at build time; cannot be absent
		}
		for _, e := range entries {
			b, err := assets.ReadFile(path.Join("assets", e.Name()))
			if err != nil {
				panic(err)
			}
			files[e.Name()] = newStatic(e.Name(), b)
		}
		return files
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := all()[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache") // kept, and asked for again by its tag
		h.Set("ETag", f.tag)
		h.Set("Content-Type", f.kind)
		h.Add("Vary", "Accept-Encoding")
		body := f.plain
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
			h.Set("Content-Encoding", "gzip")
			body = f.packed
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

func newStatic(name string, b []byte) static {
	kinds := map[string]string{
		".js":   "text/javascript; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".svg":  "image/svg+xml",
		".html": "text/html; charset=utf-8",
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	sum := sha256.Sum256(b)
	return static{plain: b, packed: packed.Bytes(), kind: kinds[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "encoding the answer failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The reader may have gone; there is nobody left to tell.
	_, _ = w.Write(append(b, '\n'))
}

func fail(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}
