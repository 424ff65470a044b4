package controller

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
)

// predicted is the forecast of the whole cluster at the lead time.
type predicted struct {
	in, out *predictor
	// inFactor and outFactor are the highest predicted load over the load now;
	// at least 1, since the load now has to be carried too.
	inFactor, outFactor float64
	peakIn, peakOut     float64
	trusted             bool
	why                 string // why it is not trusted
}

// longestHorizon bounds how far the loop looks: further ahead a forecast of
// load by the minute says little, and plan is the tool.
const longestHorizon = 7 * 24 * time.Hour

// forecast predicts the cluster's load and every group's.
func (t *tick) forecast(ctx context.Context) {
	lead := t.leadTime()
	t.d.Requirement.LeadTime = lead
	// There is one operation at a time: what is decided now has to do until the
	// one after it is done, which is two lead times and a cooldown away.
	t.d.Horizon = min(max(t.c.spec.Forecast.Horizon.D(), 2*lead+t.c.spec.Gates.Cooldown.D()), longestHorizon)
	if lead > longestHorizon {
		t.note("the lead time of %s is longer than the %s that are looked ahead: prediction cannot help a scale-out of brokers; leaders and hot partitions move first, and a higher throttle shortens it", decision.Rounded(lead), decision.Rounded(longestHorizon))
	}
	p := &t.predicted
	p.in = t.c.predict(ctx, t.now, "in", t.d.Horizon, t.c.clusterSeries(metrics.TopicBytesIn, metrics.BrokerBytesIn))
	p.out = t.c.predict(ctx, t.now, "out", t.d.Horizon, t.c.clusterSeries(metrics.TopicBytesOut, metrics.BrokerBytesOut))
	p.peakIn, p.inFactor = t.expect("in", p.in, float64(t.demand.Produced))
	p.peakOut, p.outFactor = t.expect("out", p.out, float64(t.demand.Consumed))
	if p.out.err != nil {
		p.outFactor = max(p.outFactor, p.inFactor) // what is written is read
	}
	switch {
	case p.in.err != nil:
		p.why = p.in.err.Error()
	case !p.in.p.Trusted:
		p.why = p.in.p.Why
	default:
		p.trusted = true
	}
	t.watch("in", decision.ClusterSubject, p.in, t.d.Horizon, float64(t.demand.Produced))
	t.watch("out", decision.ClusterSubject, p.out, t.d.Horizon, float64(t.demand.Consumed))
	curves := !t.c.cfg.NoCurves
	t.d.Forecasts = append(t.d.Forecasts, p.in.summary(decision.ClusterSubject, t.now, t.d.Horizon, float64(t.demand.Produced), curves))
	// Where nobody reads there is nothing to forecast; were reads not measured,
	// the observer would have called them stale.
	if p.out.err == nil || t.demand.Consumed > 0 {
		t.d.Forecasts = append(t.d.Forecasts, p.out.summary(decision.ClusterSubject, t.now, t.d.Horizon, float64(t.demand.Consumed), curves))
	}
}

// watch keeps account of how a forecast comes out.
func (t *tick) watch(key, subject string, p *predictor, within time.Duration, actual float64) {
	if tr := t.c.tracks[key]; tr != nil && actual > 0 && t.demand.LoadUnknown == "" {
		tr.Observe(t.now, actual)
	}
	t.c.foretell(key, subject, p, within)
}

// surgeTicks is how many ticks in a row the load must be above its forecast
// before the forecast is raised by that much; surgeAtOnce is the ratio that is
// believed at once.
const (
	surgeTicks  = 2
	surgeAtOnce = 1.2
	surgeMost   = 10.0
)

// expect is the highest load within the horizon, and its ratio to now. A load
// above its forecast raises the whole forecast: the reactive guard trusts what
// it sees over what was said.
func (t *tick) expect(key string, p *predictor, now float64) (peak, factor float64) {
	peak, _, ok := p.peak(t.now, t.d.Horizon)
	if !ok {
		peak = now
	}
	if ok {
		peak *= t.surge(key, p, now)
	}
	peak = max(peak, now) * t.uplift(decision.ClusterSubject)
	if now > 0 {
		return peak, peak / now
	}
	return peak, 1
}

func (t *tick) surge(key string, p *predictor, now float64) float64 {
	upper, ok := p.upperNow(t.now)
	if !ok || !(upper > 0) || now <= upper {
		delete(t.c.surges, key)
		return 1
	}
	t.c.surges[key]++
	ratio := min(now/upper, surgeMost)
	if t.c.surges[key] < surgeTicks && ratio < surgeAtOnce {
		return 1
	}
	return ratio
}

// leadTime is what one more broker takes until it carries its share.
func (t *tick) leadTime() time.Duration {
	b, learned := t.c.spec.Brokers, t.c.state.Learned
	start := b.Startup.Pod.D() + b.Startup.Join.D()
	if learned.Start > 0 {
		start = learned.Start
	}
	if t.demand.Stored <= 0 || t.facts.Brokers == 0 {
		return start
	}
	return capacity.LeadTime(start, 0, capacity.DataToFill(t.demand.Stored, t.facts.Brokers, t.facts.Brokers+1), t.c.fillRate())
}

// fillRate is how fast a broker that joins fills: what was seen, and what the
// policy allows until then.
func (c *Controller) fillRate() cluster.BytesPerSecond {
	if r := c.state.Learned.MoveRate; r > 0 {
		return r
	}
	return moveRate(c.spec.Rebalance)
}

// size turns the demand into the requirement, at the peak and as it is now.
func (t *tick) size() {
	now := t.demand
	peak := now.Scale(t.predicted.inFactor, t.predicted.outFactor)
	if stored := t.c.stored(t); stored > 0 {
		peak.Stored = stored
	}
	if now.Produced <= 0 && t.predicted.peakIn > 0 {
		peak = assumeLoad(peak, t.predicted.peakIn, t.predicted.peakOut)
	}
	lead := t.d.Requirement.LeadTime
	r := t.c.model.Size(peak, t.facts)
	r.LeadTime = lead
	if t.partlyUnknown() {
		r.Complete = false
	}
	asIs := t.c.model.Size(now, t.facts)
	t.needNow, t.loadNeeds = asIs.Brokers, loadNeeds(asIs.Constraints)
	if current := t.currentBrokers(); !r.Complete && r.Brokers < current {
		r.Brokers, r.Bottleneck = current, capacity.BottleneckUnknown
	}
	r.Consumers = t.consumers()
	t.d.Requirement = r
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

// assumeLoad puts a predicted load in the place of one that is not measured.
func assumeLoad(d capacity.Demand, in, out float64) capacity.Demand {
	rf := 1.0
	if d.Partitions > 0 {
		rf = float64(d.Replicas) / float64(d.Partitions)
	}
	d.Produced = cluster.BytesPerSecond(in)
	d.Replicated = cluster.BytesPerSecond(in * rf)
	d.Consumed = cluster.BytesPerSecond(out)
	d.LoadUnknown = ""
	return d
}

// partlyUnknown tells whether the measured load may be only part of the load.
func (t *tick) partlyUnknown() bool {
	for _, s := range t.snap.Stale {
		for _, name := range loadSignals {
			if s.Signal == name {
				return true
			}
		}
	}
	return t.demand.LoadUnknown != ""
}

// storedCache keeps the steady-state size of the topics between refreshes:
// it changes with configs and mean rates, not from minute to minute.
type storedCache struct {
	at         time.Time
	partitions int
	value      cluster.Bytes
}

// stored is what the topics will hold once their retention is filled, and
// never less than they hold now; 0 when it is not known.
func (c *Controller) stored(t *tick) cluster.Bytes {
	s := &c.storedSeen
	if s.partitions != t.demand.Partitions || t.now.Sub(s.at) >= c.spec.Forecast.Refresh.D() {
		share := 1.0
		if mean := t.predicted.in.mean; !math.IsNaN(mean) && t.demand.Produced > 0 {
			share = mean / float64(t.demand.Produced)
		}
		*s = storedCache{at: t.now, partitions: t.demand.Partitions, value: capacity.StoredAt(t.snap, share, 1, t.d.Horizon)}
	}
	return max(s.value, t.demand.Stored)
}

// currentBrokers is how many brokers are asked for now.
func (t *tick) currentBrokers() int {
	if s, ok := t.scales[t.c.spec.Brokers.Key()]; ok {
		return s.Replicas
	}
	n := 0
	for i := range t.snap.Brokers {
		if t.snap.Brokers[i].State != cluster.BrokerDead {
			n++
		}
	}
	return n
}

// note adds what a reader should know.
func (t *tick) note(format string, args ...any) {
	t.d.Notes = append(t.d.Notes, fmt.Sprintf(format, args...))
}
