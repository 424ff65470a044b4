package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidetable/tidetable/adapters/alertmanager"
	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/telemetry"
	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
)

// shutdownGrace is how long requests may go on after the loop has stopped.
const shutdownGrace = 2 * time.Second

// Front is what the process shows: its health, its metrics, its page, and
// where alerts come in.
type Front struct {
	cfg      FrontConfig
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *telemetry.Metrics
	store    *web.Store
	desk     *web.Desk

	wanted atomic.Int64 // loops that should run

	mu       sync.Mutex
	loops    map[*controller.Controller]bool
	webhooks map[string]http.Handler // by policy
	journals map[string]*journal.Journal
}

// FrontConfig says where and how the process shows itself.
type FrontConfig struct {
	Listen   string   // address
	OpenPage bool     // everybody may read the page who can reach it
	Hosts    []string // names under which an open page is served, beside those of Services
	TLS      TLS
	Version  string // of this program, for its metrics
	// Standby is ready without a loop: another process leads.
	Standby bool
	// Reviewer checks the rights of people; nil makes the page read-only.
	Reviewer web.Reviewer
}

// NewFront makes a front; it listens in WhileServing.
func NewFront(cfg FrontConfig, logger *slog.Logger) *Front {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	front := &Front{
		cfg: cfg, logger: logger, registry: r, metrics: telemetry.New(r, cfg.Version), store: web.NewStore(0),
		loops: map[*controller.Controller]bool{}, webhooks: map[string]http.Handler{}, journals: map[string]*journal.Journal{},
	}
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tidetable_loops_wanted", Help: "Valid policies, while this process leads."},
			func() float64 { return float64(front.wanted.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tidetable_loops_running", Help: "Loops at work for them."},
			func() float64 { return float64(front.running()) }),
	)
	front.desk = web.NewDesk(time.Now, front.record)
	return front
}

// Want says how many loops should run.
func (f *Front) Want(loops int) { f.wanted.Store(int64(loops)) }

func (f *Front) running() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.loops)
}

// Serving is told of each loop; the returned function is called when it ends.
func (f *Front) Serving(c *controller.Controller) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loops[c] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.loops, c)
	}
}

// connect makes a loop tell the page and the metrics what it decides, and the
// Alertmanagers; and lets alerts speak to it.
func (f *Front) connect(ctx context.Context, b *Builder, cfg *controller.Config) (func(), error) {
	name := cfg.Policy.Metadata.Name
	f.metrics.Expect(name)
	cfg.Publish = append(cfg.Publish, f.metrics.Publish, f.store.Add)
	f.people(cfg)
	cfg.Timed = func(took time.Duration) { f.metrics.Tick(name, took) }
	closers := []func(){func() { f.metrics.Forget(name) }}
	closeAll := func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}
	found, err := b.alertmanagers(cfg.Policy.Spec.Alerts.Alertmanagers)
	if err != nil {
		return closeAll, err
	}
	cfg.Policy.Spec.Alerts.Alertmanagers = found
	alerts := cfg.Policy.Spec.Alerts
	registry := prometheus.WrapRegistererWith(prometheus.Labels{"policy": name}, f.registry)
	if len(alerts.Alertmanagers) > 0 {
		endpoints, err := alertmanager.Endpoints(alerts.Alertmanagers)
		if err != nil {
			return closeAll, err
		}
		scoped := &unregistering{Registerer: registry}
		sender := alertmanager.NewSender(alertmanager.SenderOptions{Endpoints: endpoints, Log: cfg.Logger, Metrics: scoped})
		cfg.Publish = append(cfg.Publish, sender.Publish)
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		go func() { defer close(done); _ = sender.Run(ctx) }()
		closers = append(closers, scoped.all, func() { cancel(); <-done })
	}
	if len(alerts.Webhook.Rules) > 0 {
		stop, err := f.webhook(b, cfg, registry)
		if err != nil {
			return closeAll, err
		}
		closers = append(closers, stop)
	}
	return closeAll, nil
}

func (f *Front) webhook(b *Builder, cfg *controller.Config, registry prometheus.Registerer) (func(), error) {
	w := cfg.Policy.Spec.Alerts.Webhook
	file, err := b.secret("spec.alerts.webhook.token", w.Token)
	if err != nil {
		return nil, err
	}
	mutual := f.cfg.TLS.ClientCA != ""
	if file == "" && !mutual {
		return nil, errors.New("spec.alerts.webhook.token is missing, and there is no --client-ca-file: anybody could hold the loop")
	}
	scoped := &unregistering{Registerer: registry}
	receiver, err := alertmanager.NewReceiver(alertmanager.ReceiverOptions{
		Rules: w.Rules, Log: cfg.Logger, Metrics: scoped, ClientCertificate: mutual,
		Token: func() (string, error) {
			if file == "" {
				return "", nil
			}
			data, err := os.ReadFile(file)
			return strings.TrimSpace(string(data)), err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing spec.alerts.webhook: %w", err)
	}
	f.adoptAlerts(cfg, receiver)
	cfg.Watchers = append(cfg.Watchers, receiver)
	cfg.Wake = receiver.Checks()
	name := cfg.Policy.Metadata.Name
	f.mu.Lock()
	f.webhooks[name] = receiver
	f.mu.Unlock()
	return func() {
		scoped.all()
		f.mu.Lock()
		delete(f.webhooks, name)
		f.mu.Unlock()
	}, nil
}

// adoptLimit bounds the question what fires at the start.
const adoptLimit = 10 * time.Second

// adoptAlerts asks the Alertmanagers what fires, so that a restart does not let go of
// what an alert holds. Who cannot be asked will post again by itself.
func (f *Front) adoptAlerts(cfg *controller.Config, receiver *alertmanager.Receiver) {
	endpoints, err := alertmanager.Endpoints(cfg.Policy.Spec.Alerts.Alertmanagers)
	if err == nil && len(endpoints) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), adoptLimit)
		defer cancel()
		err = receiver.Adopt(ctx, endpoints)
	}
	if err != nil {
		f.logger.Warn("asking the Alertmanagers what fires failed", "policy", cfg.Policy.Metadata.Name, "error", err)
	}
}

// unregistering remembers what was registered through it, so that a policy
// that goes takes its metrics along.
type unregistering struct {
	prometheus.Registerer
	mine []prometheus.Collector
}

func (u *unregistering) Register(c prometheus.Collector) error {
	err := u.Registerer.Register(c)
	if err == nil {
		u.mine = append(u.mine, c)
	}
	return err
}

func (u *unregistering) MustRegister(cs ...prometheus.Collector) {
	u.Registerer.MustRegister(cs...)
	u.mine = append(u.mine, cs...)
}

func (u *unregistering) all() {
	for _, c := range u.mine {
		u.Unregister(c)
	}
}

// counting counts what became of decisions handed to the journal.
func (f *Front) counting(policy string, j *journal.Journal) controller.Journal {
	f.metrics.Journal(policy, func() (uint64, string) { a := j.Head(); return a.Seq, a.Hash })
	return countingJournal{j, f.metrics}
}

type countingJournal struct {
	journal *journal.Journal
	metrics *telemetry.Metrics
}

func (c countingJournal) Record(ctx context.Context, d decision.Decision) error {
	err := c.journal.Record(ctx, d)
	c.metrics.Recorded(err)
	return err
}

// Head is the journal's anchor, for the policy's status.
func (c countingJournal) Head() journal.Anchor { return c.journal.Head() }

func (f *Front) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", f.alive)
	mux.HandleFunc("GET /readyz", f.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{Registry: f.registry}))
	mux.HandleFunc("POST /api/v1/alerts", f.alerts)
	mux.HandleFunc("POST /api/v1/alerts/{policy}", f.alerts)
	mux.Handle("/", web.Handler(f.page()))
	return mux
}

// alive answers 200 while no loop is stuck: a loop that could not be started is
// no reason to restart the process.
func (f *Front) alive(w http.ResponseWriter, _ *http.Request) {
	probed(w, f.ask((*controller.Controller).Alive), "ok")
}

// ready answers 200 when every loop that runs has lately seen its cluster, and
// some does where any should; it says how many do, and which are frozen and why: by
// a journal that cannot be written, or by a person. Such a process is ready, since
// it sees its cluster, and its page is where one finds out.
func (f *Front) ready(w http.ResponseWriter, _ *http.Request) {
	reasons, running, wanted := f.ask((*controller.Controller).Ready), f.running(), int(f.wanted.Load())
	switch {
	case running == 0 && wanted > 0:
		reasons = append(reasons, fmt.Sprintf("none of %d loops runs", wanted))
	case running == 0 && !f.cfg.Standby:
		reasons = append(reasons, "no loop runs yet")
	}
	ok := fmt.Sprintf("ok: %d of %d loops run", running, max(running, wanted))
	for _, why := range f.ask(frozen) {
		ok += "\n" + plain.Text(why)
	}
	probed(w, reasons, ok)
}

func frozen(c *controller.Controller) error {
	if why := c.Frozen(); why != "" {
		return errors.New("no step is taken: " + why)
	}
	return nil
}

// ask is what speaks against the loops, sorted.
func (f *Front) ask(question func(*controller.Controller) error) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var reasons []string
	for c := range f.loops {
		if err := question(c); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	slices.Sort(reasons)
	return reasons
}

func probed(w http.ResponseWriter, reasons []string, ok string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		ok = strings.Join(reasons, "\n")
	}
	fmt.Fprintln(w, ok)
}

// WhileServing serves for as long as run runs: the loop stops first, and who
// asks for its health meanwhile is answered.
func (f *Front) WhileServing(ctx context.Context, run func(context.Context) error) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening on --listen: %w", err)
	}
	if listener, err = f.cfg.TLS.wrap(listener); err != nil {
		return err
	}
	f.logger.Info("serving", "address", listener.Addr().String())
	server := &http.Server{
		Handler:           f.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		err := server.Serve(listener)
		cancel() // a loop that nobody can watch must not go on
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		served <- err
	}()
	err = run(ctx)
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer done()
	return errors.Join(err, server.Shutdown(stop), <-served)
}
