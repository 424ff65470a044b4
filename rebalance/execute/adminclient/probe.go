package adminclient

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/rebalance/execute"
)

// The probe's judgement of one broker's answers.
const (
	// probeSamples: the median of so many, so that one pause is no verdict.
	probeSamples = 3
	// probeHurt and probeFactor: slower than this, and this many times its best.
	// Judgements: a metadata request takes a broker a few milliseconds, and
	// producers' p99 is allowed to double.
	probeHurt   = 100 * time.Millisecond
	probeFactor = 3
)

// Probe judges clients' health by asking each broker the smallest question
// there is, and timing the answer: it waits in the same request queue as
// produce and fetch requests do. It needs nothing beside the cluster; produce
// and fetch latencies from Prometheus say more, where they are at hand.
type Probe struct {
	ask func(ctx context.Context, broker int) (time.Duration, error)

	mu   sync.Mutex
	last map[int][]time.Duration
	best map[int]time.Duration
}

// NewProbe probes with a client that stays the caller's to close.
func NewProbe(cl *kgo.Client) *Probe {
	return &Probe{last: map[int][]time.Duration{}, best: map[int]time.Duration{},
		ask: func(ctx context.Context, b int) (time.Duration, error) {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{}
			began := time.Now()
			_, err := cl.Broker(b).Request(ctx, req)
			return time.Since(began), err
		}}
}

// Health implements Clients.
func (p *Probe) Health(ctx context.Context, brokers []int) (map[int]execute.Health, error) {
	out := map[int]execute.Health{}
	err := eachBroker(ctx, brokers, func(ctx context.Context, b int) error {
		took, err := p.ask(ctx, b)
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil {
			return fmt.Errorf("probing broker %d: %w", b, err) // it stays unknown
		}
		out[b] = p.judge(b, took)
		return nil
	})
	return out, err
}

// judge adds one answer to what is known of a broker; p.mu is held.
func (p *Probe) judge(b int, took time.Duration) execute.Health {
	last := append(p.last[b], took)
	if len(last) > probeSamples {
		last = last[1:]
	}
	p.last[b] = last
	if best, ok := p.best[b]; !ok || took < best {
		p.best[b] = took
	}
	if len(last) < probeSamples {
		return execute.Unknown
	}
	sorted := slices.Sorted(slices.Values(last))
	median := sorted[len(sorted)/2]
	switch {
	case median < probeHurt/2:
		return execute.Well
	case median > probeHurt && median > probeFactor*p.best[b]:
		p.last[b] = nil // a cut gets its time to be felt before the next
		return execute.Hurt
	}
	return execute.Unknown
}
