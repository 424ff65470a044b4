package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/identity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// Facts is what one round saw. Nothing in it changes after Observe.
type Facts struct {
	Now      time.Time
	Snapshot cluster.Snapshot // with the brokers that somebody outside says are lost taken as lost
	Seen     decision.Seen
	Demand   capacity.Demand // now
	Brokers  capacity.Facts
	// Scales is by target; one that could not be read is in Unread with why.
	Scales map[string]actuators.Scale
	Unread map[string]string
	// Groups is every group of the policy, in its order.
	Groups []GroupFacts
	// Asked is how many brokers are asked for now of the policy's workload, and
	// Others how many the cluster has beside them. Unmapped says why that is not
	// known; "" when it is.
	Asked, Others int
	Unmapped      string
	// NotFresh says why nothing may scale in; "" when all is known.
	NotFresh string
}

// GroupFacts is one group of the policy as the snapshot shows it.
type GroupFacts struct {
	Policy  policy.Consumer
	Missing bool // the group is not in the cluster: nothing else is known
	groupSeen
	// Replicas are asked for and Ready are up, of its workload; of the group's
	// members where the workload is not known.
	Replicas, Ready int
}

// observe reads the cluster, the size of every workload, and what is said from
// outside.
func (c *Controller) observe(ctx context.Context, now time.Time) (Facts, error) {
	f := Facts{Now: now}
	snap, err := c.cfg.Observer.Observe(ctx)
	if err != nil {
		return f, fmt.Errorf("observing the cluster: %w", err)
	}
	snap.ShareReads()
	f.Snapshot = snap
	f.Snapshot.Stale = plainStale(snap.Stale)
	if age := now.Sub(snap.TakenAt); !snap.TakenAt.IsZero() && age > c.spec.Gates.StaleAfter.D() {
		f.stale(cluster.SignalSnapshot, cluster.CauseOld, fmt.Sprintf("was taken %s ago", age.Round(time.Second)))
	}
	f.Scales, f.Unread = c.readScales(ctx)
	for _, target := range targets(c.spec) {
		if why, unread := f.Unread[target]; unread {
			f.stale(cluster.SignalScaleOf(target), cluster.CauseNotRead, why)
		}
	}
	f.Demand = c.still.demand(now, snap)
	f.Brokers = capacity.FactsOf(snap, c.parts.Shape)
	f.Seen = seenOf(&f)
	if !c.cfg.NoCurves {
		loads := f.Snapshot.BrokerLoads()
		f.Seen.BrokerLoads, f.Seen.Utilisation = shown(loads), fairShare(loads)
	}
	c.listen(ctx, &f)
	f.Demand.LoadUnknown = loadUnknown(f.Demand, f.Snapshot.Stale)
	f.Asked = askedBrokers(&f.Snapshot, f.Scales, c.spec.Brokers.Key())
	f.share(c.spec.Brokers)
	f.Groups = groupsOf(&f.Snapshot, c.spec.Consumers, f.Scales)
	return f, nil
}

func seenOf(f *Facts) decision.Seen {
	return decision.Seen{
		Brokers: len(f.Snapshot.Brokers), AliveBrokers: f.Brokers.Brokers, Topics: len(f.Snapshot.Topics), Partitions: f.Demand.Partitions,
		BytesIn: f.Demand.Produced, BytesOut: f.Demand.Consumed, DiskBytes: max(0, f.Demand.Stored),
	}
}

// plainStale is what is not known, in words that are fit to be shown: a server's
// answer may be five megabytes of text.
func plainStale(all []cluster.StaleSignal) []cluster.StaleSignal {
	out := slices.Clone(all) // the observer's own list is never written to
	for i := range out {
		out[i].Reason = plain.Text(out[i].Reason)
	}
	return out
}

// stale adds to what is not known.
func (f *Facts) stale(signal cluster.Signal, cause cluster.Cause, reason string) {
	// The snapshot's own list is shared with the observer: never written to.
	f.Snapshot.Stale = append(slices.Clone(f.Snapshot.Stale), cluster.StaleSignal{Signal: signal, Cause: cause, Reason: plain.Text(reason)})
	slices.SortFunc(f.Snapshot.Stale, func(a, b cluster.StaleSignal) int { return cmp.Compare(a.Signal, b.Signal) })
}

func (c *Controller) readScales(ctx context.Context) (read map[string]actuators.Scale, unread map[string]string) {
	read, unread = make(map[string]actuators.Scale, len(c.cfg.Scalers)), map[string]string{}
	for _, target := range targets(c.spec) {
		s := c.cfg.Scalers[target]
		if s == nil {
			continue
		}
		scale, err := s.Current(ctx)
		if err != nil {
			unread[target] = err.Error()
			continue
		}
		read[target] = scale
	}
	return read, unread
}

// targets is every workload of the policy, brokers first.
func targets(s policy.Spec) []string {
	keys := []string{s.Brokers.Key()}
	for _, g := range s.Consumers {
		keys = append(keys, g.Key())
	}
	return keys
}

// listen asks the watchers. One that cannot be asked is a stale signal, and
// freezes: a hold may be what it would have told.
func (c *Controller) listen(ctx context.Context, f *Facts) {
	for _, w := range c.cfg.Watchers {
		said, err := w.Observations(ctx, f.Now)
		if err != nil {
			f.stale(cluster.SignalAlerts, cluster.CauseNotRead, err.Error())
			said = append(slices.Clone(said), decision.Observation{
				Source: "not knowing whether somebody holds: " + plain.Text(err.Error()), Effect: decision.EffectFreeze, Until: f.Now.Add(time.Minute),
			})
		}
		for _, o := range said {
			if o.Stands(f.Now) {
				f.Seen.Observations = append(f.Seen.Observations, o)
				if f.lose(o) {
					f.Brokers = capacity.FactsOf(f.Snapshot, c.parts.Shape)
				}
			}
		}
	}
	f.Seen.Stale, f.Seen.Sources = f.Snapshot.Stale, f.Snapshot.Sources
	if len(f.Snapshot.Stale) > 0 {
		f.NotFresh = "not known: " + staleNames(f.Snapshot.Stale)
	}
}

// lose takes a broker that somebody outside says is down for what it is, even
// while Kafka has not noticed.
func (f *Facts) lose(o decision.Observation) bool {
	if o.Effect != decision.EffectBrokerDown {
		return false
	}
	for i := range f.Snapshot.Brokers {
		if b := &f.Snapshot.Brokers[i]; strconv.Itoa(b.ID) == o.Subject && b.State == cluster.BrokerAlive {
			f.Snapshot.Brokers = slices.Clone(f.Snapshot.Brokers)
			f.Snapshot.Brokers[i].State = cluster.BrokerFenced
			return true
		}
	}
	return false
}

// loadSignals are those without which the load of the cluster is not known.
var loadSignals = []cluster.Signal{metrics.TopicBytesIn, metrics.BrokerBytesIn, cluster.SignalSnapshot}

// loadUnknown says why the rates in the snapshot are no reading of the load: a
// signal is stale and what came is nothing. A silent zero is never a load.
func loadUnknown(d capacity.Demand, stale []cluster.StaleSignal) string {
	if d.Produced > 0 {
		return ""
	}
	for _, s := range stale {
		if slices.Contains(loadSignals, s.Signal) {
			return string(s.Signal) + " is not known: " + s.Reason
		}
	}
	return ""
}

// LoadPartlyUnknown tells whether the measured load may be only part of the load.
func (f *Facts) LoadPartlyUnknown() bool {
	return f.Demand.LoadUnknown != "" ||
		slices.ContainsFunc(f.Snapshot.Stale, func(s cluster.StaleSignal) bool { return slices.Contains(loadSignals, s.Signal) })
}

func staleNames(stale []cluster.StaleSignal) string {
	var names []string
	for _, s := range stale {
		if name := string(s.Signal); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Uplift is the highest factor that somebody outside asks for on a subject;
// at least 1, since nobody outside can lower anything.
func (f *Facts) Uplift(subject string) float64 {
	most := 1.0
	for _, o := range f.Seen.Observations {
		if o.Effect == decision.EffectUplift && (o.Subject == "" || o.Subject == subject) {
			most = max(most, o.Value)
		}
	}
	return most
}

// share tells the brokers of the policy's workload from the cluster's others: a
// pool among pools, or a StatefulSet of one zone.
func (f *Facts) share(b policy.Brokers) {
	scale, known := f.Scales[b.Key()]
	alive := 0
	for i := range f.Snapshot.Brokers {
		if f.Snapshot.Brokers[i].State != cluster.BrokerDead {
			alive++
		}
	}
	if !known || scale.Members == nil {
		if known && alive > scale.Replicas && scale.Unknown != "" {
			f.Unmapped = fmt.Sprintf("which of the %d brokers are %s's is not known: %s", alive, b.Key(), scale.Unknown)
		}
		return
	}
	mine, err := identity.Identify(scale.Members, f.Snapshot.Brokers, b.IDOf)
	if err != nil {
		f.Unmapped = err.Error()
		return
	}
	pods := make(map[int]string, len(mine))
	for pod, l := range mine {
		pods[l.Broker] = pod
	}
	for i := range f.Snapshot.Brokers {
		if x := &f.Snapshot.Brokers[i]; x.State != cluster.BrokerDead && pods[x.ID] == "" {
			f.Others++
		}
	}
	for i := range f.Seen.BrokerLoads {
		f.Seen.BrokerLoads[i].Pod = pods[f.Seen.BrokerLoads[i].ID]
	}
	if f.Others == 0 {
		return
	}
	for i := range scale.Members {
		if m := &scale.Members[i]; m.Started && mine[m.Pod].Pod == "" {
			// One of the others may be this very pod.
			f.Others, f.Unmapped = 0, fmt.Sprintf(
				"which broker pod %s is is not known: no broker says that it is reached there; see brokers.idOf",
				m.Pod,
			)
			return
		}
	}
	f.Seen.OtherBrokers = f.Others
}

// askedBrokers is how many brokers are asked for now: by their workload, or
// those that are not dead where there is none.
func askedBrokers(s *cluster.Snapshot, scales map[string]actuators.Scale, target string) int {
	if scale, ok := scales[target]; ok {
		return scale.Replicas
	}
	n := 0
	for i := range s.Brokers {
		if s.Brokers[i].State != cluster.BrokerDead {
			n++
		}
	}
	return n
}
