package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/metrics/kafka"
	"github.com/tidetable/tidetable/metrics/observe"
	"github.com/tidetable/tidetable/policy"
)

// snapshotFlags are the flags of snapshot, as they are typed.
type snapshotFlags struct {
	kafka          *kafkaFlags
	metrics        *metricsFlags
	file, traces   string
	lookback, step string
	at             string
	topics         int
	output         *string
}

func newSnapshotCmd() *cobra.Command {
	f := &snapshotFlags{}
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "write down a live cluster and its history, for every offline command",
		Long: "snapshot reads placement, sizes, groups and lag from Kafka, and rates, CPU and their\n" +
			"history from Prometheus (or from a folder of its data), and writes a snapshot as JSON\n" +
			"and, beside it, its traces as CSV: cluster.json gets cluster.traces.csv, and\n" +
			"cluster.json.gz gets cluster.traces.csv.gz. Either source may be left out; what is\n" +
			"then unknown is named in the snapshot and on stderr.\n\n" +
			"Exit codes: 0 written, 1 written but a source that was given failed, 2 bad usage, or\n" +
			"nothing could be read.",
		Example: "  tidetable snapshot --prometheus http://prometheus:9090 --bootstrap kafka-0:9092 -o cluster.json.gz\n" +
			"  tidetable snapshot --tsdb ./prometheus-data --lookback 14d -o cluster.json\n" +
			"  tidetable snapshot --bootstrap kafka-0:9093 --tls-ca ca.pem --sasl-mechanism SCRAM-SHA-512 \\\n" +
			"    --sasl-username tidetable --sasl-password-file password -o cluster.json",
		Args: cobra.NoArgs,
	}
	f.kafka, f.metrics = addKafkaFlags(cmd), addMetricsFlags(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "o", "", "file to write the snapshot to, or - for stdout; .gz compresses (required)")
	fs.StringVar(&f.traces, "traces", "", "file to write the traces to (default: beside the snapshot; none when that goes to stdout)")
	fs.StringVar(&f.lookback, "lookback", "28d", "how far the traces reach back")
	fs.StringVar(&f.step, "step", "5m", "step of the traces")
	fs.DurationVar(
		&f.kafka.config.RateOver,
		"rate-over",
		15*time.Second,
		"how long Kafka's offsets are watched for the rates that Prometheus may not have; 0 for not at all",
	)
	fs.StringVar(&f.at, "at", "", "time of the readings, as RFC 3339 (default: now; the last sample with --tsdb)")
	fs.IntVar(&f.topics, "topics", 200, "topics that get columns of their own in the traces, the busiest first")
	f.output = outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

func (f *snapshotFlags) run(cmd *cobra.Command) error {
	window, err := f.check()
	if err != nil {
		return err
	}
	source, at, closeSource, err := f.metrics.open()
	if err != nil {
		return err
	}
	defer closeSource()
	if f.at != "" {
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return fmt.Errorf("--at: %q is not RFC 3339, such as 2026-03-01T12:00:00Z", f.at)
		}
	}
	window.To, window.From = at, at.Add(-window.To.Sub(window.From))
	s, err := f.observe(cmd.Context(), source, at)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("the sources say too little for a snapshot: %w%s", err, nobody(s))
	}
	series, failed := f.histories(cmd, source, window)
	if cmd.Context().Err() != nil {
		return cmd.Context().Err()
	}
	if err := writeCompressed(f.file, cmd.OutOrStdout(), func(w io.Writer) error { return archive.WriteSnapshot(w, s) }); err != nil {
		return err
	}
	written := f.traces
	if len(series) == 0 {
		written = ""
	}
	if written != "" {
		if err := writeCompressed(written, cmd.OutOrStdout(), func(w io.Writer) error {
			return archive.WriteTrace(w, series)
		}); err != nil {
			return err
		}
	}
	return f.report(cmd, s, written, len(series), failed)
}

// nobody says why a snapshot has no broker, where brokers were measured.
func nobody(s cluster.Snapshot) string {
	for _, x := range s.Stale {
		if len(s.Brokers) == 0 && x.Cause == cluster.CauseMismatch {
			return "; " + x.Reason
		}
	}
	return ""
}

// check reads the flags; the window it gives has the right length only.
func (f *snapshotFlags) check() (metrics.Window, error) {
	var w metrics.Window
	if f.file == "" {
		return w, errors.New("--file: is missing; name the file to write, such as -o cluster.json.gz")
	}
	if len(f.kafka.config.Bootstrap) == 0 && f.metrics.config.URL == "" && f.metrics.tsdb == "" {
		return w, errors.New("there is nothing to read: give --bootstrap, --prometheus or --tsdb")
	}
	var lookback, step policy.Duration
	if err := lookback.UnmarshalText([]byte(f.lookback)); err != nil {
		return w, fmt.Errorf("--lookback: %w", err)
	}
	if err := step.UnmarshalText([]byte(f.step)); err != nil {
		return w, fmt.Errorf("--step: %w", err)
	}
	w.Step = time.Duration(step)
	if w.Step < time.Second || w.Step%time.Second != 0 {
		return w, fmt.Errorf("--step: %s is not a whole number of seconds", f.step)
	}
	if time.Duration(lookback) < w.Step {
		return w, fmt.Errorf("--lookback: %s is shorter than the step of %s", f.lookback, f.step)
	}
	w.To = w.From.Add(time.Duration(lookback))
	if f.traces == "" && f.file != "-" {
		f.traces = tracesBeside(f.file)
	}
	return w, nil
}

// tracesBeside is the name of the traces of a snapshot file.
func tracesBeside(file string) string {
	base, gz := strings.CutSuffix(file, ".gz")
	base = strings.TrimSuffix(base, ".json") + ".traces.csv"
	if gz {
		base += ".gz"
	}
	return base
}

func (f *snapshotFlags) observe(ctx context.Context, source measurements, at time.Time) (cluster.Snapshot, error) {
	o := &observe.Observer{Now: func() time.Time { return at }}
	if source != nil {
		o.Metrics = source
	}
	if len(f.kafka.config.Bootstrap) > 0 {
		k, err := kafka.New(f.kafka.config)
		if err != nil {
			return cluster.Snapshot{}, err
		}
		defer k.Close()
		o.Kafka = k
	}
	return o.Observe(ctx)
}

// traced is what the traces hold, beside the cluster's totals.
var traced = []metrics.Signal{
	metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn,
	metrics.BrokerBytesIn, metrics.BrokerBytesOut, metrics.BrokerCPU, metrics.BrokerDiskUsed,
	metrics.GroupLag, metrics.GroupConsumed,
}

// totals names the columns of the cluster's totals.
var totals = map[metrics.Signal]string{
	metrics.TopicBytesIn: "bytes_in", metrics.TopicBytesOut: "bytes_out", metrics.TopicMessagesIn: "messages_in",
}

// histories reads the traces. A signal that fails is left out and told.
func (f *snapshotFlags) histories(cmd *cobra.Command, source measurements, w metrics.Window) (out []metrics.Series, failed []string) {
	if source == nil || f.traces == "" {
		return nil, nil
	}
	bar := progressBar(cmd.ErrOrStderr(), len(traced), "reading history")
	var busiest map[string]bool
	var sums []metrics.Series
	for _, signal := range traced {
		series, err := source.History(cmd.Context(), signal, w)
		_ = bar.Add(1)
		if err != nil {
			failed = append(failed, err.Error())
			if errors.Is(err, metrics.ErrSource) {
				break
			}
			continue
		}
		if name, ok := totals[signal]; ok && len(series) > 0 {
			sums = append(sums, sumOf(series, name))
		}
		switch signal {
		case metrics.TopicBytesIn:
			busiest = busiestTopics(series, f.topics)
			fallthrough
		case metrics.TopicBytesOut, metrics.TopicMessagesIn:
			series = slices.DeleteFunc(series, func(s metrics.Series) bool { return busiest != nil && !busiest[s.Labels["topic"]] })
		case metrics.GroupLag, metrics.GroupConsumed:
			series = sumBy(series, "group", "topic")
		}
		out = append(out, series...)
	}
	_ = bar.Finish()
	return append(sums, out...), failed
}

// busiestTopics picks the n topics with the most bytes in over the window.
func busiestTopics(series []metrics.Series, n int) map[string]bool {
	type load struct {
		topic string
		sum   float64
	}
	var all []load
	for _, s := range series {
		l := load{topic: s.Labels["topic"]}
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				l.sum += v
			}
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b load) int {
		switch {
		case a.sum > b.sum:
			return -1
		case a.sum < b.sum:
			return 1
		}
		return strings.Compare(a.topic, b.topic)
	})
	out := map[string]bool{}
	for _, l := range all[:min(n, len(all))] {
		out[l.topic] = true
	}
	return out
}

// sumBy adds up the series that share the values of some labels.
func sumBy(series []metrics.Series, names ...string) []metrics.Series {
	groups := map[string][]metrics.Series{}
	var keys []string
	for _, s := range series {
		kept := metrics.Labels{}
		for _, n := range names {
			if v, ok := s.Labels[n]; ok {
				kept[n] = v
			}
		}
		key := kept.Key()
		if groups[key] == nil {
			keys = append(keys, key)
		}
		s.Labels = kept
		groups[key] = append(groups[key], s)
	}
	slices.Sort(keys)
	var out []metrics.Series
	for _, key := range keys {
		s := sumOf(groups[key], "")
		s.Signal, s.Labels = groups[key][0].Signal, groups[key][0].Labels
		out = append(out, s)
	}
	return out
}

// sumOf adds series on one grid point by point. A point where every series is
// missing stays missing; where some are, the others count.
func sumOf(series []metrics.Series, column string) metrics.Series {
	out := metrics.Series{
		Labels: metrics.Labels{"column": column},
		Start:  series[0].Start,
		Step:   series[0].Step,
		Values: make([]float64, series[0].Len()),
	}
	for i := range out.Values {
		sum, known := 0.0, false
		for _, s := range series {
			if v := s.Values[i]; !math.IsNaN(v) {
				sum += v
				known = true
			}
		}
		if !known {
			sum = math.NaN()
		}
		out.Values[i] = sum
	}
	return out
}

// writeCompressed writes a file at once or not at all, compressed when its
// name ends in .gz.
func writeCompressed(path string, stdout io.Writer, write func(io.Writer) error) error {
	return files.WriteAtomic(path, stdout, func(w io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			return write(w)
		}
		z := gzip.NewWriter(w)
		if err := write(z); err != nil {
			return err
		}
		return z.Close()
	})
}

// snapshotReport is what the command says it did.
type snapshotReport struct {
	Snapshot   string                `json:"snapshot"`
	Traces     string                `json:"traces,omitempty"`
	Columns    int                   `json:"columns"`
	TakenAt    time.Time             `json:"takenAt"`
	ClusterID  string                `json:"clusterId"`
	Brokers    int                   `json:"brokers"`
	Topics     int                   `json:"topics"`
	Partitions int                   `json:"partitions"`
	Groups     int                   `json:"groups"`
	Stale      []cluster.StaleSignal `json:"stale"`
	Sources    []cluster.Source      `json:"sources,omitempty"`
}

func (f *snapshotFlags) report(cmd *cobra.Command, s cluster.Snapshot, traces string, columns int, failed []string) error {
	r := snapshotReport{
		Snapshot: f.file, Traces: traces, Columns: columns, TakenAt: s.TakenAt, ClusterID: s.ClusterID,
		Brokers: len(s.Brokers), Topics: len(s.Topics), Groups: len(s.Groups), Stale: s.Stale, Sources: s.Sources,
	}
	for _, t := range s.Topics {
		r.Partitions += len(t.Partitions)
	}
	for _, x := range s.Stale {
		fmt.Fprintf(cmd.ErrOrStderr(), "tidetable: %s is not known: %s\n", x.Signal, x.Reason)
	}
	for _, why := range failed {
		fmt.Fprintf(cmd.ErrOrStderr(), "tidetable: the traces lack a signal: %s\n", why)
	}
	// The snapshot itself may have gone to stdout.
	if f.file != "-" {
		if err := r.write(cmd.OutOrStdout(), *f.output); err != nil {
			return err
		}
	}
	if f.sourceMissing(s) {
		return foundError{errors.New("a source that was given did not answer; what it tells is missing from the snapshot")}
	}
	return nil
}

// sourceMissing tells whether a whole source that was asked for is missing.
func (f *snapshotFlags) sourceMissing(s cluster.Snapshot) bool {
	stale := func(signal cluster.Signal) bool {
		return slices.ContainsFunc(s.Stale, func(x cluster.StaleSignal) bool { return x.Signal == signal })
	}
	noMetrics := stale(metrics.TopicBytesIn) && stale(metrics.BrokerCPU) && stale(metrics.BrokerBytesIn)
	return len(f.kafka.config.Bootstrap) > 0 && stale(cluster.SignalPlacement) ||
		(f.metrics.config.URL != "" || f.metrics.tsdb != "") && noMetrics
}

func (r snapshotReport) write(w io.Writer, format string) error {
	if format == "json" {
		if r.Stale == nil {
			r.Stale = []cluster.StaleSignal{}
		}
		return writeJSON(w, r)
	}
	fmt.Fprintf(w, "snapshot  %s\n", r.Snapshot)
	if r.Traces != "" {
		fmt.Fprintf(w, "traces    %s (%d columns)\n", r.Traces, r.Columns)
	}
	for _, x := range r.Sources {
		if len(x.Signals) > 0 {
			fmt.Fprintf(w, "read by   %s: %d signals\n", x.Catalogue, len(x.Signals))
		}
		for _, remark := range x.Remarks {
			fmt.Fprintf(w, "          %s: %s\n", x.Catalogue, remark)
		}
	}
	_, err := fmt.Fprintf(w, "taken at  %s\ncluster   %s: %d brokers, %d topics, %d partitions, %d groups\nunknown   %d signals\n",
		r.TakenAt.UTC().Format(time.RFC3339), r.ClusterID, r.Brokers, r.Topics, r.Partitions, r.Groups, len(r.Stale))
	return err
}
