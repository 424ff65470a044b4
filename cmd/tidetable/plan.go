package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/policy/parts"
)

type outlookFlags struct {
	policy, input, trace, prices string
	columns, lose                []string
	horizon                      string
	growth, growthPerYear        float64
}

func newPlanCmd() *cobra.Command {
	f := &outlookFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "say what the coming months need: brokers, disks, consumers, cost",
		Long: "plan looks ahead for a capacity meeting: the brokers, disks, consumers and\n" +
			"partitions that each month needs, which constraint binds, when the present size\n" +
			"runs out and how sure that is, what it costs and on which machines it would cost\n" +
			"least.\n\n" +
			"The growth comes from the trend through the daily peaks of --trace (14 days at\n" +
			"least), or from --growth, which is the growth until the end of the horizon. The\n" +
			"trend is tried in the trace's own past: its interval is as wide as would have\n" +
			"been right then. Two years of trace that agree give a season of the year.",
		Example: "  tidetable plan --policy policy.yaml --input snapshot.json.gz --trace trace.csv --horizon 365d\n" +
			"  tidetable plan --policy policy.yaml --input snapshot.json --growth 0.4 --lose zone=a --output json",
		Args: cobra.NoArgs,
	}
	fl := cmd.Flags()
	fl.StringVar(&f.policy, "policy", "", "policy file (- for stdin)")
	fl.StringVar(&f.input, "input", "", "snapshot of the cluster (- for stdin)")
	fl.StringVar(&f.trace, "trace", "", "trace of bytes in per second, as CSV")
	fl.StringSliceVar(
		&f.columns,
		"column",
		nil,
		"columns of the trace to add up (default: those that are topics' bytes in, or the only one)",
	)
	fl.StringVar(&f.horizon, "horizon", "90d", "how far ahead, such as 90d or 52w")
	fl.Float64Var(&f.growth, "growth", 0, "growth of the load until the end of the horizon: 0.4 is 40 % more")
	fl.Float64Var(&f.growthPerYear, "growth-per-year", 0, "growth of the load in a year, compounding; instead of --growth")
	fl.StringSliceVar(&f.lose, "lose", nil, "what would be lost: zone=a or broker=3; may be given again")
	fl.StringVar(&f.prices, "price", "", "price file, YAML: brokerHour by shape, replicaHour, gigabyteMonth, crossZoneGigabyte")
	_ = cmd.MarkFlagRequired("input")
	_ = cmd.MarkFlagRequired("policy")
	cmd.MarkFlagsMutuallyExclusive("growth", "growth-per-year")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := f.run(cmd)
		if err != nil {
			return err
		}
		if *out == "json" {
			return writeJSON(cmd.OutOrStdout(), o)
		}
		return printOutlook(cmd.OutOrStdout(), o)
	}
	return cmd
}

func (f *outlookFlags) run(cmd *cobra.Command) (outlook.Outlook, error) {
	var none outlook.Outlook
	p, err := policy.Load(f.policy, cmd.InOrStdin())
	if err != nil {
		return none, err
	}
	horizon, err := policy.ParseDuration(f.horizon)
	if err != nil {
		return none, fmt.Errorf("checking --horizon: %w", err)
	}
	snap, err := archive.ReadSnapshotFile(f.input, cmd.InOrStdin())
	if err != nil {
		return none, err
	}
	in, err := f.inputOf(cmd, p, snap, horizon.D())
	if err != nil {
		return none, err
	}
	o, err := outlook.Ahead(in)
	if err != nil {
		return none, err
	}
	o.Currency = p.Spec.Cost.Currency
	for _, what := range f.lose {
		part, err := outlook.ParsePart(what)
		if err != nil {
			return none, fmt.Errorf("checking --lose: %w", err)
		}
		e, err := outlook.Lose(in, part)
		if err != nil {
			return none, fmt.Errorf("checking --lose: %w", err)
		}
		o.Losses = append(o.Losses, e)
	}
	return o, nil
}

func (f *outlookFlags) inputOf(cmd *cobra.Command, p policy.Policy, snap cluster.Snapshot, horizon time.Duration) (outlook.Input, error) {
	s := p.Spec
	ready, err := parts.Of(s)
	if err != nil {
		return outlook.Input{}, fmt.Errorf("%s: %w", f.policy, err)
	}
	in := outlook.Input{
		Snapshot: snap, Min: s.Brokers.Min, Max: s.Brokers.Max, Horizon: horizon,
		Start: ready.Start, Prices: ready.Prices, Shape: ready.Shape, Model: ready.Model, MoveRate: ready.Model.MoveRate,
	}
	if err := f.readPrices(&in, s.Brokers.Shape); err != nil {
		return in, err
	}
	if err := f.readTrend(cmd, &in); err != nil {
		return in, err
	}
	switch {
	case cmd.Flags().Changed("growth"):
		in.Growth = &f.growth
	case cmd.Flags().Changed("growth-per-year"):
		g := growthUntil(f.growthPerYear, horizon)
		in.Growth = &g
	}
	if in.Growth != nil && !(*in.Growth > -1 && *in.Growth < 1e6) {
		return in, fmt.Errorf("checking --growth: %v is not a growth; 0.4 is 40 %% more", *in.Growth)
	}
	in.Groups = controller.GroupsOf(s, snap, in.PeakNow)
	return in, nil
}

func (f *outlookFlags) readPrices(in *outlook.Input, shape string) error {
	if f.prices == "" {
		return nil
	}
	r, err := files.Open(f.prices, nil, 1<<20)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("%s: %w", f.prices, err)
	}
	prices, err := capacity.ReadPrices(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.prices, err)
	}
	if shape != "" {
		hour, ok := prices.BrokerHour[shape]
		if !ok {
			return fmt.Errorf("%s: brokerHour has no price for shape %s of the policy", f.prices, shape)
		}
		in.Prices.BrokerHour = hour
	}
	in.Prices.ReplicaHour, in.Prices.GigabyteMonth = prices.ReplicaHour, prices.GigabyteMonth
	in.Prices.CrossZoneGigabyte = prices.CrossZoneGigabyte
	in.ShapePrices = prices.BrokerHour
	return nil
}

// lately is what counts as the present in a trace.
const lately = 7 * 24 * time.Hour

func (f *outlookFlags) readTrend(cmd *cobra.Command, in *outlook.Input) error {
	if f.trace == "" {
		return nil
	}
	tr, err := archive.ReadTraceFile(f.trace, cmd.InOrStdin())
	if err != nil {
		return err
	}
	s, err := tr.BytesIn(f.columns, in.Snapshot)
	if err != nil {
		return fmt.Errorf("%s: %w", f.trace, err)
	}
	if err := noCounters(f.trace, []metrics.Series{s}); err != nil {
		return err
	}
	s = forecast.Believable(s)
	in.PeakNow, in.MeanNow, _ = metrics.Lately(s, lately)
	trend, err := outlook.FitTrend(s)
	switch {
	case err == nil:
		in.Trend = &trend
	case errors.Is(err, outlook.ErrTooShort):
		fmt.Fprintf(cmd.ErrOrStderr(), "tidetable: %s: %v; without --growth the load is taken to stay as it is\n", f.trace, err)
	default:
		return fmt.Errorf("%s: %w", f.trace, err)
	}
	return nil
}
