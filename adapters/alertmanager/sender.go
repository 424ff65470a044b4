package alertmanager

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidetable/tidetable/decision"
)

// Defaults of SenderOptions.
const (
	// DefaultInterval is how often firing alerts are sent again, as Prometheus does.
	DefaultInterval = time.Minute
	// keepAlive intervals may be missed before an alert ends by itself, as in Prometheus.
	keepAlive = 4
	// maxResolved bounds what is kept for an Alertmanager that is down; the
	// oldest are dropped, and counted.
	maxResolved = 10_000
	resolvedAge = 24 * time.Hour
)

// SenderOptions say whom to tell, and how.
type SenderOptions struct {
	Endpoints []Endpoint
	Links     Links
	Interval  time.Duration // zero: DefaultInterval
	Log       *slog.Logger
	Metrics   prometheus.Registerer // nil: none
}

// Sender keeps every Alertmanager told of what is firing. What it holds is the
// present state, not a queue: an Alertmanager that was away is told all that
// fires now and all that has ended since.
type Sender struct {
	opt     SenderOptions
	metrics senderMetrics

	mu     sync.Mutex
	firing map[string]map[string]Alert // policy → key → alert
	peers  []*peer
}

// peer is one Alertmanager and what it has not yet been told.
type peer struct {
	endpoint Endpoint
	resolved map[string]Alert // key and start → alert that has ended; guarded by Sender.mu
	kick     chan struct{}
}

type senderMetrics struct{ sent, failed, dropped *prometheus.CounterVec }

// NewSender makes a sender; Run sends.
func NewSender(opt SenderOptions) *Sender {
	if opt.Interval <= 0 {
		opt.Interval = DefaultInterval
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(
			prometheus.CounterOpts{Namespace: "tidetable", Subsystem: "alertmanager", Name: name, Help: help},
			[]string{"endpoint"},
		)
	}
	s := &Sender{opt: opt, firing: map[string]map[string]Alert{}, metrics: senderMetrics{
		sent:    counter("alerts_sent_total", "Alerts that an Alertmanager accepted."),
		failed:  counter("send_failures_total", "Requests to an Alertmanager that failed."),
		dropped: counter("alerts_dropped_total", "Ended alerts that an Alertmanager was never told of."),
	}}
	for _, e := range opt.Endpoints {
		s.peers = append(s.peers, &peer{endpoint: e, resolved: map[string]Alert{}, kick: make(chan struct{}, 1)})
		for _, c := range []*prometheus.CounterVec{s.metrics.sent, s.metrics.failed, s.metrics.dropped} {
			c.WithLabelValues(e.Name)
		}
	}
	if opt.Metrics != nil {
		opt.Metrics.MustRegister(s.metrics.sent, s.metrics.failed, s.metrics.dropped)
	}
	return s
}

// Publish takes the alerts of a decision as what is firing for its policy now.
// It returns at once, whatever the Alertmanagers do.
func (s *Sender) Publish(d decision.Decision) {
	s.Update(d.Policy, FromDecision(d, s.opt.Links), time.Now())
}

// Update replaces what fires for a policy. Alerts that were firing and are no
// longer among them end now.
func (s *Sender) Update(policy string, alerts []Alert, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.firing[policy]
	firing := make(map[string]Alert, len(alerts))
	changed := false
	for _, a := range alerts {
		k := a.key()
		old, ok := before[k]
		a.StartsAt, a.EndsAt = now, time.Time{}
		if ok {
			a.StartsAt = old.StartsAt
		}
		changed = changed || !ok || !maps.Equal(old.Annotations, a.Annotations)
		firing[k] = a
	}
	for k, a := range before {
		if _, ok := firing[k]; !ok {
			a.EndsAt = now
			s.end(a)
			changed = true
		}
	}
	s.firing[policy] = firing
	if changed {
		for _, p := range s.peers {
			select {
			case p.kick <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// end remembers an alert that has ended for every peer; s.mu is held.
func (s *Sender) end(a Alert) {
	for _, p := range s.peers {
		p.resolved[a.key()+a.StartsAt.Format(time.RFC3339Nano)] = a
		if len(p.resolved) > maxResolved {
			oldest := ""
			for k, r := range p.resolved {
				if oldest == "" || r.EndsAt.Before(p.resolved[oldest].EndsAt) {
					oldest = k
				}
			}
			delete(p.resolved, oldest)
			s.metrics.dropped.WithLabelValues(p.endpoint.Name).Inc()
		}
	}
}

// Run tells every Alertmanager, each at its own pace, until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, p := range s.peers {
		wg.Go(func() { s.serve(ctx, p) })
	}
	wg.Wait()
	return ctx.Err()
}

// pending returns what the peer should be told now: what has ended first, so
// that an alert which fires again comes after its own end.
func (s *Sender) pending(p *peer, now time.Time) (alerts []Alert, ended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, a := range p.resolved {
		if now.Sub(a.EndsAt) > resolvedAge {
			delete(p.resolved, k)
			s.metrics.dropped.WithLabelValues(p.endpoint.Name).Inc()
		}
	}
	ended = slices.Sorted(maps.Keys(p.resolved))
	for _, k := range ended {
		alerts = append(alerts, p.resolved[k])
	}
	for _, policy := range slices.Sorted(maps.Keys(s.firing)) {
		for _, k := range slices.Sorted(maps.Keys(s.firing[policy])) {
			alerts = append(alerts, s.firing[policy][k])
		}
	}
	return alerts, ended
}

func (s *Sender) told(p *peer, ended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range ended {
		delete(p.resolved, k)
	}
}
