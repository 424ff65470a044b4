package testbed

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// History is a past that Prometheus is given: the series that it would have
// scraped, had the load followed Shape.
type History struct {
	// From and To bound the past. To should be a little before now: the live
	// series begin where it ends.
	From, To time.Time
	// Step between samples; 15 s when zero.
	Step time.Duration
	// Series to write.
	Series []PastSeries
}

// PastSeries is one series of the past.
type PastSeries struct {
	Labels map[string]string // with __name__
	// Value at a time; a rate per second if Counter is set, and then its
	// integral is written.
	Value   Shape
	Counter bool
}

// KafkaPast gives the counters of a topic's load as the brokers' exporters
// would have them: produced bytes and messages, consumed bytes (by readers
// groups), and the replication between the brokers, each broker leading its
// even share.
func KafkaPast(brokers []*Broker, topic string, shape Shape, recordBytes, readers, rf int) []PastSeries {
	var out []PastSeries
	share := 1 / float64(len(brokers))
	scaled := func(factor float64) Shape {
		return func(at time.Time) float64 { return factor * shape(at) }
	}
	for _, b := range brokers {
		add := func(name, topic string, value Shape) {
			l := b.TargetLabels()
			l["__name__"] = "kafka_server_brokertopicmetrics_" + name + "_total"
			l["job"], l["instance"] = "kafka-resources-metrics", fmt.Sprintf("127.0.0.1:%d", b.MetricsPort)
			if topic != "" {
				l["topic"] = topic
			}
			out = append(out, PastSeries{Labels: l, Value: value, Counter: true})
		}
		// Once for the topic and once, without its label, for all topics.
		for _, name := range []string{topic, ""} {
			add("bytesin", name, scaled(share))
			add("messagesin", name, scaled(share/float64(recordBytes)))
			add("bytesout", name, scaled(share*float64(readers)))
		}
		add("replicationbytesin", "", scaled(share*float64(rf-1)))
		add("replicationbytesout", "", scaled(share*float64(rf-1)))
	}
	return out
}

// blockDuration is Prometheus's own for blocks from the head.
const blockDuration = 2 * time.Hour

// Backfill writes the past as TSDB blocks into the data folder and says how
// many samples. Prometheus must not run: it reads new blocks when it starts.
func (p *Prometheus) Backfill(ctx context.Context, h History) (int, error) {
	if p.Running() {
		return 0, fmt.Errorf("backfilling: prometheus is running")
	}
	if h.Step == 0 {
		h.Step = 15 * time.Second
	}
	sums := make([]float64, len(h.Series))
	sets := make([]labels.Labels, len(h.Series))
	for i, s := range h.Series {
		sets[i] = labels.FromMap(maps.Clone(s.Labels))
	}
	total := 0
	// Blocks are cut at multiples of their duration, like Prometheus's own.
	for from := h.From; from.Before(h.To); {
		to := from.Truncate(blockDuration).Add(blockDuration)
		if to.After(h.To) {
			to = h.To
		}
		n, err := p.writeBlock(ctx, h, sets, sums, from, to)
		if err != nil {
			return total, fmt.Errorf("backfilling %s to %s: %w", from, to, err)
		}
		total += n
		from = to
	}
	return total, nil
}

// writeBlock writes the samples in [from, to) and carries the counters on.
func (p *Prometheus) writeBlock(ctx context.Context, h History, sets []labels.Labels, sums []float64, from, to time.Time) (int, error) {
	writer, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), p.DataDir, blockDuration.Milliseconds())
	if err != nil {
		return 0, fmt.Errorf("opening a block: %w", err)
	}
	defer func() { _ = writer.Close() }()
	appender := writer.Appender(ctx)
	refs := make([]storage.SeriesRef, len(sets))
	n := 0
	for at := from; at.Before(to); at = at.Add(h.Step) {
		for i, s := range h.Series {
			value := s.Value(at)
			if s.Counter {
				sums[i] += value * h.Step.Seconds()
				value = sums[i]
			}
			if refs[i], err = appender.Append(refs[i], sets[i], at.UnixMilli(), value); err != nil {
				return n, fmt.Errorf("appending to %s: %w", sets[i], err)
			}
			n++
		}
	}
	if err := appender.Commit(); err != nil {
		return n, fmt.Errorf("committing a block: %w", err)
	}
	if _, err := writer.Flush(ctx); err != nil {
		return n, fmt.Errorf("writing a block: %w", err)
	}
	return n, nil
}
