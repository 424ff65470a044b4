package controller

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
)

// observe reads the cluster, and the size of every workload.
func (t *tick) observe(ctx context.Context) error {
	snap, err := t.c.cfg.Observer.Observe(ctx)
	if err != nil {
		t.d.Reason, t.d.Outcome = decision.ReasonObservationFailed, "held: the cluster could not be read: "+err.Error()
		return fmt.Errorf("observing the cluster: %w", err)
	}
	t.snap = snap
	if age := t.now.Sub(snap.TakenAt); !snap.TakenAt.IsZero() && age > t.c.spec.Gates.StaleAfter.D() {
		t.stale("snapshot", fmt.Sprintf("was taken %s ago", age.Round(1e9)))
	}
	t.d.ClusterID = snap.ClusterID
	t.readScales(ctx)
	t.demand = capacity.DemandOf(t.snap)
	t.facts = capacity.FactsOf(t.snap, t.c.shape)
	t.d.Seen = decision.Seen{
		Brokers: len(snap.Brokers), AliveBrokers: t.facts.Brokers, Topics: len(snap.Topics), Partitions: t.demand.Partitions,
		BytesIn: t.demand.Produced, BytesOut: t.demand.Consumed, DiskBytes: max(0, t.demand.Stored),
	}
	if !t.c.cfg.NoCurves {
		t.d.Seen.BrokerLoads = shown(brokerLoads(&t.snap))
	}
	return nil
}

// stale adds to what is not known.
func (t *tick) stale(signal, reason string) {
	// The snapshot's own list is shared with the observer: never written to.
	t.snap.Stale = append(slices.Clone(t.snap.Stale), cluster.StaleSignal{Signal: signal, Reason: reason})
	slices.SortFunc(t.snap.Stale, func(a, b cluster.StaleSignal) int { return strings.Compare(a.Signal, b.Signal) })
}

func (t *tick) readScales(ctx context.Context) {
	t.scales = make(map[string]actuators.Scale, len(t.c.cfg.Scalers))
	for _, key := range t.targets() {
		s := t.c.cfg.Scalers[key]
		if s == nil {
			continue
		}
		scale, err := s.Current(ctx)
		if err != nil {
			t.stale("scale of "+key, err.Error())
			continue
		}
		t.scales[key] = scale
	}
}

// targets is every workload of the policy, brokers first.
func (t *tick) targets() []string {
	keys := []string{t.c.spec.Brokers.Key()}
	for _, g := range t.c.spec.Consumers {
		keys = append(keys, g.Key())
	}
	return keys
}

// listen asks the watchers. One that cannot be asked is a stale signal.
func (t *tick) listen(ctx context.Context) {
	for _, w := range t.c.cfg.Watchers {
		seen, err := w.Observations(ctx, t.now)
		if err != nil {
			t.stale("alerts", err.Error())
		}
		for _, o := range seen {
			if o.Until.IsZero() || o.Until.After(t.now) {
				t.d.Seen.Observations = append(t.d.Seen.Observations, o)
				t.lose(o)
			}
		}
	}
	t.d.Seen.Stale = t.snap.Stale
	if len(t.snap.Stale) > 0 {
		t.notFresh = "not known: " + staleNames(t.snap.Stale)
	}
	t.demand.LoadUnknown = t.loadUnknown()
}

// lose takes a broker that somebody outside says is down for what it is, even
// while Kafka has not noticed.
func (t *tick) lose(o decision.Observation) {
	if o.Effect != decision.EffectBrokerDown {
		return
	}
	for i := range t.snap.Brokers {
		if b := &t.snap.Brokers[i]; strconv.Itoa(b.ID) == o.Subject && b.State == cluster.BrokerAlive {
			t.snap.Brokers = slices.Clone(t.snap.Brokers)
			t.snap.Brokers[i].State = cluster.BrokerFenced
			t.facts = capacity.FactsOf(t.snap, t.c.shape)
		}
	}
}

// loadSignals are those without which the load of the cluster is not known.
var loadSignals = []string{string(metrics.TopicBytesIn), string(metrics.PartitionBytesIn), string(metrics.BrokerBytesIn), "snapshot"}

// loadUnknown says why the rates in the snapshot are no reading of the load: a
// signal is stale and what came is nothing. A silent zero is never a load.
func (t *tick) loadUnknown() string {
	if t.demand.Produced > 0 {
		return ""
	}
	for _, s := range t.snap.Stale {
		if slices.Contains(loadSignals, s.Signal) || s.Signal == "prometheus" || s.Signal == "metrics" {
			return s.Signal + " is not known: " + s.Reason
		}
	}
	return ""
}

func staleNames(stale []cluster.StaleSignal) string {
	var names []string
	for _, s := range stale {
		if !slices.Contains(names, s.Signal) {
			names = append(names, s.Signal)
		}
	}
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// uplift is the highest factor that somebody outside asks for on a subject;
// at least 1, since nobody outside can lower anything.
func (t *tick) uplift(subject string) float64 {
	f := 1.0
	for _, o := range t.d.Seen.Observations {
		if o.Effect == decision.EffectUplift && (o.Subject == "" || o.Subject == subject) {
			f = max(f, o.Value)
		}
	}
	return f
}
