package simulations

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
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
	every   time.Duration
	next    time.Time
	control *controller.Controller
	kept    []controller.Decision
}

// mostDecisions bounds the decisions that are kept for a report.
const mostDecisions = 5000

func newTidetable(p *scenario.Plan, name string, doc *policy.Policy, o Options) (policies.Policy, error) {
	d := DefaultPolicy(p)
	if doc != nil {
		d = *doc
		d.Spec.Mode = policy.Act // the question is what it would do
	}
	d.SetDefaults()
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("building policy %s: %w", name, err)
	}
	return &loop{name: name, doc: d, options: o, every: d.Spec.Interval.D()}, nil
}

// DefaultPolicy is what tidetable runs in a scenario that brings no policy: the
// defaults, with the scenario's own start times, throttle, groups and bounds.
func DefaultPolicy(p *scenario.Plan) policy.Policy {
	d := policy.Policy{Metadata: policy.Metadata{Name: "simulated"}}
	s := &d.Spec
	s.Mode = policy.Act
	s.Interval = max(p.Tick, policy.Duration(time.Minute))
	s.Forecast.History = max(p.History, policy.Duration(24*time.Hour))
	s.Brokers.Target = policy.Target{Kind: "StatefulSet", Name: "kafka"}
	s.Brokers.Max = 1000
	s.Brokers.Startup = policy.Startup{Pod: p.Cluster.Startup.Pod, Join: p.Cluster.Startup.Join}
	s.Rebalance.Throttle = fmt.Sprintf("%.0f", float64(p.Cluster.Throttle))
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

func consumerOf(g scenario.Group, p *scenario.Plan) policy.Consumer {
	return policy.Consumer{
		Group: g.Name, Target: policy.Target{Kind: "Deployment", Name: g.Name}, Via: "scale", Min: g.Min, Max: g.Max, PerReplica: g.PerReplica,
		Lag: policy.Lag{MaxSeconds: g.MaxLag.D().Seconds()}, Startup: p.Cluster.Startup.Consumer,
	}
}

// Name is the policy's word in reports.
func (l *loop) Name() string { return l.name }

// Decisions are those that changed something, oldest first.
func (l *loop) Decisions() []controller.Decision { return l.kept }

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
	spec := l.doc.Spec
	scalers := map[string]controller.Scaler{controller.BrokerTarget(spec): world.BrokerScaler{World: w}}
	for i := range w.Groups() {
		name := w.Group(i).Spec.Name
		for _, c := range spec.Consumers {
			if c.Group == name {
				scalers[controller.ConsumerTarget(c)] = world.GroupScaler{World: w, Group: i}
			}
		}
	}
	cfg := controller.Config{
		Policy: l.doc, Observer: w, History: w, Planner: planner{}, Scalers: scalers,
		Mover: world.Mover{World: w}, Admin: world.Admin{World: w}, Gates: l.options.gates(), Clock: w, NoCurves: l.options.Journal == nil,
	}
	if l.options.Forecaster != nil {
		cfg.Forecaster = l.options.Forecaster()
	}
	if l.options.Journal != nil {
		cfg.Journal = l.options.Journal(l.name)
	}
	c, err := controller.New(cfg)
	if err != nil {
		return err
	}
	l.control = c
	return nil
}

func (o Options) gates() []controller.Gate {
	if o.Gates == nil {
		return nil
	}
	return o.Gates()
}

// planner is the production planner. A simulated fleet changes size often, so
// it is given less to search than a plan that people look at.
type planner struct{}

// Plan makes a plan.
func (planner) Plan(ctx context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error) {
	return rebalance.Planner{}.Plan(ctx, s, o)
}
