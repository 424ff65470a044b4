package controller

import (
	"cmp"
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
	// Start is what a broker takes until it is registered, and MoveRate how fast
	// one is filled or emptied.
	Start    time.Duration
	MoveRate cluster.BytesPerSecond
	In, Out  Load // bytes a second that clients write and read
	// Stored is what the topics hold once their retention is filled, in bytes on
	// all disks, and never less than they hold now; 0 when it is not known.
	Stored cluster.Bytes
	// StoredLater is the same as far ahead as is looked at all: what will be wanted
	// back by then is not let go.
	StoredLater cluster.Bytes
	Groups      []GroupExpectation
	// Trusted is the forecast of what is written, and Why is why it is not.
	Trusted bool
	Why     string

	// Doubted is set when a reading of this round is not believed: then nothing
	// gets smaller.
	Doubted bool

	Summaries []decision.ForecastSummary
	Notes     []string
}

func (e *Expectations) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// Load is what one total of the cluster is expected to be within the horizon.
type Load struct {
	*prediction
	Peak float64 // the highest, in the signal's unit
	// Factor is the peak over the reading now; at least Believed, since the load
	// now has to be carried too.
	Factor float64
	// Believed is the part of the reading now that is believed; 0 stands for all.
	Believed float64
}

// believed is the part of the reading now that is sized by.
func (l *Load) believed() float64 {
	if l.Believed == 0 {
		return 1
	}
	return l.Believed
}

// GroupExpectation is what is expected of a group, in records a second.
type GroupExpectation struct {
	GroupFacts
	Arriving   float64 // now; derived where it is not measured
	Doubted    bool    // that is not what was read: the reading is not believed
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
	surges map[string]int        // rounds in a row a subject was above what was expected
	seen   map[string]float64    // by subject: the last load that was believed
	doubts map[string]*doubt     // by subject: what is taken for a fault
	tracks map[string]*track
	stored storedCache
}

// pace is what of the policy bounds how far ahead the stage looks.
type pace struct {
	interval, cooldown, horizon, refresh, step time.Duration
}

// expect makes the round's expectations; all reading of histories is done here.
func (fs *forecasts) expect(ctx context.Context, f *Facts, learned operation.Learned) Expectations {
	e := Expectations{Start: fs.parts.Start, MoveRate: fs.parts.Model.MoveRate}
	if learned.Start() > 0 {
		e.Start = learned.Start()
	}
	if learned.MoveRate > 0 {
		e.MoveRate = learned.MoveRate
	}
	e.LeadTime = e.leadTime(f)
	// There is one operation at a time: what is decided now has to do until the
	// one after it is done, which is two lead times and a cooldown away.
	e.Horizon = min(max(fs.pace.horizon, 2*e.LeadTime+fs.pace.cooldown), longestHorizon)
	if e.LeadTime > longestHorizon {
		e.note("the lead time of %s is longer than the %s that are looked ahead: prediction cannot help a scale-out of brokers; "+
			"leaders and hot partitions move first, and a higher throttle shortens it",
			decision.Rounded(e.LeadTime), decision.Rounded(longestHorizon))
	}
	written, read := float64(f.Demand.Produced), float64(f.Demand.Consumed)
	profile, alive := f.Brokers.Profile, f.Brokers.Brokers
	e.In = fs.load(ctx, f, &e, "in", fs.clusterSeries(metrics.TopicBytesIn, metrics.BrokerBytesIn), written,
		linksOf(profile.NetworkInBytesPerSecond, alive))
	e.Out = fs.load(ctx, f, &e, "out", fs.clusterSeries(metrics.TopicBytesOut, metrics.BrokerBytesOut), read,
		linksOf(profile.NetworkOutBytesPerSecond, alive))
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
	e.Stored, e.StoredLater = fs.storedAt(f, e.In.mean, written*e.In.believed(), e.Horizon)
	for i := range f.Groups {
		fs.expectGroup(ctx, f, &f.Groups[i], &e, learned.PerReplica)
	}
	return e
}

// load is the highest a total gets within the horizon, and its ratio to now. A
// load above its forecast raises the whole forecast by as much: the reactive
// guard trusts what it sees over what was said.
func (fs *forecasts) load(
	ctx context.Context, f *Facts, e *Expectations, key string, read readSeries, now, links float64,
) Load {
	witness := now * fs.offsets(f)
	p, doubt := fs.foresee(ctx, f, key, max(e.Horizon, gridOf(fs.spec).forecast()), read, now, witness)
	b := fs.believe(key, p, f.Now, now, witness, links)
	if doubt != "" {
		e.Doubted = true
		e.note("%s: %s", p.signal, doubt)
	}
	if b.why != "" {
		e.Doubted = true
		e.note("%s", b.doubt("a reading of "+string(p.signal), now, "B/s"))
	}
	l := Load{prediction: p, Peak: b.now, Factor: 1}
	if high, _, ok := p.peak(f.Now, e.Horizon); ok {
		l.Peak = high + b.excess
	}
	l.Peak = max(l.Peak, b.now) * f.Uplift(decision.ClusterSubject)
	if now > 0 {
		l.Factor, l.Believed = l.Peak/now, b.now/now
	}
	if why := p.reactive(); why != "" {
		e.note("%s is sized by the load seen and the margin that its own recent errors ask for, %.4g B/s: %s", p.signal, l.Peak, why)
	}
	fs.watch(f, key, decision.ClusterSubject, p, e.Horizon, b.now)
	return l
}

// offsets is what Kafka's own offsets say arrives for the groups, as a part of what
// is measured: that of the group of which it is most. Zero is unknown.
func (fs *forecasts) offsets(f *Facts) float64 {
	most := 0.0
	for i := range f.Groups {
		g := &f.Groups[i]
		rate := fs.rates[g.Policy.Group]
		if g.Missing || !g.measured || g.arriving <= 0 || rate == nil || rate.lastAt.IsZero() {
			continue
		}
		most = max(most, rate.arriving(f.Now, g.consumed, g.lag)/g.arriving)
	}
	return most
}

// foresee is the forecast of a load, of what was measured before it became odd: a
// drop to next to nothing where the forecast has no such lull, or a rise that
// offsets refute, is a fault somewhere and no load. The words say so.
func (fs *forecasts) foresee(
	ctx context.Context, f *Facts, key string, ahead time.Duration, read readSeries, now, witness float64,
) (p *prediction, doubt string) {
	var before time.Time
	if d := fs.doubts[key]; d != nil && !d.over {
		before = d.since
	}
	p = fs.predict(ctx, f.Now, key, ahead, before, read)
	silent := p.silent(f.Now, now) && !f.LoadPartlyUnknown()
	odd := silent || refuted(now, witness) || f.LoadPartlyUnknown() && !before.IsZero() // what is not known ends no doubt
	since := fs.doubted(key, f.Now, odd)
	if !since.Equal(before) {
		p = fs.predict(ctx, f.Now, key, ahead, since, read)
	}
	switch {
	case since.IsZero():
		return p, ""
	case silent:
		return p, fmt.Sprintf("next to nothing since %s, where the forecast has no lull: taken for a fault, and the forecast from before stands",
			since.UTC().Format("15:04"))
	}
	return p, fmt.Sprintf("more since %s than Kafka's own offsets say: the forecast from before stands", since.UTC().Format("15:04"))
}

// expectGroup adds a group. Replicas asked for now are up after their start and
// two looks, by a forecast that may be one step old.
func (fs *forecasts) expectGroup(
	ctx context.Context, f *Facts, g *GroupFacts, e *Expectations, learned map[string]cluster.MessagesPerSecond,
) {
	x := GroupExpectation{GroupFacts: *g, Arriving: g.arriving}
	if g.Missing {
		e.Groups = append(e.Groups, x)
		return
	}
	name := g.Policy.Group
	e.Notes = append(e.Notes, g.stuck.words(name)...)
	rate := fs.rates[name]
	if rate == nil {
		rate = &groupRate{saturated: float64(learned[name])}
		fs.rates[name] = rate
	}
	// What Kafka's own offsets say beside what exporters measure.
	byOffsets := rate.arriving(f.Now, g.consumed, g.lag)
	if !g.measured {
		x.Arriving = byOffsets
	}
	rate.learn(f.Now, g.Ready, g.consumed, g.lag, g.behind)
	x.PerReplica, x.AtLeast = rate.perReplica(g.Policy.PerReplica)

	within := g.Policy.Startup.D() + 2*fs.pace.interval + fs.pace.step
	on := within + g.Policy.Stabilisation.D()
	key := "group/" + name
	p, doubt := fs.foresee(ctx, f, key, on, fs.groupSeries(name, g.topics), x.Arriving, byOffsets)
	if doubt != "" {
		e.note("group %s: %s", name, doubt)
	}
	b := fs.believe(key, p, f.Now, x.Arriving, byOffsets, 0)
	if b.why != "" {
		e.note("%s", b.doubt("a reading of what arrives for group "+name, x.Arriving, "records/s"))
		x.Arriving, x.Doubted = b.now, true
	}
	e.Summaries = append(e.Summaries, p.summary(name, f.Now, within, x.Arriving, fs.curves))
	fs.watch(f, key, name, p, within, x.Arriving)
	if high, _, ok := p.peak(f.Now, within); ok {
		x.Peak = high + b.excess
		x.Later, _, _ = p.peak(f.Now, on)
		x.Later += b.excess
	}
	if why := p.reactive(); why != "" {
		e.note(
			"group %s is sized by the load seen and the margin that its own recent errors ask for, %.4g records/s: %s",
			name,
			max(x.Peak, x.Arriving),
			why,
		)
	}
	uplift := max(f.Uplift(name), f.Uplift(decision.ClusterSubject))
	x.Peak = max(x.Peak, x.Arriving) * uplift
	x.Later = max(x.Peak, x.Later*uplift)
	e.Groups = append(e.Groups, x)
}

// perReplica is what has been learned of every group's replicas.
func (fs *forecasts) perReplica() map[string]cluster.MessagesPerSecond {
	out := map[string]cluster.MessagesPerSecond{}
	for name, r := range fs.rates {
		if r.saturated > 0 {
			out[name] = cluster.MessagesPerSecond(max(r.saturated, r.seen))
		}
	}
	return out
}

// leadTime is what one more broker takes until it carries its share.
func (e *Expectations) leadTime(f *Facts) time.Duration {
	if f.Demand.Stored <= 0 || f.Brokers.Brokers == 0 {
		return e.Start
	}
	return capacity.LeadTime(e.Start, 0, capacity.DataToFill(f.Demand.Stored, f.Brokers.Brokers, f.Brokers.Brokers+1), e.MoveRate)
}

// storedCache keeps the steady-state size of the topics between refreshes:
// it changes with configs and mean rates, not from minute to minute.
type storedCache struct {
	at           time.Time
	partitions   int
	value, later cluster.Bytes
}

// storedAt is what the topics will hold, at the horizon and as far ahead as is
// looked at all; mean is that of what was written in
// the last day, and now what is written, in bytes a second.
func (fs *forecasts) storedAt(f *Facts, mean, now float64, horizon time.Duration) (soon, later cluster.Bytes) {
	s := &fs.stored
	if s.partitions != f.Demand.Partitions || f.Now.Sub(s.at) >= fs.pace.refresh {
		share := 1.0
		if !math.IsNaN(mean) && now > 0 {
			share = mean / now
		}
		*s = storedCache{at: f.Now, partitions: f.Demand.Partitions, value: capacity.StoredAt(f.Snapshot, share, 1, horizon),
			later: capacity.StoredAhead(f.Snapshot, share, 1, longestHorizon)}
	}
	soon = max(s.value, f.Demand.Stored)
	return soon, max(soon, s.later)
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

// reactive says why the load seen and its margin stand in for the forecast; ""
// when they do not.
func (p *prediction) reactive() string {
	if p.err != nil || p.p.Trusted {
		return ""
	}
	return cmp.Or(p.p.Why, "the forecast is not trusted")
}

// Forecaster makes the forecaster that a policy's calendar and reach ask for.
type Forecaster func(forecast.Options) forecast.Forecaster

// NewForecaster makes the production forecaster.
func NewForecaster(o forecast.Options) forecast.Forecaster { return forecast.New(o) }
