package simulations

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

// loop is tidetable itself: the production controller, built on the first tick
// around the world it is given.
type loop struct {
	name    string
	doc     policy.Policy
	options Options
	quick   bool // coarse, see pace
	greedy  bool // planned by greedyPlanner
	every   time.Duration
	next    time.Time
	control *controller.Controller
	kept    []decision.Decision
}

// longRun is how long a run may be and still be planned by the production
// planner.
const longRun = 60 * 24 * time.Hour

// mostDecisions bounds the decisions that are kept for a report.
const mostDecisions = 5000

func newTidetable(p *scenario.Experiment, name string, doc *policy.Policy, o Options) (policies.Policy, error) {
	quick := o.quick || p.Duration.D() > longRun
	d := DefaultPolicy(p, quick)
	if doc != nil {
		d = *doc
		d.Spec.Mode = policy.Act // the question is what it would do
	}
	d.SetDefaults()
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("building policy %s: %w", name, err)
	}
	return &loop{name: name, doc: d, options: o, every: d.Spec.Interval.D(), quick: quick, greedy: o.greedy(p)}, nil
}

// greedy tells whether moves are planned by the greedy planner in a run of the
// scenario, tidetable's and everybody's.
func (o Options) greedy(p *scenario.Experiment) bool {
	quick := o.quick || p.Duration.D() > longRun
	return quick && !(o.quick && p.MonteCarlo.Planner == scenario.PlannerProduction)
}

// planner is what the policies that tidetable is compared with plan moves by: the
// same as tidetable. Nil is the greedy one.
func (o Options) planner(p *scenario.Experiment) policies.Planner {
	if o.greedy(p) {
		return nil
	}
	return &production{}
}

// production is the production planner for the comparison's operator.
type production struct{ patient *patientPlanner }

// Plan makes a plan's moves, as the loop does for what it scales and evens out.
func (p *production) Plan(ctx context.Context, w *world.World, filled, keep int) ([]cluster.Move, error) {
	if p.patient == nil {
		p.patient = &patientPlanner{w: w}
	}
	s, err := w.Observer().Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("planning moves: %w", err)
	}
	var o rebalance.Options
	o.Throttle = w.Config().Throttle
	have, _ := w.Brokers()
	for id := filled; id < min(keep, have); id++ {
		o.Add, o.MinGain = append(o.Add, rebalance.NewBroker{ID: id}), -1
	}
	for id := keep; id < have; id++ {
		o.Remove = append(o.Remove, id)
	}
	plan, err := p.patient.Plan(ctx, s, o)
	return plan.Moves, err
}

// DefaultPolicy is what tidetable runs in a scenario that brings no policy: the
// defaults, with the scenario's own start times, throttle, groups and bounds.
func DefaultPolicy(p *scenario.Experiment, quick bool) policy.Policy {
	d := policy.Policy{Metadata: policy.Metadata{Name: "simulated"}}
	s := &d.Spec
	s.Mode = policy.Act
	s.Interval, s.Forecast.Step, s.Forecast.Refresh = pace(p.Duration.D(), p.Tick.D(), quick)
	s.Forecast.History = max(p.History, policy.Duration(24*time.Hour))
	s.Brokers.Target = policy.Target{Kind: "StatefulSet", Name: "kafka"}
	s.Brokers.Max = 1000
	// Like with like: the same target as the reactive policy's, and no capacity
	// kept for a loss, which none of the others keeps either.
	u := cluster.Ratio(policyOptions(p).WithDefaults().TargetUtilisation)
	s.Brokers.Utilisation = policy.Utilisation{CPU: u, NetworkIn: u, NetworkOut: u, Disk: 0.8, DiskBandwidth: u}
	s.Brokers.Survive = policy.Survive{Nothing: true}
	s.Brokers.CatchUp = policy.Duration(24 * time.Hour)
	s.Brokers.Startup = policy.Startup{Pod: p.Cluster.Startup.Pod, Join: p.Cluster.Startup.Join}
	s.Rebalance.Throttle = fmt.Sprintf("%.0f", float64(p.Cluster.Throttle))
	prices := p.MovePrices() // what things cost in the scenario is known to who decides in it
	s.Cost = policy.Cost{BrokerHour: prices.BrokerHour, ReplicaHour: prices.ReplicaHour, GigabyteMonth: prices.GigabyteMonth,
		CrossZoneGigabyte: prices.CrossZoneGigabyte, Currency: p.Currency()}
	for _, g := range p.Groups {
		s.Consumers = append(s.Consumers, consumerOf(g, p))
	}
	for _, x := range p.Changes {
		if x.Group != nil {
			s.Consumers = append(s.Consumers, consumerOf(*x.Group, p))
		}
	}
	return d
}

// pace is how often the loop looks, on what grid it forecasts and how often
// anew: every minute in what-ifs of up to a week, and coarser in longer ones and
// in Monte Carlo. A scenario's own policy says it exactly.
func pace(span, tick time.Duration, quick bool) (interval, step, refresh policy.Duration) {
	const week = 7 * 24 * time.Hour
	minutes := func(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Minute) }
	switch {
	case span > longRun:
		return minutes(60), minutes(60), minutes(60)
	case quick:
		return max(minutes(30), policy.Duration(tick)), minutes(60), minutes(60)
	case span > week:
		return max(minutes(5), policy.Duration(tick)), minutes(15), minutes(15)
	}
	return max(minutes(1), policy.Duration(tick)), minutes(5), minutes(5)
}

func consumerOf(g scenario.Group, p *scenario.Experiment) policy.Consumer {
	return policy.Consumer{
		Group: g.Name, Target: policy.Target{Kind: "Deployment", Name: g.Name},
		Via: "scale", Min: g.Min, Max: g.Max, PerReplica: g.PerReplica,
		Lag: policy.Lag{MaxSeconds: g.MaxLag.D().Seconds()}, Startup: p.Cluster.Startup.Consumer,
	}
}

// Name is the policy's word in reports.
func (l *loop) Name() string { return l.name }

// Decisions are those that changed something, oldest first.
func (l *loop) Decisions() []decision.Decision { return l.kept }

// Tick goes round the loop when its interval has passed.
func (l *loop) Tick(ctx context.Context, w *world.World) error {
	if l.control == nil {
		if err := l.build(w); err != nil {
			return err
		}
	}
	if w.Now().Before(l.next) {
		return nil
	}
	l.next = w.Now().Add(l.every)
	d, err := l.control.Tick(ctx)
	if len(d.Actions) > 0 && len(l.kept) < mostDecisions {
		l.kept = append(l.kept, d)
	}
	if err != nil {
		return fmt.Errorf("deciding %s: %w", d.ID, err)
	}
	return nil
}

func (l *loop) build(w *world.World) error {
	cfg, err := l.config(w)
	if err != nil {
		return err
	}
	c, err := controller.New(cfg)
	if err != nil {
		return err
	}
	l.control = c
	return nil
}

// config is the production loop around a simulated world. What a policy becomes
// is made inside the loop, so that none of it can be left out here.
func (l *loop) config(w *world.World) (controller.Config, error) {
	spec := l.doc.Spec
	scalers := map[string]actuators.Scaler{spec.Brokers.Key(): world.BrokerScaler{World: w}}
	for i := range w.Groups() {
		name := w.Group(i).Spec.Name
		for _, c := range spec.Consumers {
			if c.Group == name {
				scalers[c.Key()] = world.GroupScaler{World: w, Group: i}
			}
		}
	}
	// Zero for auto, which leaves it to the world; it was validated with the policy.
	rate, _, _ := spec.Rebalance.ThrottleRate()
	cfg := controller.Config{
		Policy: l.doc, Observer: w.Observer(), History: w.History(), Planner: &patientPlanner{w: w}, Scalers: scalers,
		Mover: world.Mover{World: w, Throttle: rate}, Admin: world.Admin{World: w}, Gates: l.options.gates(), Clock: w,
		NoCurves: l.options.Journal == nil,
	}
	if l.greedy {
		cfg.Planner = greedyPlanner{w}
	}
	if l.options.Forecaster != nil {
		cfg.Forecaster = func(o forecast.Options) forecast.Forecaster {
			f := l.options.Forecaster(o)
			if l.quick {
				f = &proportional{inner: f}
			}
			return f
		}
	}
	if l.options.Journal != nil {
		j, err := l.options.Journal(l.name, w)
		if err != nil {
			return cfg, err
		}
		cfg.Journal = j
	}
	return cfg, nil
}

func (o Options) gates() []gates.Gate {
	if o.Gates == nil {
		return nil
	}
	return o.Gates()
}

// patientPlanner is the production planner. When it found nothing worth moving
// for the sake of balance, it does not search the same placement again before
// a day has passed: the load's shape hardly changes what is worth moving, and a
// simulated week is over in a second.
type patientPlanner struct {
	rebalance.Planner
	w      *world.World
	placed int
	until  time.Time
}

// Plan makes a plan.
func (p *patientPlanner) Plan(ctx context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error) {
	forced := len(o.Add) > 0 || len(o.Remove) > 0
	if !forced && p.placed == p.w.Placements() && p.w.Now().Before(p.until) {
		return rebalance.Plan{ClusterID: s.ClusterID}, nil
	}
	plan, err := p.Planner.Plan(ctx, s, o)
	if err == nil && !forced {
		p.placed, p.until = p.w.Placements(), p.w.Now().Add(24*time.Hour)
	}
	return plan, err
}

// greedyPlanner plans like the operator of the policies that tidetable is
// compared with. Very long runs, and a Monte Carlo that does not ask for the
// production planner, take it in that one's place: they change size thousands
// of times, and a placement that is a little less even hardly changes what they
// say; docs/simulation-model.md has by how much. It plans for brokers that come and
// go; for the sake of balance alone it plans nothing.
type greedyPlanner struct{ w *world.World }

// Plan makes a plan.
func (p greedyPlanner) Plan(_ context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error) {
	plan := rebalance.Plan{ClusterID: s.ClusterID}
	if len(o.Add) == 0 && len(o.Remove) == 0 {
		return plan, nil
	}
	keep, _ := p.w.Brokers()
	for _, id := range o.Remove {
		keep = min(keep, id) // the highest ordinals leave
	}
	plan.Moves = p.w.PlanSpread(keep)
	for _, m := range plan.Moves {
		plan.BytesToMove += m.SizeBytes
		plan.ReplicaMoves++
	}
	return plan, nil
}
