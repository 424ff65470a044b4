package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/simulations/replay"
)

func newSimulateReplayCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay TRACE.csv...",
		Short: "send measured demands through a consumer fleet under every policy",
		Long: "replay scales each trace to a fleet of 20 consumer replicas on average, lets each\n" +
			"policy size the fleet over the last 30 % of the trace, and counts the minutes in\n" +
			"which the oldest unread record was older than a minute, the replica-hours beside\n" +
			"an oracle's, and the changes of size. What lies before is history.",
		Example: "  tidetable simulate replay --lead-time 2m,10m,30m traces/*.csv",
		Args:    cobra.MinimumNArgs(1),
	}
	var leads []time.Duration
	var column string
	var perTrace bool
	cmd.Flags().
		DurationSliceVar(&leads, "lead-time", []time.Duration{10 * time.Minute},
			"from asking for a replica to its first record; several, separated by commas")
	cmd.Flags().StringVar(&column, "column", "", "the column to replay; the first when empty")
	cmd.Flags().BoolVar(&perTrace, "per-trace", false, "also show every trace")
	out := outputFlag(cmd, "table", "json", "markdown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, l := range leads {
			if l <= 0 || l > 24*time.Hour {
				return fmt.Errorf("--lead-time is %s; it must be above zero and at most 24h", l)
			}
		}
		traces, err := readTraces(args, column)
		if err != nil {
			return err
		}
		var done atomic.Int64
		progress := func() {
			if n := done.Add(1); isTerminal(cmd.ErrOrStderr()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "\rreplayed %d of %d", n, len(traces)*len(leads))
			}
		}
		t, err := replay.RunAll(cmd.Context(), traces, leads, replay.Settings{
			Forecaster: controller.NewForecaster, Gates: gates.All,
		}, progress)
		if err != nil {
			return err
		}
		if *out == "json" {
			return writeJSON(cmd.OutOrStdout(), t)
		}
		t.Write(cmd.OutOrStdout(), *out == "markdown", perTrace)
		return nil
	}
	return cmd
}

func readTraces(paths []string, column string) ([]replay.Trace, error) {
	read := scenarioSources("").Trace
	var out []replay.Trace
	for _, path := range paths {
		series, err := read(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		chosen := -1
		for i, s := range series {
			if s.Labels["column"] == column || column == "" && i == 0 {
				chosen = i
			}
		}
		if chosen < 0 {
			return nil, fmt.Errorf("%s: there is no column %q", path, column)
		}
		out = append(out, replay.Trace{Name: strings.TrimSuffix(filepath.Base(path), ".csv"), Series: series[chosen]})
	}
	if len(out) == 0 {
		return nil, errors.New("no traces")
	}
	return out, nil
}
