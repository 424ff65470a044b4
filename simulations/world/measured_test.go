package world

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/simulations/workload"
)

// risen is a world of one topic whose load rises by a kilobyte per second every
// second, from an hour before the start on, in records that shrink meanwhile.
func risen(t *testing.T, change func(*Config)) *World {
	t.Helper()
	bytes := &workload.Profile{Start: start.Add(-time.Hour), Step: time.Second}
	records := &workload.Profile{Start: bytes.Start, Step: time.Second}
	for i := range 7200 {
		bytes.Values = append(bytes.Values, 1000*float64(i))
		records.Values = append(records.Values, float64(i)*float64(i)/3600)
	}
	c := Config{Start: start, Tick: time.Second, Zones: []string{"a", "b", "c"}, NewShape: shape, Throttle: 1e9,
		Profiles: []*workload.Profile{bytes, records}}
	for i := range 3 {
		c.Brokers = append(c.Brokers, BrokerSpec{c.Zones[i], shape})
	}
	c.Topics = []TopicSpec{{Name: "orders", Partitions: 6, ReplicationFactor: 2, MinISR: 1, Scale: 1, Retention: 24 * time.Hour,
		MessageBytes: 1000, SizeBytes: 6e6, Young: true, Records: 2}}
	c.Groups = []GroupSpec{{Name: "billing", Topics: []int{0}, PerReplica: 1e6, Replicas: 2, MaxLag: time.Minute,
		CommitInterval: 4 * time.Second}}
	if change != nil {
		change(&c)
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*math.Abs(want) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

func topicNow(t *testing.T, w *World) (bytes, records, size float64) {
	t.Helper()
	s, err := w.Observer().Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Topics[0].Partitions {
		bytes += float64(p.Load.BytesInPerSecond)
		records += float64(p.Load.MessagesInPerSecond)
		size += float64(p.Load.SizeBytes)
	}
	return bytes, records, size
}

func TestMeasuredRatesAreBehindByHalfOfTheirRange(t *testing.T) {
	w := risen(t, func(c *Config) { c.Scrape = 2 * time.Second })
	// An instant is a mean over four scrapes, a grid of ten seconds over twelve.
	bytes, records, _ := topicNow(t, w)
	near(t, "bytes in", bytes, 1000*3596)
	near(t, "records in", records, 3596.0*3596/3600)
	for signal, want := range map[metrics.Signal]float64{metrics.TopicBytesIn: 1000 * 3594, metrics.TopicMessagesIn: 3594.0 * 3594 / 3600} {
		h, err := w.History().History(context.Background(), signal,
			metrics.Window{From: start.Add(-time.Minute), To: start, Step: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		near(t, string(signal), h[0].Values[len(h[0].Values)-1], want)
	}
	bytes, _, _ = topicNow(t, risen(t, nil))
	near(t, "bytes in without a scrape", bytes, 1000*3600)
}

func TestLogsGrowFromTheSizeThatTheyHave(t *testing.T) {
	w := risen(t, nil)
	_, _, size := topicNow(t, w)
	near(t, "the size at first", size, 6e6+3600e3) // with the tick that ends at the start
	written := 0.0
	for i := range 60 {
		w.Step()
		written += 1000 * float64(3600+i+1)
	}
	_, _, size = topicNow(t, w)
	near(t, "the size after a minute", size, 6e6+3600e3+written)

	w = risen(t, func(c *Config) { c.Topics[0].RetentionBytes = 2e6 })
	for range 60 {
		w.Step()
	}
	_, _, size = topicNow(t, w)
	near(t, "the size that retention.bytes allows", size, 6*2e6)
}

func TestLagIsWhatWasReadAndNotCommitted(t *testing.T) {
	w := risen(t, nil)
	w.Step()
	g := w.Group(0)
	near(t, "what arrives", g.Arrives, 3601.0*3601/3600)
	near(t, "the lag", g.Lag, 2*g.Arrives)
	if g.LagSeconds != 0 {
		t.Errorf("nothing waits, and the oldest record is %g s old", g.LagSeconds)
	}
	s, err := w.Observer().Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, p := range s.Groups[0].Partitions {
		sum += float64(p.Lag)
	}
	if math.Abs(sum-g.Lag) > 6 { // each partition's is whole
		t.Errorf("partitions lag %g records, the group %g", sum, g.Lag)
	}
}

func TestAPlanTakesTheMoverSevenLooks(t *testing.T) {
	w := risen(t, nil)
	p := w.place.parts[0]
	to := []int{int(p.replicas[0]), 3 - int(p.replicas[0]) - int(p.replicas[1])}
	m := Mover{World: w}
	if err := m.Start(context.Background(), rebalance.Plan{Moves: []cluster.Move{{Topic: "orders", Partition: 0, To: to}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 36 {
		if state := w.moves.progress().State; (state == rebalance.Moving) != (i < 35) {
			t.Fatalf("after %d s the mover says %q", i, state)
		}
		w.Step()
	}
}

func TestMovesGoAtTheMoversThrottle(t *testing.T) {
	for throttle, want := range map[cluster.BytesPerSecond]float64{0: 1e5, 2e4: 2e4} {
		w := risen(t, func(c *Config) { c.Throttle = 1e5 })
		p := w.place.parts[0]
		to := []int{int(p.replicas[0]), 3 - int(p.replicas[0]) - int(p.replicas[1])}
		m := Mover{World: w, Throttle: throttle}
		if err := m.Start(t.Context(), rebalance.Plan{Moves: []cluster.Move{{Topic: "orders", Partition: 0, To: to}}}); err != nil {
			t.Fatal(err)
		}
		w.Step()
		near(t, "the rate", float64(w.moves.progress().Rate), want)
	}
}
