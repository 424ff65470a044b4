package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/daemon"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/policy"
)

type controllerFlags struct {
	policy, input, trace string
	once                 bool
	listen               string
	openPage, pageTokens bool
	pageHosts            []string
	secrets, files       string
	journals             string
	logLevel             choice
	kubernetes           kubernetesFlags
	tls                  daemon.TLS
}

// kubernetesFlags are those for running in a cluster.
type kubernetesFlags struct {
	on      bool
	run     daemon.Kubernetes
	maxMode choice
}

func (f *kubernetesFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.on, "kubernetes", false, "read policies from KafkaCapacityPolicy objects and scale on the Kubernetes API")
	fl.StringVar(&f.run.Kubeconfig, "kubeconfig", "", "kubeconfig `file`, outside a cluster")
	fl.StringVar(&f.run.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace whose policies are served (default: ours)")
	fl.StringVar(&f.run.Lease, "lease", "tidetable", "name of the Lease that makes one process the leader")
	f.maxMode = choice{allowed: []string{"Observe", "Recommend", "Approve", "Act"}, value: "Act"}
	fl.Var(&f.maxMode, "max-mode", "the most any policy may do here, as its rights allow: "+f.maxMode.list())
}

func addTLSFlags(cmd *cobra.Command, t *daemon.TLS) {
	fl := cmd.Flags()
	fl.StringVar(&t.Cert, "tls-cert-file", "", "serve with this certificate (PEM `file`, read anew at each connection)")
	fl.StringVar(&t.Key, "tls-key-file", "", "the certificate's private key (PEM `file`)")
	fl.StringVar(
		&t.ClientCA,
		"client-ca-file",
		"",
		"take alerts from senders whose certificate this CA has signed (PEM `file`), besides those with the token",
	)
}

func newControllerCmd() *cobra.Command {
	f := &controllerFlags{logLevel: choice{allowed: []string{"debug", "info", "warn", "error"}, value: "info"}}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "run the loop: observe, forecast, size, decide, gate, act, record",
		Long: "controller runs the loop for one policy file, or for every policy of a namespace\n" +
			"with --kubernetes. What it may do is the policy's mode: Observe, Recommend,\n" +
			"Approve or Act.\n\n" +
			"With --once it goes round once, prints the decision and exits. With --input it\n" +
			"decides on a snapshot file instead of a live cluster, once.\n\n" +
			"It serves /livez, /readyz, /metrics and a page on --listen. Logs are JSON on\n" +
			"stderr. Exit codes: 0 done, 1 the tick could not do its work, 2 bad usage or input.",
		Example: "  tidetable controller --once --policy policy.yaml\n" +
			"  tidetable controller --once --policy policy.yaml --output json | tidetable explain -\n" +
			"  tidetable controller --policy policy.yaml --listen 127.0.0.1:8080\n" +
			"  tidetable controller --kubernetes --max-mode Recommend",
		Args: cobra.NoArgs,
	}
	fl := cmd.Flags()
	fl.StringVar(&f.policy, "policy", "", "policy file (- for stdin)")
	fl.StringVar(&f.input, "input", "", "decide on this snapshot file, once, instead of on a live cluster")
	fl.StringVar(&f.trace, "trace", "", "with --input: trace of bytes in per second, as CSV")
	fl.BoolVar(&f.once, "once", false, "go round once, print the decision, and exit")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of /livez, /readyz, /metrics and the page")
	fl.BoolVar(&f.openPage, "open-page", false, "let everybody read the page who can reach it")
	fl.StringSliceVar(&f.pageHosts, "page-host", nil,
		"with --open-page: a `name` under which the page is served, besides addresses and names of Services")
	fl.BoolVar(
		&f.pageTokens,
		"page-tokens-only",
		false,
		"let readers in with tokens made for the page alone (kubectl create token NAME --audience "+kube.Audience+"), not with those for the API server",
	)
	fl.StringVar(&f.secrets, "secrets", "/var/run/secrets/tidetable", "folder where secretKeyRefs are mounted, as NAME/KEY")
	fl.StringVar(
		&f.files,
		"files",
		"/etc/tidetable",
		"with --kubernetes: the `folder` below which policies may name files (certificates, tokens, catalogues)",
	)
	fl.StringVar(&f.journals, "journals", "/var/lib/tidetable", "with --kubernetes: the `folder` below which policies may keep their journals")
	fl.Var(&f.logLevel, "log-level", "least level of log lines: "+f.logLevel.list())
	f.kubernetes.add(cmd)
	addTLSFlags(cmd, &f.tls)
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		logger := newLogger(cmd.ErrOrStderr(), f.logLevel.value)
		daemon.BoundMemory()
		switch {
		case f.once || f.input != "":
			return f.runOnce(cmd, logger, *out)
		case f.kubernetes.on:
			return f.serveKubernetes(cmd.Context(), logger)
		default:
			return f.serveFile(cmd, logger)
		}
	}
	return cmd
}

func (f *controllerFlags) check() error {
	switch {
	case f.kubernetes.on && f.policy != "":
		return errors.New("--policy and --kubernetes exclude each other; give one")
	case f.kubernetes.on && (f.once || f.input != ""):
		return errors.New("--once and --input need --policy, not --kubernetes")
	case !f.kubernetes.on && f.policy == "":
		return errors.New("--policy is missing; name a policy file, or run with --kubernetes")
	case f.trace != "" && f.input == "":
		return errors.New("--trace belongs to --input")
	}
	return f.tls.Check()
}

// newLogger writes JSON lines.
func newLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(strings.ToUpper(level))) // the flag allows only names it knows
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: plainAttr}))
}

// plainAttr keeps what others say short, and on one line.
func plainAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(plain.Text(v))
	case error:
		a.Value = slog.StringValue(plain.Text(v.Error()))
	}
	return a
}

// runOnce goes round once and prints the decision.
func (f *controllerFlags) runOnce(cmd *cobra.Command, logger *slog.Logger, format string) error {
	p, err := policy.Load(f.policy, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if f.once && f.logLevel.value == "info" {
		logger = newLogger(cmd.ErrOrStderr(), "warn") // the decision is what was asked for
	}
	b := f.builder(logger, nil)
	b.Stdin = cmd.InOrStdin()
	cfg, closeAll, err := b.Build(cmd.Context(), p, journal.Anchor{})
	if err != nil {
		return err
	}
	defer closeAll()
	loop, err := controller.New(cfg)
	if err != nil {
		return err
	}
	d, tickErr := loop.Tick(cmd.Context())
	if format == "json" {
		err = writeJSON(cmd.OutOrStdout(), d)
	} else {
		err = decision.Explain(cmd.OutOrStdout(), d)
	}
	if tickErr != nil {
		return foundError{tickErr}
	}
	return err
}

// serveFile runs the loop of one policy file until ctx ends.
func (f *controllerFlags) serveFile(cmd *cobra.Command, logger *slog.Logger) error {
	p, err := policy.Load(f.policy, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if p.Spec.Mode.Acts() {
		return fmt.Errorf(
			"%s: mode %s needs --kubernetes: without a Lease two processes could act at once, and there is nothing here to scale",
			f.policy,
			p.Spec.Mode,
		)
	}
	front := daemon.NewFront(f.front(), logger)
	cfg, closeAll, err := f.builder(logger, front).Build(cmd.Context(), p, journal.Anchor{})
	if err != nil {
		return err
	}
	defer closeAll()
	loop, err := controller.New(cfg)
	if err != nil {
		return err
	}
	defer front.Serving(loop)()
	return front.WhileServing(cmd.Context(), loop.Run)
}

// serveKubernetes runs the loops of a namespace's policies until ctx ends.
func (f *controllerFlags) serveKubernetes(ctx context.Context, logger *slog.Logger) error {
	k := f.kubernetes.run
	k.MaxMode = policy.Mode(f.kubernetes.maxMode.value)
	clients, err := k.Connect(logger)
	if err != nil {
		return err
	}
	shown := f.front()
	shown.Standby, shown.Reviewer = true, daemon.Reviewer(clients, f.pageTokens) // not leading is being ready to
	front := daemon.NewFront(shown, logger)
	return front.WhileServing(ctx, func(ctx context.Context) error { return k.Run(ctx, clients, f.builder(logger, front)) })
}

func (f *controllerFlags) builder(logger *slog.Logger, front *daemon.Front) *daemon.Builder {
	return &daemon.Builder{
		Input:    f.input,
		Trace:    f.trace,
		Secrets:  f.secrets,
		Confined: f.kubernetes.on,
		Files:    f.files,
		Journals: f.journals,
		Logger:   logger,
		Front:    front,
	}
}

func (f *controllerFlags) front() daemon.FrontConfig {
	return daemon.FrontConfig{Listen: f.listen, OpenPage: f.openPage, Hosts: f.pageHosts, TLS: f.tls, Version: version}
}
