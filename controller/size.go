package controller

import (
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// Requirement is what the expectations need.
type Requirement struct {
	capacity.Requirement
	// AsIs is the brokers that all there is needs as it is now, and Load those
	// of them that the load itself needs.
	AsIs, Load int
	// Keep is the brokers that are needed once topics have grown to what they will
	// hold in longestHorizon: none of them is let go.
	Keep   int
	Groups []GroupRequirement // in the policy's order
}

// GroupRequirement is what a group needs, in replicas.
type GroupRequirement struct {
	GroupExpectation
	Required capacity.ConsumerRequirement
	AsIs     int // for what arrives now
	Keep     int // for what arrives later: see GroupExpectation.Later
	// Reactive is true when the load itself, and not its forecast, asks for more.
	Reactive bool
}

// Size turns facts and expectations into the requirement. It is pure.
func Size(m capacity.Model, f *Facts, e *Expectations) Requirement {
	peak := peakDemand(f, e)
	r := Requirement{Requirement: m.Size(peak, f.Brokers)}
	if peak.Stored >= 0 {
		peak.Stored = max(peak.Stored, e.StoredLater)
	}
	r.Keep = m.Size(peak, f.Brokers).Brokers
	r.LeadTimeSeconds = e.LeadTime.Seconds()
	if f.LoadPartlyUnknown() || e.Doubted {
		r.Complete = false
	}
	asIs := m.Size(f.Demand.Scale(e.In.believed(), e.Out.believed()), f.Brokers)
	r.AsIs, r.Load = asIs.Brokers, loadNeeds(asIs.Constraints)
	if have := f.Asked + f.Others; !r.Complete && r.Brokers < have {
		r.Brokers, r.Bottleneck = have, capacity.BottleneckUnknown
	}
	for i := range e.Groups {
		r.Groups = append(r.Groups, sizeGroup(&e.Groups[i]))
	}
	for i := range r.Groups {
		r.Consumers = append(r.Consumers, r.Groups[i].Required)
	}
	slices.SortStableFunc(r.Consumers, func(a, b capacity.ConsumerRequirement) int { return strings.Compare(a.Group, b.Group) })
	return r
}

// peakDemand is the demand at the highest that is expected within the horizon.
func peakDemand(f *Facts, e *Expectations) capacity.Demand {
	d := f.Demand.Scale(e.In.Factor, e.Out.Factor)
	if e.Stored > 0 {
		d.Stored = e.Stored
	}
	if f.Demand.Produced <= 0 && e.In.Peak > 0 {
		d = assumeLoad(d, e.In.Peak, e.Out.Peak)
	}
	return d
}

// assumeLoad puts a predicted load in the place of one that is not measured.
func assumeLoad(d capacity.Demand, in, out float64) capacity.Demand {
	rf := 1.0
	if d.Partitions > 0 {
		rf = float64(d.Replicas) / float64(d.Partitions)
	}
	d.Produced = cluster.BytesPerSecond(in)
	d.Replicated = cluster.BytesPerSecond(in * rf)
	d.Consumed = cluster.BytesPerSecond(out)
	d.LoadUnknown, d.CPU = "", -1
	return d.Scale(1, 1) // what that costs, by the costs that are known
}

// loadNeeds is the brokers that a load needs by every constraint but the
// replication factor, which no load raises.
func loadNeeds(constraints []capacity.Constraint) int {
	n := 0
	for _, c := range constraints {
		if !c.Advisory && c.Unknown == "" && c.Name != "replication" {
			n = max(n, c.Brokers)
		}
	}
	return n
}

func sizeGroup(x *GroupExpectation) GroupRequirement {
	c := x.Policy
	g := GroupRequirement{GroupExpectation: *x}
	if x.Missing {
		g.Required = capacity.ConsumerRequirement{
			Group: c.Group, Replicas: max(x.Replicas, c.Min),
			Unknown: "the group is not in the cluster", Why: "kept: the group is not in the cluster",
		}
		return g
	}
	sized := func(arriving float64) capacity.ConsumerRequirement {
		return capacity.SizeConsumers(capacity.ConsumerDemand{
			Group: c.Group, Arriving: cluster.MessagesPerSecond(arriving),
			PerReplica: cluster.MessagesPerSecond(x.PerReplica), AtLeast: x.AtLeast,
			Backlog: x.lag, DrainIn: time.Duration(c.Lag.MaxSeconds * float64(time.Second)), Partitions: x.parts,
			HotShare: x.hot.share(x.arriving, x.parts), Current: x.Replicas, Utilisation: c.Utilisation, Min: c.Min, Max: c.Max,
		})
	}
	asIs := sized(x.Arriving)
	g.Required, g.Keep = sized(x.Peak), sized(x.Later).Replicas
	g.AsIs, g.Reactive = asIs.Replicas, asIs.Unknown == "" && asIs.Replicas > x.Replicas
	return g
}

// neededAt is when the forecast load first needs more than so many brokers of
// the policy's workload; false when it does not within the horizon.
func neededAt(m capacity.Model, f *Facts, e *Expectations, r *Requirement, brokers int) (time.Time, bool) {
	brokers += f.Others
	if r.AsIs > brokers {
		return f.Now, true
	}
	high, _, ok := e.In.peak(f.Now, e.Horizon)
	if !ok || !(high > 0) || !(e.In.Factor > 0) || !(f.Demand.Produced > 0) {
		return time.Time{}, false
	}
	// What raised the peak, a surge or an alert, raises every point; what is
	// read follows what is written as it does at the peak.
	scale, reads := e.In.Peak/high/float64(f.Demand.Produced), e.Out.Factor/e.In.Factor
	k := len(e.In.p.Quantiles) - 1
	for _, pt := range e.In.points() {
		if pt.Time.After(f.Now.Add(e.Horizon)) {
			break
		}
		factor := pt.Values[k] * scale
		if pt.Time.After(f.Now) && m.Size(f.Demand.Scale(factor, factor*reads), f.Brokers).Brokers > brokers {
			return pt.Time, true
		}
	}
	return time.Time{}, false
}

// growing are the constraints whose demand grows in step with the load; what
// is stored follows later, and partitions do not follow at all.
var growing = []string{string(cluster.CPU), string(cluster.DiskBandwidth), string(cluster.NetworkIn), string(cluster.NetworkOut)}

// carries is how many times the demand of a requirement the brokers that are
// alive carry, until the first constraint reaches the utilisation the policy
// allows. What is kept free for a loss is not taken off. Zero is unknown.
func carries(constraints []capacity.Constraint, alive int) float64 {
	least := 0.0
	for _, c := range constraints {
		if c.Unknown != "" || c.Advisory || !(c.Demand > 0) || !slices.Contains(growing, c.Name) {
			continue
		}
		if times := c.PerBroker * float64(alive) / c.Demand; least == 0 || times < least {
			least = times
		}
	}
	return least
}

// carried says beside the cluster's forecasts what the present brokers carry of
// them, and when they exceed what the policy's largest size would. It is for
// people: nothing is decided by it.
func carried(f *Facts, e *Expectations, r *Requirement, most int) []decision.ForecastSummary {
	if most > 0 {
		most += f.Others
	}
	out := slices.Clone(e.Summaries)
	alive := f.Seen.AliveBrokers
	times := carries(r.Constraints, alive)
	if times <= 0 || alive <= 0 {
		return out
	}
	for i := range out {
		s := &out[i]
		l := &e.In
		switch {
		case s.Subject != decision.ClusterSubject:
			continue
		case s.Signal == string(e.In.signal):
		case s.Signal == string(e.Out.signal):
			l = &e.Out
		default:
			continue
		}
		s.Capacity = l.Peak * times
		if most > 0 && l.err == nil {
			s.ExhaustedAt = exceeds(l.prediction, f.Now, s.Capacity/float64(alive)*float64(most))
		}
	}
	return out
}

// exceeds is when the sized-for quantile first exceeds a load; zero when it
// does not as far as the forecast reaches.
func exceeds(p *prediction, now time.Time, load float64) time.Time {
	for _, pt := range p.points() {
		if n := len(pt.Values); pt.Time.After(now) && n > 0 && pt.Values[n-1] > load {
			return pt.Time
		}
	}
	return time.Time{}
}
