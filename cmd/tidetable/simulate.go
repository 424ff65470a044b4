package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

const maxScenarioBytes = 4 << 20

func newSimulateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate SCENARIO.yaml",
		Short: "run a what-if: the production loop and others in a simulated cluster",
		Long: "simulate builds the scenario's cluster in memory, lets each policy run it, and\n" +
			"compares what came of it with an oracle that knew the future. The same scenario\n" +
			"and seed give the same bytes, on any number of cores. SCENARIO may be -.",
		Example: "  tidetable simulate scenario.yaml --report out.html\n" +
			"  tidetable simulate scenario.yaml --runs 1000 --output json > all.json\n" +
			"  tidetable simulate scenario.yaml --runs 1000 --shard 0/16 --output json > shard-0.json",
		Args: cobra.ExactArgs(1),
	}
	var runs int
	var shard, report, serve string
	var decisions bool
	var hosts []string
	cmd.Flags().IntVar(&runs, "runs", 0, "Monte Carlo: how many runs (default: the scenario's monteCarlo.runs, else one run as written)")
	cmd.Flags().StringVar(&shard, "shard", "", "do only part i/n of the runs, i from 0; put together by simulate merge")
	cmd.Flags().StringVar(&report, "report", "", "write a self-contained HTML page to this file")
	cmd.Flags().BoolVar(&decisions, "decisions", false, "tell what the loop changed of the brokers, when and why")
	cmd.Flags().
		StringVar(&serve, "serve", "", "afterwards show the loop's decisions on the controller's page, at this address, until Ctrl-C")
	cmd.Flags().StringSliceVar(&hosts, "page-host", nil, "with --serve: a `name` under which the page is served, besides addresses")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s := simulation{cmd: cmd, runs: runs, report: report, serve: serve, hosts: hosts, output: *out, decisions: decisions}
		return s.run(cmd.Context(), args[0], shard)
	}
	cmd.AddCommand(newSimulateMergeCmd(), newSimulateReplayCmd(), newSimulateEconomicsCmd(), newSimulateExportCmd())
	return cmd
}

type simulation struct {
	cmd    *cobra.Command
	runs   int
	report string
	serve  string
	hosts  []string
	output string
	// decisions tells what the loop did, before the table.
	decisions bool
}

func (s *simulation) run(ctx context.Context, path, shard string) error {
	debug.SetGCPercent(gcPercent)
	plan, digest, err := readScenario(path, s.cmd.InOrStdin())
	if err != nil {
		return err
	}
	if s.runs < 0 || s.runs > 1_000_000 {
		return fmt.Errorf("--runs is %d; it must be 1 to 1,000,000", s.runs)
	}
	runs := s.runs
	if runs == 0 {
		runs = plan.MonteCarlo.Runs
	}
	part := simulations.Shard{}
	if shard != "" {
		if part, err = simulations.ParseShard(shard); err != nil {
			return fmt.Errorf("--shard: %w", err)
		}
		if runs == 0 {
			return errors.New("--shard: there is nothing to share out; give --runs, or monteCarlo.runs in the scenario")
		}
	}
	if runs > 0 {
		if s.serve != "" {
			return errors.New("--serve shows one run; leave --runs (and monteCarlo.runs) away")
		}
		if s.report != "" {
			return errors.New("--report shows one run; leave --runs (and monteCarlo.runs) away")
		}
		return s.many(ctx, plan, runs, part, digest)
	}
	return s.one(ctx, plan)
}

func (s *simulation) one(ctx context.Context, plan *scenario.Experiment) error {
	o := simulationOptions()
	o.Points = reportPoints
	page, err := newSimulationPage(s.serve, s.hosts, &o)
	if err != nil {
		return err
	}
	defer page.close()
	stop := s.progress(&o, simulations.Ticks(plan, 1))
	r, err := simulations.Compare(ctx, plan, o)
	stop()
	if err != nil {
		return err
	}
	if s.report != "" {
		report := r.Page()
		if err := files.WriteAtomic(s.report, s.cmd.OutOrStdout(), report.Write); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	if err := s.show(r); err != nil {
		return err
	}
	return page.serve(ctx, s.cmd.ErrOrStderr())
}

// reportPoints is how many points a curve of a report has.
const reportPoints = 720

func (s *simulation) show(r simulations.Result) error {
	if s.output == "json" {
		return writeJSON(s.cmd.OutOrStdout(), r)
	}
	if s.decisions {
		printDecisions(s.cmd.OutOrStdout(), r, false)
	}
	r.WriteTable(s.cmd.OutOrStdout())
	if s.report != "" && s.report != "-" {
		fmt.Fprintf(s.cmd.OutOrStdout(), "report: %s\n", s.report)
	}
	return nil
}

// gcPercent lets garbage grow before it is collected: worlds are small and make
// much of it.
const gcPercent = 400

func (s *simulation) many(ctx context.Context, plan *scenario.Experiment, runs int, part simulations.Shard, digest string) error {
	o := simulationOptions()
	share := runs
	if part.Count > 1 {
		share = (runs + part.Count - 1) / part.Count
	}
	stop := s.progress(&o, simulations.Ticks(plan, share))
	r, err := simulations.RunMany(ctx, plan, runs, part, digest, o)
	stop()
	if err != nil {
		return err
	}
	if s.output == "json" {
		return writeJSON(s.cmd.OutOrStdout(), r)
	}
	r.WriteTable(s.cmd.OutOrStdout())
	return nil
}

func simulationOptions() simulations.Options {
	return simulations.Options{
		Forecaster: controller.NewForecaster,
		Gates:      gates.All,
	}
}

// progress shows a bar with the time left, on a terminal only.
func (s *simulation) progress(o *simulations.Options, ticks int) (stop func()) {
	w := s.cmd.ErrOrStderr()
	if !isTerminal(w) {
		return func() {}
	}
	bar := progressbar.NewOptions64(
		int64(ticks),
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("simulating"),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100e6),
	)
	var mu sync.Mutex
	o.Progress = func(n int) {
		mu.Lock()
		defer mu.Unlock()
		_ = bar.Add(n) // a bar that cannot be drawn is no reason to stop
	}
	return func() { _ = bar.Finish() }
}

// readScenario reads a scenario and everything it names, and a digest of its
// text that tells shards of one whole from others.
func readScenario(path string, stdin io.Reader) (*scenario.Experiment, string, error) {
	in, err := files.Open(path, stdin, maxScenarioBytes)
	if err != nil {
		return nil, "", fmt.Errorf("reading scenario: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, "", fmt.Errorf("reading scenario %s: %w", path, err)
	}
	dir := ""
	if path != "-" {
		dir = filepath.Dir(path)
	}
	plan, err := scenario.Decode(data, path, scenarioSources(dir))
	sum := sha256.Sum256(data)
	return plan, hex.EncodeToString(sum[:8]), err
}

// scenarioSources wires the readers of offline input.
func scenarioSources(dir string) scenario.Sources {
	return scenario.Sources{
		Dir: dir,
		Trace: func(path string) ([]metrics.Series, error) {
			f, err := files.Open(path, nil, 0)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			t, err := archive.ReadTrace(f)
			return t.Series, err
		},
		Snapshot: func(path string) (cluster.Snapshot, error) {
			f, err := files.Open(path, nil, 0)
			if err != nil {
				return cluster.Snapshot{}, err
			}
			defer f.Close()
			return archive.ReadSnapshot(f)
		},
		Blocks: readBlocks,
		Policy: func(path string) (policy.Policy, error) { return policy.Load(path, os.Stdin) },
	}
}

// readBlocks sums a signal over a Prometheus data folder, in steps of five
// minutes; a moment that no series has is missing.
func readBlocks(dir, signal string) (metrics.Series, error) {
	sum := metrics.Series{Signal: metrics.Signal(signal), Step: 5 * time.Minute}
	if signal == "" {
		sum.Signal = metrics.TopicBytesIn
	}
	c, err := catalogue.Load("")
	if err != nil {
		return sum, err
	}
	db, err := archive.OpenTSDB(dir, archive.TSDBOptions{Catalogue: c})
	if err != nil {
		return sum, err
	}
	defer db.Close()
	from, to := db.Range()
	w := metrics.Window{From: from.Truncate(sum.Step).Add(sum.Step), To: to.Truncate(sum.Step), Step: sum.Step}
	list, err := db.History(context.Background(), sum.Signal, w)
	if err != nil {
		return sum, err
	}
	sum.Start, sum.Values = w.From, make([]float64, max(int(w.To.Sub(w.From)/w.Step)+1, 0))
	for i := range sum.Values {
		sum.Values[i] = math.NaN()
	}
	for _, s := range list {
		for i, v := range s.Values {
			if k := int(s.TimeAt(i).Sub(sum.Start) / sum.Step); k >= 0 && k < len(sum.Values) && !math.IsNaN(v) {
				if math.IsNaN(sum.Values[k]) {
					sum.Values[k] = 0
				}
				sum.Values[k] += v
			}
		}
	}
	return sum, nil
}

func newSimulateMergeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "merge SHARD.json...",
		Short:   "put the shards of a Monte Carlo together",
		Example: "  tidetable simulate merge shard-*.json --output json > all.json",
		Args:    cobra.MinimumNArgs(1),
	}
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var parts []simulations.MonteCarlo
		for _, path := range args {
			p, err := readShard(path, cmd.InOrStdin())
			if err != nil {
				return err
			}
			parts = append(parts, p)
		}
		all, err := simulations.Merge(parts)
		if err != nil {
			return err
		}
		if *out == "json" {
			return writeJSON(cmd.OutOrStdout(), all)
		}
		all.WriteTable(cmd.OutOrStdout())
		return nil
	}
	return cmd
}

func readShard(path string, stdin io.Reader) (simulations.MonteCarlo, error) {
	var m simulations.MonteCarlo
	in, err := files.Open(path, stdin, 0)
	if err != nil {
		return m, fmt.Errorf("reading shard: %w", err)
	}
	defer in.Close()
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("reading shard %s: %w", path, err)
	}
	return m, nil
}
