// Package prometheus reads signals from a Prometheus server, or anything that
// speaks its query API (Mimir, Thanos, VictoriaMetrics), by a query catalogue.
package prometheus

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	promconfig "github.com/prometheus/common/config"
	"golang.org/x/sync/semaphore"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/source"
)

// Config says which server is asked, how, and how much of it.
type Config struct {
	URL       string
	Catalogue metrics.Catalogue
	// Selector picks one cluster where a server knows many: PromQL matchers such
	// as namespace="kafka",strimzi_io_cluster="claims".
	Selector string
	// Scrape is how often the server scrapes the brokers; zero is 30 s. Rates
	// look back over four scrapes at least.
	Scrape time.Duration

	// CAFile, CertFile and KeyFile are PEM files. They, and the files below, are
	// read again when they change.
	CAFile, CertFile, KeyFile, ServerName string
	BearerTokenFile                       string
	Username, PasswordFile                string
	// Headers are sent with every request, such as X-Scope-OrgID.
	Headers map[string]string

	Limits Limits
}

// Limits bounds what a server can make us do. A zero takes the default.
type Limits struct {
	Series        int           // series of one query: max-series, 20,000
	Samples       int           // series × grid points of one read: max-samples, 50 million
	ResponseBytes int64         // one response, decompressed: max-response-bytes, 64 MiB
	BytesAtOnce   int64         // of all responses that are being read: max-bytes-at-once, 128 MiB
	Points        int           // grid points of one request: 11,000, Prometheus's own limit
	Concurrency   int           // requests at once: 4
	Timeout       time.Duration // one request: 30 s
	Tries         uint          // tries of one request that fails for a passing reason: 3
}

func (l Limits) withDefaults() Limits {
	defaultTo(&l.Series, 20_000)
	defaultTo(&l.Samples, 50_000_000)
	defaultTo(&l.ResponseBytes, 64<<20)
	defaultTo(&l.BytesAtOnce, 128<<20)
	defaultTo(&l.Points, 11_000)
	defaultTo(&l.Concurrency, 4)
	defaultTo(&l.Timeout, 30*time.Second)
	defaultTo(&l.Tries, 3)
	return l
}

func defaultTo[T ~int | ~int64 | ~uint](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Reader asks one server. It is safe for concurrent use.
type Reader struct {
	cfg   Config
	api   v1.API
	http  *bounded
	shown string // the server's URL without credentials
	slots *semaphore.Weighted

	source *source.Source
	// longest is the longest range that the server has said that it takes, in
	// nanoseconds; 0 while it has not.
	longest atomic.Int64

	mu    sync.Mutex
	cache map[string]*cached
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Reader, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	defaultTo(&cfg.Scrape, 30*time.Second)
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("configuring Prometheus: URL %q is not of the form http://host:9090", shownURL(cfg.URL))
	}
	if len(cfg.Catalogue.Queries) == 0 {
		return nil, errors.New("configuring Prometheus: the query catalogue is empty")
	}
	http, err := cfg.roundTripper()
	if err != nil {
		return nil, fmt.Errorf("configuring Prometheus at %s: %w", shownURL(cfg.URL), err)
	}
	client, err := api.NewClient(api.Config{Address: cfg.URL, RoundTripper: http})
	if err != nil {
		return nil, fmt.Errorf("configuring Prometheus at %s: %w", shownURL(cfg.URL), err)
	}
	r := &Reader{
		cfg: cfg, api: v1.NewAPI(fastClient{client}), http: http, shown: shownURL(cfg.URL),
		slots: semaphore.NewWeighted(int64(cfg.Limits.Concurrency)), cache: map[string]*cached{},
	}
	r.source = source.New(store{r}, source.Config{Catalogue: cfg.Catalogue, Selector: cfg.Selector, Scrape: cfg.Scrape})
	return r, nil
}

// shownURL is a URL fit for a message: without user, password and query.
func shownURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// roundTripper is Prometheus's own HTTP client, which reads its secret files
// again when they change, with our bound around the response.
func (c Config) roundTripper() (*bounded, error) {
	h := promconfig.DefaultHTTPClientConfig
	h.TLSConfig = promconfig.TLSConfig{CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName}
	if c.BearerTokenFile != "" {
		h.Authorization = &promconfig.Authorization{CredentialsFile: c.BearerTokenFile}
	}
	if c.Username != "" || c.PasswordFile != "" {
		h.BasicAuth = &promconfig.BasicAuth{Username: c.Username, PasswordFile: c.PasswordFile}
	}
	if len(c.Headers) > 0 {
		h.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{}}
		for name, value := range c.Headers {
			h.HTTPHeaders.Headers[name] = promconfig.Header{Secrets: []promconfig.Secret{promconfig.Secret(value)}}
		}
		if err := h.HTTPHeaders.Validate(); err != nil {
			return nil, err
		}
	}
	if err := h.Validate(); err != nil {
		return nil, err
	}
	rt, err := promconfig.NewRoundTripperFromConfig(h, "tidetable", promconfig.WithUserAgent("tidetable"))
	if err != nil {
		return nil, err
	}
	return &bounded{next: rt, limits: c.Limits}, nil
}
