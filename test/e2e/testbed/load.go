package testbed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

// Shape is a load over time, in bytes per second of record values.
type Shape func(at time.Time) float64

// Constant is the same load at all times.
func Constant(bytesPerSecond float64) Shape { return func(time.Time) float64 { return bytesPerSecond } }

// Day is a load that repeats every period, between low and high, with its
// peak at peakAt past the start of each period (periods start at the Unix
// epoch, so that a backfilled past and the live load agree).
func Day(low, high float64, period, peakAt time.Duration) Shape {
	return func(at time.Time) float64 {
		phase := float64((time.Duration(at.UnixNano())-peakAt)%period) / float64(period)
		return low + (high-low)*(1+math.Cos(2*math.Pi*phase))/2
	}
}

// Producer is a load to produce.
type Producer struct {
	Topic       string
	Shape       Shape
	RecordBytes int // size of one record's value; 1024 when zero
	// Weights share the load among the partitions; evenly when empty.
	Weights []float64
}

// Consumer is one member of a group that reads at a fixed rate at most, as a
// replica whose work takes a fixed time per record does.
type Consumer struct {
	Group            string
	Topic            string
	Rack             string  // client.rack; fetches from the leader when empty
	RecordsPerSecond float64 // no limit when zero
}

// Load is a producer or a consumer at work.
type Load struct {
	cancel  context.CancelFunc
	done    chan struct{}
	client  *kgo.Client
	records atomic.Int64
	bytes   atomic.Int64
	failed  atomic.Int64
	mu      sync.Mutex
	lastErr error
}

// Records that were produced and acknowledged, or consumed.
func (l *Load) Records() int64 { return l.records.Load() }

// Bytes of values that were produced and acknowledged, or consumed.
func (l *Load) Bytes() int64 { return l.bytes.Load() }

// Err is the last error, wrapped with how many records failed; nil if none.
func (l *Load) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lastErr == nil {
		return nil
	}
	return fmt.Errorf("%d records or fetches failed, last: %w", l.failed.Load(), l.lastErr)
}

// Stop ends the load and waits; a consumer leaves its group.
func (l *Load) Stop() {
	l.cancel()
	<-l.done
	l.client.Close()
}

func (l *Load) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	l.failed.Add(1)
	l.mu.Lock()
	l.lastErr = err
	l.mu.Unlock()
}

// Produce starts a producer that follows the shape until it is stopped. When
// the brokers cannot keep up it does not pile up a debt: what could not be
// sent in its second is left out, as callers with a deadline do.
func (k *Kafka) Produce(p Producer) (*Load, error) {
	if p.RecordBytes == 0 {
		p.RecordBytes = 1024
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(20 * time.Millisecond),
		kgo.MaxBufferedRecords(20_000),
		kgo.RecordDeliveryTimeout(30 * time.Second),
	}
	if len(p.Weights) > 0 {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	} else {
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	client, err := k.newClient(k.Bootstrap(), opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{cancel: cancel, done: make(chan struct{}), client: client}
	go l.produce(ctx, p)
	return l, nil
}

func (l *Load) produce(ctx context.Context, p Producer) {
	defer close(l.done)
	random := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, p.RecordBytes)
	for i := range value {
		value[i] = byte(random.IntN(256))
	}
	next := newPicker(p.Weights)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last, debt := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			perSecond := p.Shape(now)
			debt = min(debt+perSecond*now.Sub(last).Seconds(), max(perSecond, float64(p.RecordBytes)))
			last = now
			for ; debt >= float64(p.RecordBytes); debt -= float64(p.RecordBytes) {
				record := &kgo.Record{Topic: p.Topic, Value: value, Partition: next()}
				l.client.TryProduce(ctx, record, l.acknowledged)
			}
		}
	}
}

func (l *Load) acknowledged(r *kgo.Record, err error) {
	if err != nil {
		l.fail(err)
		return
	}
	l.records.Add(1)
	l.bytes.Add(int64(len(r.Value)))
}

// newPicker deals partitions out in proportion to their weights, without
// chance: each record goes where the debt is largest.
func newPicker(weights []float64) func() int32 {
	credit := make([]float64, len(weights))
	return func() int32 {
		best := 0
		total := 0.0
		for i, w := range weights {
			credit[i] += w
			total += w
			if credit[i] > credit[best] {
				best = i
			}
		}
		if len(credit) > 0 {
			credit[best] -= total
		}
		return int32(best)
	}
}

// Consume starts one member of a group.
func (k *Kafka) Consume(c Consumer) (*Load, error) { return Consume(k.Bootstrap(), c) }

// Consume starts one member of a group on the cluster at bootstrap.
func Consume(bootstrap []string, c Consumer) (*Load, error) {
	limit, atOnce := rate.Inf, 500
	if c.RecordsPerSecond > 0 {
		limit, atOnce = rate.Limit(c.RecordsPerSecond), min(100, max(1, int(c.RecordsPerSecond/4)))
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(bootstrap...),
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(time.Second),
		kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.MetadataMaxAge(5 * time.Second),
		kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.FetchMaxPartitionBytes(256 << 10),
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to kafka: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{cancel: cancel, done: make(chan struct{}), client: client}
	go l.consume(ctx, rate.NewLimiter(limit, atOnce))
	return l, nil
}

// consume polls as much at once as the limiter's burst allows.
func (l *Load) consume(ctx context.Context, limiter *rate.Limiter) {
	defer close(l.done)
	for ctx.Err() == nil {
		fetches := l.client.PollRecords(ctx, limiter.Burst())
		fetches.EachError(func(_ string, _ int32, err error) { l.fail(err) })
		n := 0
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			l.bytes.Add(int64(len(r.Value)))
		})
		l.records.Add(int64(n))
		if limiter.WaitN(ctx, n) != nil {
			return
		}
	}
}
