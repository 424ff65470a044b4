package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/metrics/kafka"
	"github.com/tidetable/tidetable/metrics/observe"
	"github.com/tidetable/tidetable/metrics/prometheus"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/execute/adminclient"
)

// Builder puts a policy's loop together from what the policy names. With
// Kubernetes the rest (state, scalers, fence) is added by who leads.
type Builder struct {
	// Input and Trace decide on files instead of a live cluster; "-" is Stdin.
	Input, Trace string
	Stdin        io.Reader
	// Secrets is the folder where secretKeyRefs are mounted, as NAME/KEY.
	Secrets string
	// Confined reads no file that a policy names but those below Secrets and
	// Files: in a cluster a policy's author is not the pod, whose token and keys
	// he could else have sent to an address of his choice.
	Confined bool
	Files    string // the folder that the administrator lets policies name; "" is none
	Journals string // the folder below which policies may keep their journals; "" is none
	Logger   *slog.Logger
	Front    *Front // nil: nothing is served

	// topicOperator finds out what Strimzi's topic operator would do to a
	// cluster's throttles; nil, or a nil answer, where nobody can know.
	topicOperator func(policy.Policy) func(context.Context) (execute.TopicOperator, error)
}

// Build makes the loop's configuration; the returned function closes what was
// opened, in the reverse order.
func (b *Builder) Build(ctx context.Context, p policy.Policy, known journal.Anchor) (controller.Config, func(), error) {
	var closers []func()
	closeAll := func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}
	if err := b.allowed(p.Spec); err != nil {
		return controller.Config{}, nil, fmt.Errorf("policy %s: %w", p.Metadata.Name, err)
	}
	cfg := controller.Config{
		Policy: p, Gates: gates.All(), Logger: b.Logger.With("policy", p.Metadata.Name), Planner: rebalance.Planner{},
		Forecaster: controller.NewForecaster,
	}
	steps := []func(context.Context, *controller.Config) (func(), error){b.sources, b.mover, b.journal(known), b.publish}
	for _, step := range steps {
		done, err := step(ctx, &cfg)
		if done != nil {
			closers = append(closers, done)
		}
		if err != nil {
			closeAll()
			return controller.Config{}, nil, err
		}
	}
	return cfg, closeAll, nil
}

// sources are where the loop looks: live systems, or files.
func (b *Builder) sources(_ context.Context, cfg *controller.Config) (func(), error) {
	if b.Input != "" {
		return nil, b.fileSources(cfg)
	}
	s := cfg.Policy.Spec
	o := &observe.Observer{}
	if shape, err := capacity.ShapeNamed(s.Brokers.Shape); err == nil {
		o.Capacity = shape.Capacity()
	}
	if s.Prometheus.URL != "" {
		reader, err := b.prometheus(s.Prometheus)
		if err != nil {
			return nil, err
		}
		o.Metrics, cfg.History = reader, reader
	}
	cfg.Observer = o
	if len(s.Kafka.Bootstrap) == 0 {
		if s.Prometheus.URL == "" {
			return nil, fmt.Errorf(
				"policy %s names neither spec.kafka.bootstrap nor spec.prometheus.url: there is nothing to observe",
				cfg.Policy.Metadata.Name,
			)
		}
		return nil, nil
	}
	k, err := b.kafkaConfig(s.Kafka)
	if err != nil {
		return nil, err
	}
	reader, err := kafka.New(k)
	if err != nil {
		return nil, err
	}
	o.Kafka = reader
	return reader.Close, nil
}

func (b *Builder) prometheus(p policy.Prometheus) (*prometheus.Reader, error) {
	c, err := catalogue.Load(p.Catalogue)
	if err != nil {
		return nil, fmt.Errorf("reading spec.prometheus.catalogue: %w", err)
	}
	cfg := prometheus.Config{
		URL: p.URL, Catalogue: c, Headers: p.Headers,
		CAFile: p.TLS.CAFile, CertFile: p.TLS.CertFile, KeyFile: p.TLS.KeyFile, ServerName: p.TLS.ServerName,
		Selector: p.Selector, Scrape: p.ScrapeInterval.D(),
		Limits: prometheus.Limits{Timeout: p.Timeout.D()},
	}
	if cfg.BearerTokenFile, err = b.sent("spec.prometheus.bearerTokenFile", policy.Secret{File: p.BearerTokenFile}); err != nil {
		return nil, err
	}
	if !p.BearerToken.IsZero() {
		if cfg.BearerTokenFile, err = b.sent("spec.prometheus.bearerToken", p.BearerToken); err != nil {
			return nil, err
		}
	}
	if a := p.BasicAuth; a != nil {
		cfg.Username = a.Username
		if cfg.PasswordFile, err = b.sent("spec.prometheus.basicAuth.password", a.Password); err != nil {
			return nil, err
		}
	}
	return prometheus.New(cfg)
}

// kafkaConfig is how the policy reaches its cluster, secrets found.
func (b *Builder) kafkaConfig(k policy.Kafka) (kafka.Config, error) {
	cfg := kafka.Config{
		Bootstrap: k.Bootstrap, TLS: k.TLS.On(), CAFile: k.TLS.CAFile,
		CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, ServerName: k.TLS.ServerName,
		Mechanism: k.SASL.Mechanism, Username: k.SASL.Username,
	}
	var err error
	if cfg.PasswordFile, err = b.sent("spec.kafka.sasl.password", k.SASL.Password); err != nil {
		return cfg, err
	}
	cfg.TokenFile, err = b.sent("spec.kafka.sasl.token", k.SASL.Token)
	return cfg, err
}

const catalogueField = "spec.prometheus.catalogue"

// allowed refuses files that a policy must not name, all at once.
func (b *Builder) allowed(s policy.Spec) error {
	if !b.Confined {
		return nil
	}
	var errs []error
	for _, f := range s.Files() {
		// A mistake in a catalogue is told with the line that holds it: no secret is one.
		if below(f.Path, b.Files) || f.Field != catalogueField && below(f.Path, b.Secrets) {
			continue
		}
		errs = append(
			errs,
			fmt.Errorf("%s: %s may not be read: use secretKeyRef, or a file below the folder that --files names", f.Field, f.Path),
		)
	}
	if path := s.Journal.Path; path != "" && !(below(path, b.Journals) && journal.MayBegin(path)) {
		errs = append(errs, fmt.Errorf("spec.journal.path: %s may not be written: name a file below the folder that --journals names (%s)",
			path, b.Journals))
	}
	return errors.Join(errs...)
}

// below tells whether a path lies in a folder, by its words alone.
func below(path, folder string) bool {
	if folder == "" || !filepath.IsAbs(path) {
		return false
	}
	rel, err := filepath.Rel(folder, filepath.Clean(path))
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

// secret is the file that holds a secret: its own, or where its Secret is
// mounted. The process needs no right to read Secrets for that.
func (b *Builder) secret(field string, s policy.Secret) (string, error) {
	if s.SecretKeyRef == nil {
		return s.File, nil
	}
	if !filepath.IsLocal(s.SecretKeyRef.Name) || !filepath.IsLocal(s.SecretKeyRef.Key) {
		return "", fmt.Errorf("reading %s: its secretKeyRef is not the name of a Secret and of a key in it", field)
	}
	path := filepath.Join(b.Secrets, s.SecretKeyRef.Name, s.SecretKeyRef.Key)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf(
			"reading %s: Secret %s must be mounted at %s",
			field,
			s.SecretKeyRef.Name,
			filepath.Join(b.Secrets, s.SecretKeyRef.Name),
		)
	}
	return path, nil
}

// sent is the file of a secret that goes to others, whose addresses the policy
// names too. A private key goes nowhere: the journal's is mounted beside them.
func (b *Builder) sent(field string, s policy.Secret) (string, error) {
	path, err := b.secret(field, s)
	if err != nil || path == "" || !b.Confined {
		return path, err
	}
	text, err := os.ReadFile(path) // what the administrator has mounted
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", field, err)
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return "", fmt.Errorf("reading %s: it is a private key, which is sent to nobody", field)
	}
	return path, nil
}

// alertmanagers are those of the policy, their secrets found.
func (b *Builder) alertmanagers(of []policy.Alertmanager) ([]policy.Alertmanager, error) {
	out := slices.Clone(of)
	for i := range out {
		at := fmt.Sprintf("spec.alerts.alertmanagers[%d].", i)
		token, err := b.sent(at+"bearerTokenFile", policy.Secret{File: out[i].BearerTokenFile})
		if err != nil {
			return nil, err
		}
		out[i].BearerTokenFile = token
		if a := out[i].BasicAuth; a != nil {
			file, err := b.sent(at+"basicAuth.password", a.Password)
			if err != nil {
				return nil, err
			}
			found := *a
			found.Password = policy.Secret{File: file}
			out[i].BasicAuth = &found
		}
	}
	return out, nil
}

// mover moves data, in the modes that may; it connects at once, to take over
// what an earlier process left running.
func (b *Builder) mover(ctx context.Context, cfg *controller.Config) (func(), error) {
	s := cfg.Policy.Spec
	if !s.Mode.Acts() || len(s.Kafka.Bootstrap) == 0 || b.Input != "" {
		return nil, nil
	}
	rate, _, err := s.Rebalance.ThrottleRate() // zero: auto
	if err != nil {
		return nil, fmt.Errorf("spec.rebalance.throttle: %w", err)
	}
	opts, err := b.kafkaOptions(s.Kafka)
	if err != nil {
		return nil, err
	}
	conn, err := adminclient.Connect(adminclient.DefaultStateTopic, opts...)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	c := conn.Config(rate)
	cfg.Leave = &controller.Leave{}
	leave := cfg.Leave
	c.May = func(ctx context.Context, to execute.Direction) error { return leave.May(ctx, to == execute.Back) }
	if b.topicOperator != nil {
		c.TopicOperator = b.topicOperator(cfg.Policy)
	}
	c.OnEvent = func(e execute.Event) { log.Info("moving", "kind", e.Kind, "text", e.Text) }
	if seen, ok := cfg.Observer.(execute.SignalReader); ok && c.Clients != nil && s.Prometheus.URL != "" {
		c.Clients = execute.NewSignals(seen, time.Now) // it knows which broker a pod is
	}
	m, err := execute.New(ctx, c)
	if err != nil {
		conn.Close()
		return nil, err
	}
	cfg.Mover, cfg.Admin = m, adminclient.NewBrokerAdmin(conn.Client)
	return func() { m.Close(); conn.Close() }, nil
}

func (b *Builder) kafkaOptions(k policy.Kafka) ([]kgo.Opt, error) {
	cfg, err := b.kafkaConfig(k)
	if err != nil {
		return nil, err
	}
	return cfg.Connection()
}

// journal records decisions where the policy says so; known is the newest entry
// that is known elsewhere.
func (b *Builder) journal(known journal.Anchor) func(context.Context, *controller.Config) (func(), error) {
	return func(ctx context.Context, cfg *controller.Config) (func(), error) {
		return b.openJournal(ctx, cfg, known)
	}
}

func (b *Builder) openJournal(ctx context.Context, cfg *controller.Config, known journal.Anchor) (func(), error) {
	s := cfg.Policy.Spec.Journal
	if s.Path == "" {
		return nil, nil
	}
	opt := journal.Options{Known: known}
	if !s.Sign.IsZero() {
		file, err := b.secret("spec.journal.sign", s.Sign)
		if err != nil {
			return nil, err
		}
		if opt.Key, err = journal.LoadSigningKey(file); err != nil {
			return nil, err
		}
	}
	j, err := journal.Open(s.Path, opt)
	if err != nil {
		return nil, err
	}
	stop := func() {}
	if s.Topic != "" {
		if stop, err = b.copyJournal(ctx, cfg, j); err != nil {
			return func() { j.Close() }, err
		}
	}
	// What cannot be recorded is not done: a journal that fails freezes the loop.
	cfg.Journal, cfg.Watchers = j, append(cfg.Watchers, j)
	forget := func() {}
	if b.Front != nil {
		cfg.Journal = b.Front.counting(cfg.Policy.Metadata.Name, j)
		if forget, err = b.Front.adopt(ctx, cfg.Policy.Metadata.Name, j); err != nil {
			return func() { stop(); j.Close() }, err
		}
	}
	return func() {
		forget()
		stop()
		if err := j.Close(); err != nil {
			b.Logger.Error("closing the journal failed", "error", err)
		}
	}, nil
}

func (b *Builder) copyJournal(ctx context.Context, cfg *controller.Config, j *journal.Journal) (func(), error) {
	opts, err := b.kafkaOptions(cfg.Policy.Spec.Kafka)
	if err != nil {
		return nil, err
	}
	topic, err := journal.NewTopic(cfg.Policy.Spec.Journal.Topic, cfg.Logger, opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); _ = topic.Run(ctx, j) }()
	return func() { cancel(); <-done; topic.Close() }, nil
}

// publish tells the page, the metrics and the Alertmanagers, and listens to
// what alerts say.
func (b *Builder) publish(ctx context.Context, cfg *controller.Config) (func(), error) {
	if b.Front == nil {
		return nil, nil
	}
	return b.Front.connect(ctx, b, cfg)
}

// fileSources decide on files: the clock stands at the snapshot's time.
func (b *Builder) fileSources(cfg *controller.Config) error {
	snap, err := archive.ReadSnapshotFile(b.Input, b.Stdin)
	if err != nil {
		return err
	}
	at := snap.TakenAt
	if b.Trace != "" {
		tr, err := archive.ReadTraceFile(b.Trace, b.Stdin)
		if err != nil {
			return err
		}
		s, err := tr.BytesIn(nil, snap)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Trace, err)
		}
		history := traceHistory{metrics.TopicBytesIn: s}
		if out, ok := tr.Column("bytes_out"); ok {
			history[metrics.TopicBytesOut] = out
		}
		cfg.History = history
		cfg.Policy.Spec.Forecast.Step = policy.Duration(tr.Step)
		if s.End().After(at) {
			at = s.End()
		}
	}
	if at.IsZero() {
		return errors.New("the snapshot has no takenAt, and there is no trace: there is no now")
	}
	snap.TakenAt = at
	cfg.Observer, cfg.Clock = fileObserver{snap}, fixedClock{at}
	return nil
}

type fileObserver struct{ s cluster.Snapshot }

func (o fileObserver) Observe(context.Context) (cluster.Snapshot, error) { return o.s, nil }

type fixedClock struct{ at time.Time }

func (c fixedClock) Now() time.Time { return c.at }

// traceHistory is a trace of the cluster's totals.
type traceHistory map[metrics.Signal]metrics.Series

func (h traceHistory) History(_ context.Context, signal metrics.Signal, w metrics.Window) ([]metrics.Series, error) {
	s, ok := h[signal]
	if !ok {
		return nil, nil
	}
	return []metrics.Series{s.Upto(w.To)}, nil
}
