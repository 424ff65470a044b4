// Package observe puts a cluster's snapshot together from what Kafka says of
// itself and what Prometheus measured: placement, sizes and lag from the one,
// rates and CPU from the other. Either may be missing or fail; what is then
// unknown is named in the snapshot's Stale, and never becomes a silent zero.
package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// Placement reads what Kafka knows: brokers, topics, partitions, sizes, groups
// and lag. What it could not read, it names in Stale. metrics/kafka has it.
type Placement interface {
	Placement(ctx context.Context) (cluster.Snapshot, error)
}

// Readings reads the value of every series of a signal at one instant. An
// error that wraps metrics.ErrSource stands for all signals. A signal that
// nobody exports is an empty answer. metrics/prometheus and metrics/archive
// have it.
type Readings interface {
	Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error)
}

// readingsAtOnce is how many signals are asked for at a time; the reader bounds
// what reaches the server.
const readingsAtOnce = 8

// Observer satisfies the controller's Observer. A nil Kafka or Metrics is a
// source that was not configured.
type Observer struct {
	Kafka   Placement
	Metrics Readings
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Capacity stands in, field by field, where nobody measures a broker's.
	Capacity cluster.Capacity

	mu       sync.Mutex
	lastSeen map[cluster.Signal]time.Time
	placed   *cluster.Snapshot // the last placement Kafka gave
}

// signals is what a snapshot is made of.
var signals = []metrics.Signal{
	metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn,
	metrics.BrokerBytesIn, metrics.BrokerBytesOut, metrics.BrokerReplicationIn, metrics.BrokerReplicationOut,
	metrics.BrokerCPU, metrics.BrokerRequestHandlerIdle, metrics.BrokerUnderReplicated, metrics.BrokerContainerCPULimit,
	metrics.BrokerContainerMemLimit, metrics.PartitionBytesIn, metrics.PartitionMessagesIn, metrics.GroupConsumed,
}

// withoutKafka is what else is asked for when Kafka cannot say it.
var withoutKafka = []metrics.Signal{
	metrics.PartitionSize, metrics.BrokerDiskUsed, metrics.BrokerDiskCapacity, metrics.GroupLag,
	metrics.ReplicaSize, metrics.PartitionLeader, metrics.BrokerZone,
}

// Observe reads both sources. It fails only when neither said anything.
func (o *Observer) Observe(ctx context.Context) (cluster.Snapshot, error) {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	at := now()
	placed, kafkaErr := o.placement(ctx)
	want := slices.Clone(signals)
	if placed == nil {
		want = append(want, withoutKafka...)
	} else {
		for _, s := range placed.Stale {
			if slices.Contains(withoutKafka, s.Signal) {
				want = append(want, s.Signal)
			}
		}
	}
	readings := o.read(ctx, want, at)
	if err := ctx.Err(); err != nil {
		return cluster.Snapshot{}, fmt.Errorf("observing the cluster: %w", err)
	}
	if placed == nil && readings.empty() {
		return cluster.Snapshot{}, fmt.Errorf("observing the cluster: nothing could be read: %w", o.both(kafkaErr, readings))
	}
	s := Merge(placed, readings, at, o.Capacity)
	if kafkaErr != nil {
		addStale(&s, cluster.StaleSignal{Signal: cluster.SignalPlacement, Cause: cluster.CauseNotRead, Reason: kafkaErr.Error()})
	}
	if by, ok := o.Metrics.(interface{ Sources() []cluster.Source }); ok {
		s.Sources = by.Sources()
	}
	o.remember(&s, at)
	s.Sort()
	return s, nil
}

// both is why neither source said anything, in one line.
func (o *Observer) both(kafkaErr error, in Input) error {
	switch {
	case kafkaErr == nil && in.source != nil:
		return in.source
	case kafkaErr == nil:
		return errors.New(in.why(in.Asked[0]).Reason)
	case o.Metrics == nil:
		return kafkaErr
	case in.source != nil:
		return fmt.Errorf("%w; %w", kafkaErr, in.source)
	}
	return fmt.Errorf("%w; %s", kafkaErr, in.why(in.Asked[0]).Reason)
}

// placement is what Kafka says now, or what it said last when it fails now:
// the loads still need brokers to lie on. The error makes it stale.
func (o *Observer) placement(ctx context.Context) (*cluster.Snapshot, error) {
	if o.Kafka == nil {
		return nil, nil
	}
	s, err := o.Kafka.Placement(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.placed = clone(s)
		return &s, nil
	}
	if o.placed != nil {
		return clone(*o.placed), err
	}
	return nil, err
}

// Read is a signal's series with the ids of the brokers that the last placement knows.
// Series of brokers that cannot be told are left out: nobody is taken for its neighbour.
func (o *Observer) Read(ctx context.Context, signal metrics.Signal, at time.Time) ([]metrics.Point, error) {
	if o.Metrics == nil {
		return nil, errNoMetrics
	}
	points, err := o.Metrics.Read(ctx, signal, at)
	if err != nil {
		return nil, err
	}
	brokers := []cluster.Broker{}
	o.mu.Lock()
	if o.placed != nil {
		brokers = o.placed.Brokers
	}
	o.mu.Unlock()
	in := Input{Points: map[metrics.Signal][]metrics.Point{signal: points}}
	in.resolve(brokers)
	return in.Points[signal], nil
}

var errNoMetrics = errors.New("no Prometheus was given")

// clone copies what Merge writes to.
func clone(s cluster.Snapshot) *cluster.Snapshot {
	s.Brokers = slices.Clone(s.Brokers)
	s.Topics = slices.Clone(s.Topics)
	for i := range s.Topics {
		s.Topics[i].Partitions = slices.Clone(s.Topics[i].Partitions)
	}
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		s.Groups[i].Partitions = slices.Clone(s.Groups[i].Partitions)
	}
	s.Stale = slices.Clone(s.Stale)
	return &s
}

// read asks for all signals at once; the reader bounds its own concurrency.
func (o *Observer) read(ctx context.Context, want []metrics.Signal, at time.Time) Input {
	in := Input{Points: map[metrics.Signal][]metrics.Point{}, Failed: map[metrics.Signal]error{}, Asked: want}
	if o.Metrics == nil {
		in.source = errNoMetrics
		return in
	}
	// The first signal tells whether the source answers at all.
	points, err := o.Metrics.Read(ctx, want[0], at)
	if errors.Is(err, metrics.ErrSource) {
		in.source = err
		return in
	}
	in.set(want[0], points, err)
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(readingsAtOnce)
	for _, signal := range want[1:] {
		g.Go(func() error {
			points, err := o.Metrics.Read(ctx, signal, at)
			mu.Lock()
			defer mu.Unlock()
			in.set(signal, points, err)
			return nil
		})
	}
	_ = g.Wait() // failures are kept by signal
	return in
}

// remember gives each stale signal the time it was last fresh.
func (o *Observer) remember(s *cluster.Snapshot, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lastSeen == nil {
		o.lastSeen = map[cluster.Signal]time.Time{}
	}
	stale := map[cluster.Signal]bool{}
	for i, x := range s.Stale {
		stale[x.Signal] = true
		if x.LastSeen.IsZero() {
			s.Stale[i].LastSeen = o.lastSeen[x.Signal]
		}
	}
	names := []cluster.Signal{cluster.SignalPlacement, cluster.SignalISR, cluster.SignalTopicConfigs, cluster.SignalFencedBrokers,
		cluster.SignalQuorum, cluster.SignalReassignments}
	for _, name := range slices.AppendSeq(names, maps.Keys(metrics.Signals)) {
		if !stale[name] {
			o.lastSeen[name] = at
		}
	}
}

// Input is what was measured: the points of each signal, and why a signal has
// none.
type Input struct {
	Points map[metrics.Signal][]metrics.Point
	Failed map[metrics.Signal]error
	Asked  []metrics.Signal
	source error // the whole source failed, or there is none

	who      who
	unplaced map[metrics.Signal][]string // labels of scraped brokers that are none that is known
}

func (in *Input) set(signal metrics.Signal, points []metrics.Point, err error) {
	if err != nil {
		in.Failed[signal] = err
		return
	}
	in.Points[signal] = points
}

func (in Input) empty() bool {
	for _, p := range in.Points {
		if len(p) > 0 {
			return false
		}
	}
	return true
}

// why says why a signal has no points; nil when it has some.
func (in Input) why(signal metrics.Signal) *cluster.StaleSignal {
	x := cluster.StaleSignal{Signal: signal, Cause: cluster.CauseNotRead}
	switch {
	case in.source != nil:
		x.Reason = in.source.Error()
	case in.Failed[signal] != nil:
		x.Reason = in.Failed[signal].Error()
		if errors.Is(in.Failed[signal], errImpossible) {
			x.Cause = cluster.CauseImpossible
		}
	case len(in.Points[signal]) == 0:
		x.Cause, x.Reason = cluster.CauseNotExported, "no series: it is not exported, or the selector leaves it out"
	default:
		return nil
	}
	return &x
}
