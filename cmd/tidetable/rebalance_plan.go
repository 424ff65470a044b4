package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
)

// planFlags are the flags of rebalance plan, as they are typed.
type planFlags struct {
	snapshot, reassignment string
	add                    []string
	remove, excludeBrokers []int
	excludeTopics          []string
	maxBytes, throttle     string
	capacity               float64
	keepFenced             bool
	forecast               string
	quantile               float64
	replication            []string
	locality               string
	crossZonePrice         float64
	partitionAdvice        bool
	options                rebalance.Options
	output                 *string
}

func newRebalancePlanCmd() *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "find the moves of replicas and leaders that are worth their bytes",
		Long: "plan reads a snapshot and finds the moves that spread CPU, network, disk, replicas\n" +
			"and leaders evenly for the fewest bytes, keeping zones apart and brokers within\n" +
			"their capacity. Brokers that are dead or draining end up empty. The same snapshot\n" +
			"and flags give the same plan on any machine; a balanced cluster gets an empty one.\n\n" +
			"Exit codes: 0 planned, 1 planned but a rule cannot be met (see violations), 2 bad\n" +
			"usage or input.",
		Example: "  tidetable rebalance plan --snapshot cluster.json.gz --reassignment moves.json\n" +
			"  tidetable rebalance plan --snapshot cluster.json --remove 3 --max-bytes +10% --output json\n" +
			"  tidetable rebalance plan --snapshot cluster.json --add 7,8=b --output html > plan.html",
		Args: cobra.NoArgs,
	}
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

func (f *planFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.snapshot, "snapshot", "", "snapshot of the cluster, or - for stdin; .gz and .zst are read as they are (required)")
	fs.StringVar(&f.reassignment, "reassignment", "", "write the moves to this file in Kafka's own format, or - for stdout")
	fs.StringSliceVar(&f.add, "add", nil, "brokers that join, such as 7,8 or 7=zone-a; unknown ones are taken to be like the others")
	fs.IntSliceVar(&f.remove, "remove", nil, "brokers that must end up empty")
	fs.IntSliceVar(&f.excludeBrokers, "exclude-brokers", nil, "brokers that neither receive nor give replicas")
	fs.StringSliceVar(&f.excludeTopics, "exclude-topics", nil, "topics that stay as they are, as regular expressions")
	fs.BoolVar(&f.options.LeadersOnly, "leaders-only", false, "move leaderships and no data")
	fs.StringVar(&f.maxBytes, "max-bytes", "", "bytes to move at most, such as 500GB, or +10% over those that must move")
	fs.StringVar(&f.throttle, "throttle", "100MB", "bytes a second a broker may copy in each direction, for the duration")
	fs.Float64Var(&f.capacity, "capacity-threshold", 1, "share of a broker's capacity that may be used")
	fs.Float64Var(
		&f.options.MinGain,
		"min-gain",
		0,
		"points that a plan must gain to be made (0: the default for the cluster's size; below 0: any gain)",
	)
	fs.Int64Var(&f.options.Evaluations, "evaluations", 0, "candidate moves to try at most (0: a default that grows with the cluster)")
	fs.BoolVar(&f.keepFenced, "keep-fenced", false, "leave replicas on fenced brokers, which may come back")
	fs.StringVar(
		&f.forecast,
		"forecast",
		"",
		"plan for these rates: a CSV of column,origin,time,quantile,value (a column is a topic, or *) or topic,hour,multiplier",
	)
	fs.Float64Var(&f.quantile, "quantile", 0.95, "quantile of the forecast to plan for")
	fs.StringSliceVar(&f.replication, "replication-factor", nil, "change the replication factor of topics that match, such as ^orders=3")
	fs.StringVar(
		&f.locality,
		"locality",
		"off",
		"move to where consumers that sit in one zone are: off, leader, follower (they fetch from the nearest replica)",
	)
	fs.Float64Var(&f.crossZonePrice, "cross-zone-gigabyte", 0.01, "price of a gigabyte that crosses zones, for what locality saves")
	fs.BoolVar(&f.partitionAdvice, "partition-advice", false, "say which topics need more partitions, and what that breaks")
	f.output = outputFlag(cmd, "table", "json", "html")
}

func (f *planFlags) run(cmd *cobra.Command) error {
	if err := f.parse(); err != nil {
		return err
	}
	s, err := archive.ReadSnapshotFile(f.snapshot, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if err := f.readForecast(s, cmd.InOrStdin()); err != nil {
		return err
	}
	planner := rebalance.Planner{Progress: planProgress(cmd.ErrOrStderr())}
	plan, err := planner.Plan(cmd.Context(), s, f.options)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return errors.New("planning was interrupted; nothing was written")
		}
		return fmt.Errorf("%s: %w", f.snapshot, err)
	}
	if f.reassignment != "" {
		write := func(w io.Writer) error { return rebalance.WriteReassignment(w, plan.Moves) }
		if err := files.WriteAtomic(f.reassignment, cmd.OutOrStdout(), write); err != nil {
			return err
		}
	}
	// Two documents on one stream would be neither.
	if f.reassignment != "-" {
		if err := f.print(cmd.OutOrStdout(), plan); err != nil {
			return err
		}
	}
	if n := len(plan.Violations); n > 0 {
		return foundError{fmt.Errorf("%d rules cannot be met: %s", n, plan.Violations[0].Detail)}
	}
	return nil
}

func (f *planFlags) print(w io.Writer, plan rebalance.Plan) error {
	switch *f.output {
	case "json":
		return writeJSON(w, plan)
	case "html":
		return planPage(plan).Write(w)
	}
	return planTable(w, plan)
}

// parse turns what was typed into options.
func (f *planFlags) parse() error {
	if f.snapshot == "" {
		return errors.New("--snapshot is missing; give a snapshot file, or - for stdin")
	}
	o := &f.options
	o.Remove, o.ExcludeBrokers = f.remove, f.excludeBrokers
	o.EvacuateFenced = !f.keepFenced
	if f.capacity <= 0 || f.capacity > 1 {
		return fmt.Errorf("--capacity-threshold: %v is not a share between 0 and 1", f.capacity)
	}
	o.CapacityThreshold = cluster.Ratio(f.capacity)
	if o.Evaluations < 0 {
		return fmt.Errorf("--evaluations: %d is below zero", o.Evaluations)
	}
	for _, a := range f.add {
		id, zone, _ := strings.Cut(a, "=")
		n, err := strconv.Atoi(id)
		if err != nil || n < 0 {
			return fmt.Errorf("--add: %q is not a broker id such as 7, or 7=zone-a", a)
		}
		o.Add = append(o.Add, rebalance.NewBroker{ID: n, Zone: zone})
	}
	if err := f.parseTopics(); err != nil {
		return err
	}
	rate, err := policy.ParseRate(f.throttle)
	if err != nil {
		return fmt.Errorf("--throttle: %w", err)
	}
	o.Throttle = rate
	o.Budget, err = parseBudget(f.maxBytes)
	return err
}

// parseTopics reads the flags that choose topics, and locality.
func (f *planFlags) parseTopics() error {
	o := &f.options
	for _, t := range f.excludeTopics {
		re, err := regexp.Compile(t)
		if err != nil {
			return fmt.Errorf("--exclude-topics: %q is not a regular expression: %w", t, err)
		}
		o.ExcludeTopics = append(o.ExcludeTopics, re)
	}
	for _, t := range f.replication {
		at := strings.LastIndex(t, "=")
		n, err := strconv.Atoi(t[at+1:])
		if at < 0 || err != nil || n < 1 {
			return fmt.Errorf("--replication-factor: %q is not a pattern and a number such as ^orders=3", t)
		}
		re, err := regexp.Compile(t[:at])
		if err != nil {
			return fmt.Errorf("--replication-factor: %q is not a regular expression: %w", t[:at], err)
		}
		o.ReplicationFactors = append(o.ReplicationFactors, rebalance.ReplicationFactor{Topics: re, Factor: n})
	}
	switch f.locality {
	case "off":
	case "leader", "follower":
		o.Locality = &rebalance.Locality{FollowerFetching: f.locality == "follower", PricePerGigabyte: f.crossZonePrice}
	default:
		return fmt.Errorf("--locality: %q is not one of off|leader|follower", f.locality)
	}
	if f.partitionAdvice {
		o.PartitionLimits = &rebalance.PartitionLimits{}
	}
	if f.quantile <= 0 || f.quantile >= 1 {
		return fmt.Errorf("--quantile: %v is not between 0 and 1", f.quantile)
	}
	return nil
}

func (f *planFlags) readForecast(s cluster.Snapshot, stdin io.Reader) error {
	if f.forecast == "" {
		return nil
	}
	r, err := files.Open(f.forecast, stdin, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	o, err := rebalance.ReadForecast(r, s, f.quantile)
	if err != nil {
		return fmt.Errorf("%s: %w", f.forecast, err)
	}
	f.options.Forecast = &o
	return nil
}

// parseBudget reads 500GB, 123456 or +10%.
func parseBudget(s string) (*rebalance.Budget, error) {
	if s == "" {
		return nil, nil
	}
	if p, ok := strings.CutPrefix(s, "+"); ok {
		p, percent := strings.CutSuffix(p, "%")
		v, err := strconv.ParseFloat(p, 64)
		if !percent || err != nil || !(v >= 0) || v > 1e9 {
			return nil, fmt.Errorf("--max-bytes: %q is not a share over the forced bytes such as +10%%", s)
		}
		return &rebalance.Budget{Relative: true, PercentOver: v}, nil
	}
	v, err := policy.ParseBytes(s)
	if err != nil || v < 0 {
		return nil, fmt.Errorf("--max-bytes: %q is not an amount such as 500GB, nor +10%%", s)
	}
	return &rebalance.Budget{Bytes: v}, nil
}

// planProgress is a progress bar on a terminal, and nothing elsewhere.
func planProgress(w io.Writer) func(float64) {
	if !isTerminal(w) {
		return nil
	}
	bar := progressbar.NewOptions(1000, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("planning"),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	return func(share float64) { _ = bar.Set(int(1000 * min(1, share))) }
}
