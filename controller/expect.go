package controller

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy/parts"
)

// Expectations is what one round expects, of the cluster and of every group.
type Expectations struct {
	// LeadTime is what one more broker takes until it carries its share, and
	// Horizon is how far sizes look ahead.
	LeadTime, Horizon time.Duration
	In, Out           Load // bytes a second that clients write and read
	// Stored is what the topics hold once their retention is filled, in bytes on
	// all disks, and never less than they hold now; 0 when it is not known.
	Stored cluster.Bytes
	Groups []GroupExpectation
	// Trusted is the forecast of what is written, and Why is why it is not.
	Trusted bool
	Why     string

	Summaries []decision.ForecastSummary
	Notes     []string
}

// Load is what one total of the cluster is expected to be within the horizon.
type Load struct {
	*prediction
	Peak float64 // the highest, in the signal's unit
	// Factor is the peak over the load now; at least 1, since the load now has
	// to be carried too.
	Factor float64
}

// GroupExpectation is what is expected of a group, in records a second.
type GroupExpectation struct {
	GroupFacts
	Arriving   float64 // now; derived where it is not measured
	PerReplica float64 // what one replica can do
	AtLeast    bool    // PerReplica is only known to be at least that
	// Peak is the most that arrives until replicas asked for now are up, and
	// Later the most until a stabilisation after that: what would be wanted back
	// within it is not let go, and what is wanted within it is asked for together.
	Peak, Later float64
}

// longestHorizon bounds how far the loop looks: further ahead a forecast of
// load by the minute says little, and plan is the tool.
const longestHorizon = 7 * 24 * time.Hour

// forecasts is what the stage remembers between rounds.
type forecasts struct {
	predictor
	parts  parts.Parts
	pace   pace
	rates  map[string]*groupRate // by group
	surges map[string]int        // rounds in a row a subject was above its forecast
	tracks map[string]*track
	stored storedCache
}

// pace is what of the policy bounds how far ahead the stage looks.
type pace struct {
	interval, cooldown, horizon, refresh, step time.Duration
}

// expect makes the round's expectations; all reading of histories is done here.
func (fs *forecasts) expect(ctx context.Context, f *Facts, learned operation.Learned) Expectations {
	e := Expectations{LeadTime: fs.leadTime(f, learned)}
	// There is one operation at a time: what is decided now has to do until the
	// one after it is done, which is two lead times and a cooldown away.
	e.Horizon = min(max(fs.pace.horizon, 2*e.LeadTime+fs.pace.cooldown), longestHorizon)
	if e.LeadTime > longestHorizon {
		e.Notes = append(
			e.Notes,
			fmt.Sprintf("the lead time of %s is longer than the %s that are looked ahead: prediction cannot help a scale-out of brokers; "+
				"leaders and hot partitions move first, and a higher throttle shortens it", decision.Rounded(e.LeadTime), decision.Rounded(longestHorizon)),
		)
	}
	written, read := float64(f.Demand.Produced), float64(f.Demand.Consumed)
	e.In = fs.load(ctx, f, "in", fs.clusterSeries(metrics.TopicBytesIn, metrics.BrokerBytesIn), e.Horizon, written)
	e.Out = fs.load(ctx, f, "out", fs.clusterSeries(metrics.TopicBytesOut, metrics.BrokerBytesOut), e.Horizon, read)
	if e.Out.err != nil {
		e.Out.Factor = max(e.Out.Factor, e.In.Factor) // what is written is read
	}
	e.Trusted, e.Why = e.In.trusted()
	e.Summaries = append(e.Summaries, e.In.summary(decision.ClusterSubject, f.Now, e.Horizon, written, fs.curves))
	// Where nobody reads there is nothing to forecast; were reads not measured,
	// the observer would have called them stale.
	if e.Out.err == nil || read > 0 {
		e.Summaries = append(e.Summaries, e.Out.summary(decision.ClusterSubject, f.Now, e.Horizon, read, fs.curves))
	}
	e.Stored = fs.storedAt(f, e.In.mean, e.Horizon)
	for i := range f.Groups {
		fs.expectGroup(ctx, f, &f.Groups[i], &e)
	}
	return e
}

// load is the highest a total gets within the horizon, and its ratio to now. A
// load above its forecast raises the whole forecast: the reactive guard trusts
// what it sees over what was said.
func (fs *forecasts) load(ctx context.Context, f *Facts, key string, read readSeries, horizon time.Duration, now float64) Load {
	p := fs.predict(ctx, f.Now, key, horizon, read)
	l := Load{prediction: p, Peak: now, Factor: 1}
	if high, _, ok := p.peak(f.Now, horizon); ok {
		l.Peak = high * fs.surge(key, p, f.Now, now)
	}
	l.Peak = max(l.Peak, now) * f.Uplift(decision.ClusterSubject)
	if now > 0 {
		l.Factor = l.Peak / now
	}
	fs.watch(f, key, decision.ClusterSubject, p, horizon, now)
	return l
}

// expectGroup adds a group. Replicas asked for now are up after their start and
// two looks, by a forecast that may be one step old.
func (fs *forecasts) expectGroup(ctx context.Context, f *Facts, g *GroupFacts, e *Expectations) {
	x := GroupExpectation{GroupFacts: *g, Arriving: g.arriving}
	if g.Missing {
		e.Groups = append(e.Groups, x)
		return
	}
	name := g.Policy.Group
	rate := fs.rates[name]
	if rate == nil {
		rate = &groupRate{}
		fs.rates[name] = rate
	}
	if !g.measured {
		x.Arriving = rate.arriving(f.Now, g.consumed, g.lag)
	}
	rate.learn(f.Now, g.Ready, g.consumed, g.lag)
	x.PerReplica, x.AtLeast = rate.perReplica(g.Policy.PerReplica)

	within := g.Policy.Startup.D() + 2*fs.pace.interval + fs.pace.step
	on := within + g.Policy.Stabilisation.D()
	key := "group/" + name
	p := fs.predict(ctx, f.Now, key, on, fs.groupSeries(name, g.topics))
	e.Summaries = append(e.Summaries, p.summary(name, f.Now, within, x.Arriving, fs.curves))
	fs.watch(f, key, name, p, within, x.Arriving)
	if high, _, ok := p.peak(f.Now, within); ok {
		surge := fs.surge(key, p, f.Now, x.Arriving)
		x.Peak = high * surge
		x.Later, _, _ = p.peak(f.Now, on)
		x.Later *= surge
	}
	uplift := max(f.Uplift(name), f.Uplift(decision.ClusterSubject))
	x.Peak = max(x.Peak, x.Arriving) * uplift
	x.Later = max(x.Peak, x.Later*uplift)
	e.Groups = append(e.Groups, x)
}

// surgeRounds is how many rounds in a row the load must be above its forecast
// before the forecast is raised by that much; surgeAtOnce is the ratio that is
// believed at once, and surgeMost the most that is believed.
const (
	surgeRounds = 2
	surgeAtOnce = 1.2
	surgeMost   = 10.0
)

// surge is by how much a forecast is raised because the load is above it.
func (fs *forecasts) surge(key string, p *prediction, at time.Time, now float64) float64 {
	upper, ok := p.upperNow(at)
	if !ok || !(upper > 0) || now <= upper {
		delete(fs.surges, key)
		return 1
	}
	fs.surges[key]++
	ratio := min(now/upper, surgeMost)
	if fs.surges[key] < surgeRounds && ratio < surgeAtOnce {
		return 1
	}
	return ratio
}

// leadTime is what one more broker takes until it carries its share.
func (fs *forecasts) leadTime(f *Facts, learned operation.Learned) time.Duration {
	start := fs.parts.Start
	if learned.Start() > 0 {
		start = learned.Start()
	}
	if f.Demand.Stored <= 0 || f.Brokers.Brokers == 0 {
		return start
	}
	rate := fs.parts.Model.MoveRate
	if learned.MoveRate > 0 {
		rate = learned.MoveRate
	}
	return capacity.LeadTime(start, 0, capacity.DataToFill(f.Demand.Stored, f.Brokers.Brokers, f.Brokers.Brokers+1), rate)
}

// storedCache keeps the steady-state size of the topics between refreshes:
// it changes with configs and mean rates, not from minute to minute.
type storedCache struct {
	at         time.Time
	partitions int
	value      cluster.Bytes
}

// storedAt is what the topics will hold; mean is that of what was written in
// the last day, in bytes a second.
func (fs *forecasts) storedAt(f *Facts, mean float64, horizon time.Duration) cluster.Bytes {
	s := &fs.stored
	if s.partitions != f.Demand.Partitions || f.Now.Sub(s.at) >= fs.pace.refresh {
		share := 1.0
		if !math.IsNaN(mean) && f.Demand.Produced > 0 {
			share = mean / float64(f.Demand.Produced)
		}
		*s = storedCache{at: f.Now, partitions: f.Demand.Partitions, value: capacity.StoredAt(f.Snapshot, share, 1, horizon)}
	}
	return max(s.value, f.Demand.Stored)
}

// watch keeps account of how a forecast comes out.
func (fs *forecasts) watch(f *Facts, key, subject string, p *prediction, within time.Duration, actual float64) {
	if t := fs.tracks[key]; t != nil && actual > 0 && f.Demand.LoadUnknown == "" {
		t.Observe(f.Now, actual)
	}
	fs.foretell(key, subject, p, within)
}

// trusted tells whether a forecast is, and otherwise why not.
func (p *prediction) trusted() (bool, string) {
	switch {
	case p.err != nil:
		return false, p.err.Error()
	case !p.p.Trusted:
		return false, p.p.Why
	default:
		return true, ""
	}
}

// Forecaster makes the forecaster that a policy's calendar and reach ask for.
type Forecaster func(forecast.Options) forecast.Forecaster

// NewForecaster makes the production forecaster.
func NewForecaster(o forecast.Options) forecast.Forecaster { return forecast.New(o) }
