package alertmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Defaults and bounds of what is taken in.
const (
	// DefaultFor is how long an alert acts whose rule does not say.
	DefaultFor = time.Hour
	// MaxFor bounds what a rule can say: nothing acts for longer.
	MaxFor = 7 * 24 * time.Hour
	// DefaultMaxBody bounds a notification; one alert is about 1 KB.
	DefaultMaxBody = 1 << 20
	// DefaultRate and DefaultBurst bound notifications; Alertmanager sends one
	// a group and interval.
	DefaultRate  rate.Limit = 50
	DefaultBurst int        = 100

	maxAlerts  = 1000 // in one notification
	maxEffects = 1000 // at a time
	maxLabels  = 64
	maxText    = 1024            // bytes of a label's value
	clockSkew  = 5 * time.Minute // an alert may start this far in the future
)

// ReceiverOptions say who may tell us what. The zero value refuses everybody.
type ReceiverOptions struct {
	Rules []policy.AlertRule
	// Token returns the bearer token that a sender must show; it is asked for
	// every request, so that a token that is renewed in its file is taken up.
	Token func() (string, error)
	// ClientCertificate takes a sender with a certificate that the server has
	// verified (tls.RequireAndVerifyClientCert or VerifyClientCertIfGiven).
	ClientCertificate bool
	MaxBody           int64
	Rate              rate.Limit
	Burst             int
	Now               func() time.Time
	Log               *slog.Logger
	Metrics           prometheus.Registerer
}

// Receiver takes Alertmanager's notifications and holds what follows from
// them. It is an http.Handler for POST /api/v1/alerts.
type Receiver struct {
	opt     ReceiverOptions
	rules   []rule
	limiter *rate.Limiter
	logs    *rate.Limiter
	checks  chan struct{}
	metrics receiverMetrics

	mu      sync.Mutex
	effects map[effectKey]effect
	ended   map[effectKey]ending // what must not come back by a replay
}

type receiverMetrics struct {
	notifications *prometheus.CounterVec
	effects       prometheus.GaugeFunc
}

// rule is a policy's rule, read.
type rule struct {
	policy.AlertRule
	lasts time.Duration
}

// effectKey is one alert under one rule.
type effectKey struct {
	fingerprint string
	rule        int
}

type effect struct {
	startsAt    time.Time
	observation decision.Observation
}

// ending remembers the latest start of an alert that has ended, until its
// effect would have expired anyway.
type ending struct{ startsAt, forgetAt time.Time }

// Incoming is one alert of a notification.
type Incoming struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	StartsAt    time.Time         `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

const (
	statusFiring   = "firing"
	statusResolved = "resolved"
)

// NewReceiver makes a receiver; it refuses a rule it does not understand,
// because a rule that is passed over could have been the one that holds.
func NewReceiver(opt ReceiverOptions) (*Receiver, error) {
	if opt.MaxBody <= 0 {
		opt.MaxBody = DefaultMaxBody
	}
	if opt.Rate <= 0 {
		opt.Rate, opt.Burst = DefaultRate, DefaultBurst
	}
	opt.Burst = max(opt.Burst, 1)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{
		opt: opt, limiter: rate.NewLimiter(opt.Rate, opt.Burst), logs: rate.NewLimiter(1, 10), checks: make(chan struct{}, 1),
		effects: map[effectKey]effect{}, ended: map[effectKey]ending{},
	}
	var mistakes []error
	for i, given := range opt.Rules {
		read, err := readRule(given)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("alerts.webhook.rules[%d]: %w", i, err))
		}
		r.rules = append(r.rules, read)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	r.metrics.notifications = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "tidetable", Subsystem: "webhook", Name: "notifications_total", Help: "Notifications by what became of them.",
	}, []string{"result"})
	r.metrics.effects = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "tidetable", Subsystem: "webhook", Name: "effects", Help: "Effects of alerts that act now.",
	}, func() float64 {
		all, _ := r.Observations(context.Background(), r.opt.Now())
		return float64(len(all))
	})
	if opt.Metrics != nil {
		opt.Metrics.MustRegister(r.metrics.notifications, r.metrics.effects)
	}
	return r, nil
}

func readRule(given policy.AlertRule) (rule, error) {
	read := rule{AlertRule: given, lasts: min(time.Duration(given.For), MaxFor)}
	if read.lasts <= 0 {
		read.lasts = DefaultFor
	}
	if len(given.Match) == 0 {
		return read, errors.New("match is empty: it would match every alert")
	}
	switch given.Effect {
	case decision.EffectHold, decision.EffectFreeze, decision.EffectCheck:
	case decision.EffectUplift:
		// Written so that NaN fails.
		if !(given.Uplift > 1 && given.Uplift <= 100) {
			return read, fmt.Errorf("uplift is %v: want a factor above 1 and at most 100, an alert can only raise", given.Uplift)
		}
	case decision.EffectBrokerDown:
		if given.SubjectLabel == "" {
			return read, errors.New("subjectLabel is empty: want the label that holds the broker's id")
		}
	default:
		return read, fmt.Errorf("effect %q is not one of hold, freeze, uplift, brokerDown, check", given.Effect)
	}
	return read, nil
}

// Checks is sent to when an alert asks for a check now; it holds at most one.
func (r *Receiver) Checks() <-chan struct{} { return r.checks }

// Observations returns what acts at now, sorted by effect, subject and source.
// It is controller.Watcher, and never fails.
func (r *Receiver) Observations(_ context.Context, now time.Time) ([]decision.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now)
	var all []decision.Observation
	for _, e := range r.effects {
		all = append(all, e.observation)
	}
	slices.SortFunc(all, func(a, b decision.Observation) int {
		return cmp.Or(
			cmp.Compare(a.Effect, b.Effect),
			cmp.Compare(a.Subject, b.Subject),
			cmp.Compare(a.Source, b.Source),
			a.Until.Compare(b.Until),
		)
	})
	return all, nil
}

// forget drops what has expired; r.mu is held.
func (r *Receiver) forget(now time.Time) {
	maps.DeleteFunc(r.effects, func(_ effectKey, e effect) bool { return !now.Before(e.observation.Until) })
	maps.DeleteFunc(r.ended, func(_ effectKey, e ending) bool { return !now.Before(e.forgetAt) })
}

// Adopt takes in what the Alertmanagers have firing when the controller
// starts, so that a restart does not release what an alert holds. It returns
// what could not be asked; the others still count.
func (r *Receiver) Adopt(ctx context.Context, endpoints []Endpoint) error {
	var failed []error
	for _, e := range endpoints {
		alerts, err := e.Firing(ctx)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, a := range alerts {
			if a.check(r.opt.Now()) == nil {
				r.take(a)
			}
		}
	}
	return errors.Join(failed...)
}

var fingerprints = regexp.MustCompile(`^[0-9a-f]{16}$`)

// check bounds what of an alert is kept or compared.
func (a Incoming) check(now time.Time) error {
	switch {
	case a.Status != statusFiring && a.Status != statusResolved:
		return fmt.Errorf("status is %.20q: want firing or resolved", a.Status)
	case !fingerprints.MatchString(a.Fingerprint):
		return errors.New("fingerprint is not 16 hexadecimal digits")
	case a.StartsAt.IsZero():
		return errors.New("startsAt is missing")
	case a.StartsAt.After(now.Add(clockSkew)):
		return errors.New("startsAt is in the future")
	case len(a.Labels) > maxLabels:
		return fmt.Errorf("there are %d labels: want at most %d", len(a.Labels), maxLabels)
	}
	for _, v := range a.Labels {
		if len(v) > maxText {
			return fmt.Errorf("a label has %d bytes: want at most %d", len(v), maxText)
		}
	}
	return nil
}

// take applies one alert that was checked. The same alert with the same start
// changes nothing when it comes again, and one that has ended does not come
// back: its effect lasts from its start, not from when it was told.
func (r *Receiver) take(a Incoming) (changed bool) {
	now := r.opt.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now)
	for i, rule := range r.rules {
		if !rule.matches(a.Labels) {
			continue
		}
		k := effectKey{a.Fingerprint, i}
		until := a.StartsAt.Add(rule.lasts)
		had, acting := r.effects[k]
		switch {
		case a.Status == statusResolved:
			if acting && !had.startsAt.After(a.StartsAt) {
				delete(r.effects, k)
				changed = true
			}
			if old, ok := r.ended[k]; now.Before(until) && (!ok || old.startsAt.Before(a.StartsAt)) && len(r.ended) < 2*maxEffects {
				r.ended[k] = ending{startsAt: a.StartsAt, forgetAt: until}
			}
		case !now.Before(until):
			// Its time is over, however long it goes on firing.
		case acting && !a.StartsAt.After(had.startsAt):
		case r.replayed(k, a.StartsAt):
		case !acting && len(r.effects) >= maxEffects:
			r.opt.Log.Error("taking an alert in: too many act already", "limit", maxEffects)
		default:
			o, err := rule.observe(a, until)
			if err != nil {
				r.opt.Log.Warn("taking an alert in", "fingerprint", a.Fingerprint, "error", err)
				continue
			}
			r.effects[k] = effect{startsAt: a.StartsAt, observation: o}
			changed = true
			if rule.Effect == decision.EffectCheck {
				select {
				case r.checks <- struct{}{}:
				default:
				}
			}
		}
	}
	return changed
}

func (r *Receiver) replayed(k effectKey, startsAt time.Time) bool {
	e, ok := r.ended[k]
	return ok && !startsAt.After(e.startsAt)
}

func (r rule) matches(labels map[string]string) bool {
	for k, v := range r.Match {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (r rule) observe(a Incoming, until time.Time) (decision.Observation, error) {
	o := decision.Observation{Source: "alertmanager/" + a.Labels["alertname"] + "/" + a.Fingerprint, Effect: r.Effect, Until: until}
	switch r.Effect {
	case decision.EffectUplift:
		o.Value = r.Uplift
	case decision.EffectBrokerDown:
		id := a.Labels[r.SubjectLabel]
		if n, err := strconv.ParseInt(id, 10, 32); err != nil || n < 0 {
			return o, fmt.Errorf("label %s is %.40q: want a broker's id", r.SubjectLabel, id)
		}
		o.Subject = id
	}
	return o, nil
}
