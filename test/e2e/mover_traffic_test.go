package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// preload puts bytes into every partition, in large batches.
func preload(ctx context.Context, k *testbed.Kafka, topic string, partitions, bytesEach int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(256))
	if err != nil {
		return err
	}
	defer cl.Close()
	const size = 64 << 10
	value := make([]byte, size)
	random := rand.New(rand.NewPCG(7, 7))
	for i := range value {
		value[i] = byte(random.IntN(256))
	}
	var first error
	var mu sync.Mutex
	for range max(1, bytesEach/size) {
		for p := range partitions {
			cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(p), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
				}
			})
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return first
}

// traffic produces numbered records into every partition, acknowledged by all
// in-sync replicas, reads them as a consumer group, and watches the ISR. It
// knows at its end whether a record was lost, repeated or out of order.
type traffic struct {
	t          *testing.T
	topic      string
	partitions int
	cancel     context.CancelFunc
	wg         sync.WaitGroup
	producer   *kgo.Client
	consumer   *kgo.Client

	mu       sync.Mutex
	sent     []uint64 // next number to produce, by partition
	acked    []uint64 // numbers acknowledged so far are below
	seen     []uint64 // next number to read
	latency  []sample
	problems []string
}

type sample struct {
	at        time.Time
	took      time.Duration
	partition int
}

// traffic begins traffic on a topic; perSecond is records of 1 kB per partition.
func (b *moverBed) traffic(perSecond int) *traffic {
	b.t.Helper()
	topics, err := b.adm.ListTopics(b.ctx, b.topic)
	if err != nil {
		b.t.Fatal(err)
	}
	n := len(topics[b.topic].Partitions)
	ctx, cancel := context.WithCancel(b.ctx)
	tr := &traffic{t: b.t, topic: b.topic, partitions: n, cancel: cancel, sent: make([]uint64, n), acked: make([]uint64, n), seen: make([]uint64, n)}
	seeds := kgo.SeedBrokers(b.Kafka.Bootstrap()...)
	if tr.producer, err = kgo.NewClient(seeds, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.MetadataMinAge(200*time.Millisecond), kgo.MetadataMaxAge(5*time.Second)); err != nil {
		b.t.Fatal(err)
	}
	// The group begins where the filling ends: committed before anybody joins,
	// so that not even the first record can be missed.
	group := fmt.Sprintf("traffic-%d", time.Now().UnixNano())
	ends, err := b.adm.ListEndOffsets(b.ctx, b.topic)
	if err != nil {
		b.t.Fatal(err)
	}
	b.poll("the group's first offsets to be committed", time.Minute, func(ctx context.Context) error {
		done, err := b.adm.CommitOffsets(ctx, group, ends.Offsets())
		if err != nil {
			return err
		}
		return done.Error()
	})
	if tr.consumer, err = kgo.NewClient(seeds, kgo.ConsumerGroup(group), kgo.ConsumeTopics(b.topic),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.AutoCommitInterval(time.Second),
		kgo.MetadataMinAge(200*time.Millisecond), kgo.MetadataMaxAge(5*time.Second), kgo.FetchMaxWait(300*time.Millisecond)); err != nil {
		b.t.Fatal(err)
	}
	tr.wg.Add(3)
	go tr.produce(ctx, perSecond)
	go tr.consume(ctx)
	go tr.watch(ctx, b)
	b.t.Cleanup(func() { tr.halt() })
	return tr
}

func (tr *traffic) problem(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.problems) < 20 {
		tr.problems = append(tr.problems, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

const (
	recordBytes = 1024
	mark        = 0x7469646574616265 // tells our records from the filling
)

func (tr *traffic) produce(ctx context.Context, perSecond int) {
	defer tr.wg.Done()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for p := range tr.partitions {
			value := make([]byte, recordBytes)
			binary.BigEndian.PutUint64(value, mark)
			tr.mu.Lock()
			n := tr.sent[p]
			tr.sent[p]++
			tr.mu.Unlock()
			binary.BigEndian.PutUint64(value[8:], n)
			at := time.Now()
			tr.producer.Produce(context.Background(), &kgo.Record{Topic: tr.topic, Partition: int32(p), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					if !errors.Is(err, kgo.ErrClientClosed) {
						tr.problem("record %d of partition %d was not acknowledged: %v", n, p, err)
					}
					return
				}
				tr.mu.Lock()
				tr.acked[p] = max(tr.acked[p], n+1)
				tr.latency = append(tr.latency, sample{at, time.Since(at), p})
				tr.mu.Unlock()
			})
		}
	}
}

func (tr *traffic) consume(ctx context.Context) {
	defer tr.wg.Done()
	for {
		fetches := tr.consumer.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(r.Value) != recordBytes || binary.BigEndian.Uint64(r.Value) != mark {
				return
			}
			n := binary.BigEndian.Uint64(r.Value[8:])
			tr.mu.Lock()
			want := tr.seen[r.Partition]
			tr.seen[r.Partition] = n + 1
			tr.mu.Unlock()
			switch {
			case n < want:
				tr.problem("partition %d: record %d was read again (expected %d)", r.Partition, n, want)
			case n > want:
				tr.problem("partition %d: records %d to %d are missing", r.Partition, want, n-1)
			}
		})
		if ctx.Err() != nil {
			return
		}
	}
}

// watch looks at the ISR of the topic five times a second.
func (tr *traffic) watch(ctx context.Context, b *moverBed) {
	defer tr.wg.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		topics, err := b.adm.ListTopics(ctx, tr.topic)
		if err != nil {
			continue
		}
		for _, p := range topics[tr.topic].Partitions {
			if p.Err == nil && len(p.ISR) < 2 {
				tr.problem("partition %d is under min.insync.replicas: in sync %v of %v", p.Partition, p.ISR, p.Replicas)
			}
		}
	}
}

// p99 is the 99th percentile of the time to an acknowledgement of records sent
// in a span of time.
func (tr *traffic) p99(from, to time.Time) time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var took []time.Duration
	for _, s := range tr.latency {
		if !s.at.Before(from) && s.at.Before(to) {
			took = append(took, s.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// slow is what a stall is for stalls, several times a calm p99.
const slow = 100 * time.Millisecond

// stalls lists when and where acknowledgements stood still, from the first
// slow record's sending to its acknowledgement, for somebody who has to find
// out why.
func (tr *traffic) stalls(from, to time.Time) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var out strings.Builder
	ends := map[int]time.Time{}
	for _, s := range tr.latency {
		if s.at.Before(from) || !s.at.Before(to) || s.took < slow || s.at.Before(ends[s.partition]) {
			continue
		}
		ends[s.partition] = s.at.Add(s.took)
		fmt.Fprintf(&out, "%s to %s: partition %d stood still\n", s.at.UTC().Format("15:04:05.000"), ends[s.partition].UTC().Format("15:04:05.000"), s.partition)
	}
	return out.String()
}

// finish stops producing, waits until everything that was acknowledged has
// been read, and fails the test for every record lost or repeated.
func (tr *traffic) finish() {
	tr.t.Helper()
	tr.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := tr.producer.Flush(ctx); err != nil {
		tr.t.Errorf("records are not acknowledged: %v", err)
	}
	tr.wg.Wait()
	for ctx.Err() == nil && tr.behind() > 0 {
		again, stop := context.WithTimeout(ctx, time.Second)
		tr.wg.Add(1)
		tr.consume(again)
		stop()
	}
	if n := tr.behind(); n > 0 {
		tr.t.Errorf("%d acknowledged records were never read", n)
	}
	tr.halt()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var total uint64
	for _, n := range tr.acked {
		total += n
	}
	for _, p := range tr.problems {
		tr.t.Error(p)
	}
	tr.t.Logf("%d records were produced and read, each once", total)
}

func (tr *traffic) behind() (n uint64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for p := range tr.partitions {
		if tr.acked[p] > tr.seen[p] {
			n += tr.acked[p] - tr.seen[p]
		}
	}
	return n
}

func (tr *traffic) halt() {
	tr.cancel()
	tr.wg.Wait()
	tr.producer.Close()
	tr.consumer.Close()
}
