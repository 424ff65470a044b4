package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/simulations/economics"
)

func newSimulateEconomicsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "economics TRACE.csv...",
		Short: "what the brokers cost under every policy, by retention and price of a byte between zones",
		Long: "economics makes each trace the load of a cluster of three zones, lets each policy\n" +
			"size its brokers for up to a week, and prints what brokers and moves cost a day,\n" +
			"beside what whoever knew the demand would have paid at the same utilisation.\n" +
			"Consumers stay as they are.",
		Example: "  tidetable simulate economics --retention 6h,24h,72h --cross-zone 0.01,0.02 traces/*.csv\n" +
			"  tidetable simulate economics --retention 24h --cross-zone 0.01 --policies static,tidetable trace.csv",
		Args: cobra.MinimumNArgs(1),
	}
	var retentions []time.Duration
	var prices []float64
	var names []string
	var comparison string
	var perTrace bool
	f := cmd.Flags()
	f.DurationSliceVar(&retentions, "retention", []time.Duration{24 * time.Hour}, "how long data are kept; several, separated by commas")
	f.Float64SliceVar(&prices, "cross-zone", []float64{0.01}, "price of a GB between zones; several, separated by commas")
	f.StringSliceVar(&names, "policies", economics.Policies, "policies to compare")
	f.StringVar(&comparison, "comparison", "",
		"settings of the policies that tidetable is compared with, as in a scenario: targetUtilisation: 0.8")
	f.BoolVar(&perTrace, "per-trace", false, "also show every trace")
	out := outputFlag(cmd, "table", "json", "markdown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, r := range retentions {
			if r <= 0 {
				return fmt.Errorf("--retention is %s; it must be above zero", r)
			}
		}
		for _, x := range prices {
			if !(x >= 0) {
				return fmt.Errorf("--cross-zone is %g; it must not be negative", x)
			}
		}
		read, err := readTraces(args, "")
		if err != nil {
			return err
		}
		var traces []economics.Trace
		for _, t := range read {
			traces = append(traces, economics.Trace(t))
		}
		progress := func(done, of int) {
			if isTerminal(cmd.ErrOrStderr()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "\r%d of %d", done, of)
			}
		}
		rows, err := economics.Run(cmd.Context(), traces, economics.Settings{
			Retentions: retentions, CrossZone: prices, Policies: names, Comparison: comparison, Options: simulationOptions(),
			Workers: runtime.GOMAXPROCS(0),
		}, progress)
		if err != nil {
			return err
		}
		if *out == "json" {
			return writeJSON(cmd.OutOrStdout(), rows)
		}
		economics.Write(cmd.OutOrStdout(), rows, *out == "markdown", perTrace)
		return nil
	}
	return cmd
}
