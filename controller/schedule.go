package controller

import (
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/capacity/schedule"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/policy/parts"
)

const (
	// scheduleAhead is how far a schedule looks, and never further than the history
	// reaches back: a broker that is let go has to stay away for a good part of a
	// day before that pays.
	scheduleAhead = 72 * time.Hour
	// scheduleSteps is how many steps that is: 15 minutes each.
	scheduleSteps = 288
	// scheduleSlack is how much longer pods, fills and drains may take than they should.
	scheduleSlack = 1.25
	// mostGrowth and mostMore bound the sizes that are weighed: what is needed beyond
	// four times the present ones is seen once those are there.
	mostGrowth, mostMore = 4, 64
	// readyEarly is how much earlier brokers serve than they are needed, in horizons
	// of the policy.
	readyEarly = 0.5
	// factorGrain is how finely loads are told apart: 1 %, rounded up.
	factorGrain = 100
)

// grid is the time that a schedule is made on: n steps, of which the last ones, a day
// or a third of it, are not asked of the forecast: the day before comes again.
type grid struct {
	step     time.Duration
	n, again int
}

func gridOf(f policy.Forecast) grid {
	ahead := min(scheduleAhead, max(f.History.D(), f.Step.D()))
	g := grid{step: max(ceilTo(ahead/scheduleSteps, f.Step.D()), f.Step.D())}
	g.n = max(int(ahead/g.step), 1)
	g.again = max(g.n/3, 1)
	if ahead >= 2*day {
		g.again = int(day / g.step) // so that a night stays a night
	}
	return g
}

// forecast is how far the forecast has to reach.
func (g grid) forecast() time.Duration { return time.Duration(g.n-g.again) * g.step }

// scheduler keeps the schedule between rounds: it is made anew when a forecast
// or the size is.
type scheduler struct {
	spec  policy.Spec
	parts parts.Parts
	made  scheduleKey
	last  *decision.Schedule
}

// scheduleKey is what a schedule was made from: another load, an alert's or a
// surge's uplift, and another size make another.
type scheduleKey struct {
	in, out       time.Time
	inNow, outNow int // the expected peaks over the readings, in grains
	now, others   int
	stored        int64 // in hundredths of itself
}

// schedule is when sizes should change over the days to come; nil where that
// cannot be told, since something is not known or no forecast is trusted.
func (s *scheduler) schedule(f *Facts, e *Expectations, r *Requirement, inFlight bool) *decision.Schedule {
	if why := noScaleIn(readings{Facts: f, Expectations: e, Requirement: r}); why != "" || f.Unmapped != "" || f.Asked <= 0 {
		s.last = nil
		return nil
	}
	if inFlight {
		return s.last // what is under way was planned by it
	}
	key := scheduleKey{
		in: e.In.madeAt, out: e.Out.madeAt, inNow: grain(e.In.Factor), outNow: grain(e.Out.Factor),
		now: f.Asked, others: f.Others, stored: hundredths(f.Demand.Stored),
	}
	if s.last != nil && key == s.made {
		return s.last
	}
	s.made, s.last = key, s.plan(f, e)
	return s.last
}

// hundredths tells sizes apart that differ by a hundredth of themselves.
func hundredths(b cluster.Bytes) int64 {
	if b <= 0 {
		return 0
	}
	return int64(math.Log(float64(b)) * factorGrain)
}

// plan is the cheapest course; nil where it cannot be told. A change that takes
// more than half of what the forecast shows cannot be judged by it: the need
// within the horizon decides then, which reaches as far as the lead time.
func (s *scheduler) plan(f *Facts, e *Expectations) *decision.Schedule {
	b := s.spec.Brokers
	prices, unit := s.parts.Weigh(f.Brokers.Zones)
	g := gridOf(s.spec.Forecast)
	pace := schedule.Pace{
		Start: time.Duration(float64(e.Start) * scheduleSlack), Rate: e.MoveRate / scheduleSlack, Rest: s.spec.Gates.Cooldown.D(),
	}
	// Of what all brokers hold, the workload's own have their share.
	stored := max(f.Demand.Stored, e.Stored) * cluster.Bytes(f.Asked) / cluster.Bytes(f.Asked+f.Others)
	if f.Demand.Produced <= 0 || pace.Takes(stored, f.Asked, f.Asked+1) > g.forecast()/2 {
		return nil
	}
	needs := s.needs(f, e, g)
	if len(needs) == 0 {
		return nil
	}
	plan := schedule.Solve(schedule.Problem{
		Step: g.step, Needs: needs, Now: f.Asked, Min: b.Min, Max: b.Max, MaxStep: b.Step, Stored: stored, Prices: prices, Pace: pace,
		Closed: func(step int) bool {
			return s.parts.Act.Closed("", f.Now.Add(time.Duration(step)*g.step)) != ""
		},
	})
	return told(plan, needs, f.Now, g, unit, prices)
}

// needs is the brokers that the load needs in each step, of the policy's own
// workload: by each quantile of the forecast, with the weight that a distribution
// known at three of them gives it.
func (s *scheduler) needs(f *Facts, e *Expectations, g grid) []schedule.Need {
	out := make([]schedule.Need, g.n)
	for _, level := range levels(e.In.p.Quantiles) {
		sizes := s.sizes(f, e, g, level.at)
		if sizes == nil {
			return nil
		}
		// Ready a while before it is needed: forecasts err in time, too.
		early := int(time.Duration(float64(s.spec.Forecast.Horizon.D())*readyEarly) / g.step)
		for t := range out {
			out[t] = append(out[t], schedule.Chance{Brokers: slices.Max(sizes[t:min(t+early+1, g.n)]), Of: level.weight})
		}
	}
	return out
}

// level is a quantile's place among those of a forecast, and its weight.
type level struct {
	at     int
	weight float64
}

// tailWeight is that of a distribution's 0.05 and 0.95 where its median has the
// rest: the extended Pearson-Tukey approximation (Keefer and Bodily, 1983).
const tailWeight = 0.185

// levels weighs a forecast's lowest, middle and highest quantile.
func levels(quantiles []float64) []level {
	last := len(quantiles) - 1
	if last < 2 {
		return []level{{last, 1}}
	}
	return []level{{0, tailWeight}, {last / 2, 1 - 2*tailWeight}, {last, tailWeight}}
}

// sizes is the brokers that one quantile of the load needs in each step.
func (s *scheduler) sizes(f *Facts, e *Expectations, g grid, quantile int) []int {
	in, out := e.In.factors(f.Now, g, e.Horizon, quantile), e.Out.factors(f.Now, g, e.Horizon, quantile)
	if in == nil {
		return nil
	}
	if out == nil {
		out = in // what is written is read
	}
	stored := max(f.Demand.Stored, e.StoredLater)
	known := map[[2]int]int{}
	sizes := make([]int, g.n)
	for t := range sizes {
		key := [2]int{grain(in[t]), grain(out[t])}
		size, ok := known[key]
		if !ok {
			size = s.size(f, key, stored)
			known[key] = size
		}
		sizes[t] = size
	}
	return sizes
}

func (s *scheduler) size(f *Facts, factors [2]int, stored cluster.Bytes) int {
	d := f.Demand.Scale(float64(factors[0])/factorGrain, float64(factors[1])/factorGrain)
	d.Stored = stored
	size := max(s.parts.Model.Size(d, f.Brokers).Brokers-f.Others, s.spec.Brokers.Min)
	if most := s.spec.Brokers.Max; most > 0 {
		size = min(size, most)
	}
	return min(size, max(mostGrowth*f.Asked, f.Asked+mostMore))
}

func grain(factor float64) int { return int(math.Ceil(factor*factorGrain - 1e-9)) }

// factors is a quantile of the load over the reading now, in the steps of a
// schedule; nil when there is no forecast that reaches far enough.
func (l *Load) factors(now time.Time, g grid, soon time.Duration, quantile int) []float64 {
	high, _, ok := l.peak(now, soon)
	points := l.points()
	if !ok || !(l.Factor > 0) || !(l.Peak > 0) || !(high > 0) || len(points) == 0 {
		return nil
	}
	reading := l.Peak / l.Factor
	raised := max(1, l.Peak/high) // by a surge or an alert: for as long as is sized for
	out := make([]float64, g.n)
	last := -1
	for _, pt := range points {
		t := int(pt.Time.Sub(now) / g.step)
		if pt.Time.Before(now) || t >= g.n {
			continue
		}
		v := pt.Values[quantile]
		if !pt.Time.After(now.Add(soon)) {
			v *= raised
		}
		out[t], last = max(out[t], v/reading), max(last, t)
	}
	if last < g.n-g.again-2 {
		return nil // what comes back by then is not seen
	}
	out[0] = max(out[0], l.believed())
	for t := last + 1; t < g.n; t++ {
		out[t] = out[t-g.again]
	}
	return out
}

// told is a plan as a Decision shows it.
func told(p schedule.Plan, needs []schedule.Need, now time.Time, g grid, unit string, prices schedule.Prices) *decision.Schedule {
	at := func(step int) time.Time { return now.Add(time.Duration(step) * g.step) }
	change := func(c schedule.Change) decision.ScheduledChange {
		x := decision.ScheduledChange{From: c.From, To: c.To, At: at(c.At), Ready: at(c.Ready), Moved: c.Moved, Cost: c.Cost}
		if c.To > c.From {
			x.For = at(firstAbove(needs, c.Ready, c.From))
		}
		return x
	}
	s := &decision.Schedule{
		Until: at(len(needs)), Unit: unit, Needed: highest(needs[0]), Changes: []decision.ScheduledChange{},
		Cost: decision.ScheduleCost{Brokers: p.Cost.Brokers, Moves: p.Cost.Moves, Short: p.Cost.Short, BrokerHour: prices.BrokerHour},
	}
	for _, c := range p.Changes {
		s.Changes = append(s.Changes, change(c))
	}
	if w := p.Waived; w != nil {
		s.Waived = &decision.WaivedChange{ScheduledChange: change(w.Change), Saves: w.Saves, Costs: w.Costs}
	}
	return s
}

// highest is the size that the sized-for quantile needs.
func highest(n schedule.Need) int {
	most := 0
	for _, c := range n {
		most = max(most, c.Brokers)
	}
	return most
}

// firstAbove is the first step, from one on, that needs more than so many brokers.
func firstAbove(needs []schedule.Need, from, brokers int) int {
	for t := from; t < len(needs); t++ {
		if highest(needs[t]) > brokers {
			return t
		}
	}
	return min(from, len(needs))
}
