package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/execute/adminclient"
)

// moverFlags are shared by execute, status and cancel.
type moverFlags struct {
	kafka *kafkaFlags
	topic string
	poll  time.Duration
	rate  string
}

func addMoverFlags(cmd *cobra.Command, works bool) *moverFlags {
	f := &moverFlags{kafka: addKafkaFlags(cmd)}
	cmd.Flags().StringVar(&f.topic, "state-topic", adminclient.DefaultStateTopic, "compacted topic that keeps the run")
	if works {
		cmd.Flags().DurationVar(&f.poll, "poll", 5*time.Second, "time between two looks at the cluster")
		cmd.Flags().
			StringVar(&f.rate, "throttle", "auto", "bytes a second a broker may copy in each direction, such as 50MB; "+
				"auto adapts to the clients' health: by Prometheus where it is given, by probing the brokers otherwise")
	}
	return f
}

func (f *moverFlags) open() (*adminclient.Connection, error) {
	opts, err := f.kafka.options()
	if err != nil {
		return nil, err
	}
	return adminclient.Connect(f.topic, opts...)
}

func (f *moverFlags) config(c *adminclient.Connection, events func(execute.Event)) (execute.Config, error) {
	var rate cluster.BytesPerSecond
	if f.rate != "auto" && f.rate != "" {
		var err error
		if rate, err = policy.ParseRate(f.rate); err != nil {
			return execute.Config{}, fmt.Errorf("--throttle: %w", err)
		}
	}
	cfg := c.Config(rate)
	cfg.Poll, cfg.OnEvent = f.poll, events
	return cfg, nil
}

func newRebalanceExecuteCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "execute",
		Short: "carry a plan out on a live cluster",
		Long: "execute moves replicas and leaders as a plan says, under throttles of its own, and\n" +
			"removes them. It may be killed at any point: started again with the same plan, or\n" +
			"with none, it goes on. The plan is a file of Kafka's reassignment format, as\n" +
			"rebalance plan --reassignment writes it.\n\n" +
			"Exit codes: 0 done, 1 refused or partly given up, 2 bad usage or input.",
		Example: "  tidetable rebalance execute --bootstrap kafka-0:9092 --plan moves.json\n" +
			"  tidetable rebalance execute --bootstrap kafka-0:9092 --drain 7 --unregister --throttle 50MB",
		Args: cobra.NoArgs,
	}
	f := addMoverFlags(cmd, true)
	measured := addMetricsFlags(cmd)
	var a executeArgs
	cmd.Flags().StringVar(&a.plan, "plan", "", "reassignment file, or - for stdin; without it an interrupted run is resumed")
	cmd.Flags().IntSliceVar(&a.options.Drain, "drain", nil, "brokers that must end empty, proven by their log dirs")
	cmd.Flags().BoolVar(&a.options.Unregister, "unregister", false, "unregister drained brokers once they are empty and stopped")
	cmd.Flags().BoolVar(&a.check, "check", false, "run the preflight checks and move nothing")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runExecute(cmd, f, measured, a, *out) }
	return cmd
}

// executeArgs is what is asked of execute.
type executeArgs struct {
	plan    string
	options execute.Options
	check   bool
}

func runExecute(cmd *cobra.Command, f *moverFlags, measured *metricsFlags, a executeArgs, format string) error {
	var moves []cluster.Move
	if a.plan != "" {
		var err error
		if moves, err = readMoves(a.plan, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	conn, err := f.open()
	if err != nil {
		return err
	}
	defer conn.Close()
	show := newShow(cmd.ErrOrStderr())
	cfg, err := f.config(conn, show.event)
	if err != nil {
		return err
	}
	source, _, closeSource, err := measured.open()
	if err != nil {
		return err
	}
	defer closeSource()
	if source != nil && cfg.Clients != nil {
		cfg.Clients = execute.NewSignals(source, time.Now)
	}
	m, err := execute.New(cmd.Context(), cfg)
	if err != nil {
		return foundError{err}
	}
	defer m.Close()
	if a.check {
		return printFindings(cmd.Context(), cmd.OutOrStdout(), m, moves, a.options, format)
	}
	if a.plan != "" || len(a.options.Drain) > 0 {
		if err := m.StartWith(cmd.Context(), moves, a.options); err != nil {
			return foundError{err}
		}
	}
	return follow(cmd, m, show, format)
}

func readMoves(path string, stdin io.Reader) ([]cluster.Move, error) {
	in, err := files.Open(path, stdin, 0)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	list, err := rebalance.ReadReassignment(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	moves := make([]cluster.Move, 0, len(list))
	for _, r := range list {
		moves = append(moves, cluster.Move{Topic: r.Topic, Partition: r.Partition, To: r.Replicas})
	}
	return moves, nil
}

// follow waits for the end of the run, showing how far it is.
func follow(cmd *cobra.Command, m *execute.Mover, show *show, format string) error {
	wait := make(chan error, 1)
	go func() { wait <- m.Wait(cmd.Context()) }()
	var err error
	for waiting := true; waiting; {
		select {
		case err = <-wait:
			waiting = false
		case <-time.After(time.Second):
			p, _ := m.Progress(cmd.Context())
			show.progress(p)
		}
	}
	show.done()
	if errors.Is(err, context.Canceled) {
		return foundError{errors.New("stopped; what is in flight goes on under its throttle: run execute again to go on, or cancel")}
	}
	if err != nil {
		return foundError{err}
	}
	p, _ := m.Progress(cmd.Context())
	if err := printProgress(cmd.OutOrStdout(), m.Run(), p, format); err != nil {
		return err
	}
	if n := len(m.Dropped()); n > 0 {
		return foundError{fmt.Errorf("%d moves were given up; the events say why", n)}
	}
	return nil
}

func newRebalanceStatusCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "say how far a run is",
		Example: "  tidetable rebalance status --bootstrap kafka-0:9092 --watch",
		Args:    cobra.NoArgs,
	}
	f := addMoverFlags(cmd, false)
	watch := cmd.Flags().Bool("watch", false, "look again every two seconds until the run is over")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := f.open()
		if err != nil {
			return err
		}
		defer conn.Close()
		watcher := execute.NewWatcher(conn.Client, conn.Store)
		for {
			run, p, err := watcher.Status(cmd.Context(), time.Now())
			if err != nil {
				return foundError{err}
			}
			if err := printProgress(cmd.OutOrStdout(), run, p, *out); err != nil {
				return err
			}
			if !*watch || !run.Active() {
				return nil
			}
			select {
			case <-cmd.Context().Done():
				return nil
			case <-time.After(2 * time.Second):
			}
		}
	}
	return cmd
}

func newRebalanceCancelCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel",
		Short: "undo a run: restore every original placement",
		Long: "cancel takes the run over, from a mover that is at work or one that was killed,\n" +
			"and moves every partition back to where it was, under the same throttles.",
		Example: "  tidetable rebalance cancel --bootstrap kafka-0:9092",
		Args:    cobra.NoArgs,
	}
	f := addMoverFlags(cmd, true)
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := f.open()
		if err != nil {
			return err
		}
		defer conn.Close()
		show := newShow(cmd.ErrOrStderr())
		cfg, err := f.config(conn, show.event)
		if err != nil {
			return err
		}
		cfg.CancelAdopted = true
		m, err := execute.New(cmd.Context(), cfg)
		if err != nil {
			return foundError{err}
		}
		defer m.Close()
		if run := m.Run(); !run.Active() {
			return foundError{errors.New("no run is under way; nothing to cancel")}
		}
		return follow(cmd, m, show, *out)
	}
	return cmd
}

// show tells a person what happens: a bar on a terminal, lines elsewhere.
type show struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newShow(w io.Writer) *show {
	s := &show{w: w}
	if isTerminal(w) {
		s.bar = progressbar.NewOptions64(
			1,
			progressbar.OptionSetWriter(w),
			progressbar.OptionShowBytes(true),
			progressbar.OptionClearOnFinish(),
		)
	}
	return s
}

func (s *show) event(e execute.Event) {
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	fmt.Fprintf(s.w, "%s %s: %s\n", e.Time.Format("2006-01-02T15:04:05.000Z07:00"), e.Kind, e.Text)
}

func (s *show) progress(p rebalance.Progress) {
	if s.bar == nil {
		return
	}
	s.bar.ChangeMax64(max(1, int64(p.BytesTotal)))
	s.bar.Describe(fmt.Sprintf("%s, %v, %s left", p.State, p.Rate, p.ETA().Round(time.Second)))
	_ = s.bar.Set64(int64(p.BytesMoved))
}

func (s *show) done() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}

// progressVersion is the version of progressJSON that is written.
const progressVersion = 2

// progressJSON is what execute, status and cancel print: docs/formats/progress.md.
type progressJSON struct {
	Version int    `json:"version"`
	Run     string `json:"run"`
	rebalance.Progress
	Percent float64 `json:"percent"`
}

// printProgress prints one run's progress.
func printProgress(w io.Writer, run execute.Run, p rebalance.Progress, format string) error {
	percent := 100.0
	if p.BytesTotal > 0 {
		percent = 100 * float64(p.BytesMoved) / float64(p.BytesTotal)
	}
	if format == "json" {
		return writeJSON(w, progressJSON{progressVersion, run.ID, p, percent})
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"run", "state", "bytes", "of", "%", "moves", "rate", "left", "why"})
	t.AppendRow(table.Row{run.ID, p.State, p.BytesMoved, p.BytesTotal, fmt.Sprintf("%.1f", percent),
		fmt.Sprintf("%d/%d", p.MovesDone, p.MovesTotal), p.Rate, p.ETA().Round(time.Second), p.Why})
	t.Render()
	return nil
}

// printFindings prints what the preflight says, and exits 1 when it refuses.
func printFindings(ctx context.Context, w io.Writer, m *execute.Mover, moves []cluster.Move, o execute.Options, format string) error {
	findings, err := m.Check(ctx, moves, o)
	if err != nil {
		return foundError{err}
	}
	if format == "json" {
		if err := writeJSON(w, findings); err != nil {
			return err
		}
	} else {
		t := table.NewWriter()
		t.SetOutputMirror(w)
		t.AppendHeader(table.Row{"check", "answer", "why"})
		for _, f := range findings {
			t.AppendRow(table.Row{f.Check, f.Answer, f.Why})
		}
		t.Render()
	}
	if err := execute.Refusal(findings); err != nil {
		return foundError{err}
	}
	return nil
}
