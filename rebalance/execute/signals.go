package execute

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// SignalReader reads what a signal is now, such as from Prometheus.
type SignalReader interface {
	Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error)
}

// Signals judges clients' health by what the brokers measure: the 99th
// percentile of produce and fetch times, and how idle the request handlers are.
type Signals struct {
	from SignalReader
	now  func() time.Time

	mu   sync.Mutex
	best map[string]float64 // the lowest value seen, by signal and broker
}

// NewSignals judges by signals.
func NewSignals(from SignalReader, now func() time.Time) *Signals {
	return &Signals{from: from, now: now, best: map[string]float64{}}
}

// The signals' thresholds.
const (
	// latencyFactor is over the lowest p99 seen: the promise of docs/mover.md, which
	// make soak-mover holds, is that moves keep producers below twice.
	latencyFactor = 2.0
	// latencyNoise, in seconds: below, twice of next to nothing is still nothing.
	// A judgement.
	latencyNoise = 0.025
	// idleHurt and idleWell are of the request handlers' time. Kafka's documentation
	// wants RequestHandlerAvgIdlePercent above 0.3; hurt is a third below that, and
	// well a third above.
	idleHurt = 0.2
	idleWell = 0.4
	// signalFreshness: older readings say nothing. Three scrapes of 30 s.
	signalFreshness = 90 * time.Second
)

// Health implements Clients. A broker is hurt when any signal says so, well
// when at least one says so and none objects, and unknown otherwise.
func (s *Signals) Health(ctx context.Context, brokers []int) (map[int]Health, error) {
	wanted := map[int]bool{}
	for _, b := range brokers {
		wanted[b] = true
	}
	out := map[int]Health{}
	var errs []error
	now := s.now()
	for _, signal := range []metrics.Signal{
		metrics.BrokerProduceLatencyP99, metrics.BrokerFetchLatencyP99, metrics.BrokerRequestHandlerIdle,
	} {
		points, err := s.from.Read(ctx, signal, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", signal, err))
			continue
		}
		for _, p := range points {
			b, err := strconv.Atoi(p.Labels["broker"])
			if err != nil || !wanted[b] || now.Sub(p.Time) > signalFreshness {
				continue
			}
			out[b] = worse(out[b], s.judge(signal, b, p.Value))
		}
	}
	return out, errors.Join(errs...)
}

// judge says what one reading means.
func (s *Signals) judge(signal metrics.Signal, broker int, value float64) Health {
	if signal == metrics.BrokerRequestHandlerIdle {
		switch {
		case value < idleHurt:
			return Hurt
		case value > idleWell:
			return Well
		}
		return Unknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s %d", signal, broker)
	best, ok := s.best[key]
	if !ok || value < best {
		s.best[key], best = value, value
	}
	switch {
	case value > latencyFactor*best && value > latencyNoise:
		return Hurt
	case value < (1+latencyFactor)/2*best || value <= latencyNoise:
		return Well
	}
	return Unknown
}

// worse is the graver of two opinions; the absence of one is none.
func worse(a, b Health) Health {
	switch {
	case a == Hurt || b == Hurt:
		return Hurt
	case a == Well || b == Well:
		return Well
	}
	return Unknown
}
