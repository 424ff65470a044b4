// Package replay sends one measured demand after another through a consumer
// fleet and counts what each policy does with it: the plainest question there
// is about a forecast that scales things, and the table in docs/simulation-results.md.
//
// It is the full simulator with brokers large enough not to matter, so the
// loop that is judged is the production loop.
package replay

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/optimum"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/workload"
	"github.com/tidetable/tidetable/simulations/world"
)

// Settings of a replay.
type Settings struct {
	LeadTime time.Duration // from asking for a replica to its first record
	// From is where the judged part begins, as a share of the trace: what lies
	// before is history. 0.7 if zero.
	From float64
	// MeanReplicas is the fleet's size at the mean demand: the trace is scaled
	// to it. 20 if zero.
	MeanReplicas float64
	// MaxLag is the promise: a minute in which the oldest unread record is
	// older counts as a violation. One minute if zero.
	MaxLag     time.Duration
	Target     float64 // the reactive policy's; 0.7 if zero
	Forecaster controller.Forecaster
	Gates      func() []gates.Gate
	// Policies are those to run; all if nil.
	Policies []string
	// Policy changes tidetable's settings, for experiments; nil keeps them.
	Policy func(*policy.Policy)
}

// Outcome is what one policy did with one trace.
type Outcome struct {
	Trace            string  `json:"trace"`
	Policy           string  `json:"policy"`
	LeadMinutes      float64 `json:"leadTimeMinutes"`
	Days             float64 `json:"days"`
	ViolationsPerDay float64 `json:"violationMinutesPerDay"`
	WorstDay         float64 `json:"violationMinutesOnTheWorstDay"`
	ShortPerDay      float64 `json:"shortMinutesPerDay"` // more arrived than the ready replicas can do
	ActionsPerDay    float64 `json:"actionsPerDay"`
	ReplicaHours     float64 `json:"replicaHours"`
	OverOracle       float64 `json:"replicaHoursOverOracle"`
}

const (
	partitions = 1200
	perReplica = 1000.0 // records per second
	record     = 1000.0 // bytes
	// commitInterval is Kafka's auto.commit.interval.ms.
	commitInterval = 5 * time.Second
)

// Policies of a replay, in the order of its table.
var Policies = []string{policies.ReactiveName, policies.KEDAName, policies.KEDARateName, policies.KEDACronName, policies.HPAName,
	policies.TidetableName, policies.JustInTimeName, policies.OracleName}

// Run replays one trace under every policy.
func Run(ctx context.Context, name string, trace metrics.Series, s Settings) ([]Outcome, error) {
	s = s.withDefaults()
	c, start, end, err := fleet(trace, s)
	if err != nil {
		return nil, fmt.Errorf("replaying %s: %w", name, err)
	}
	var out []Outcome
	for _, p := range s.Policies {
		o, err := replay(ctx, c, p, start, end, s)
		if err != nil {
			return nil, fmt.Errorf("replaying %s under %s: %w", name, p, err)
		}
		o.Trace, o.LeadMinutes = name, s.LeadTime.Minutes()
		out = append(out, o)
	}
	oracle := out[len(out)-1].ReplicaHours
	for i := range out {
		out[i].OverOracle = out[i].ReplicaHours / oracle
	}
	return out, nil
}

func (s Settings) withDefaults() Settings {
	if s.From == 0 {
		s.From = 0.7
	}
	if s.MeanReplicas == 0 {
		s.MeanReplicas = 20
	}
	if s.MaxLag == 0 {
		s.MaxLag = time.Minute
	}
	if s.Policies == nil {
		s.Policies = Policies
	}
	if s.Target == 0 {
		s.Target = 0.7
	}
	return s
}

// fleet is a world with one topic that follows the trace and one group.
func fleet(trace metrics.Series, s Settings) (c world.Config, start, end time.Time, err error) {
	values := make([]float64, len(trace.Values))
	last, sum := 0.0, 0.0
	for i, v := range trace.Values {
		if !math.IsNaN(v) {
			last = math.Max(v, 0)
		}
		values[i] = last
		sum += last
	}
	if sum == 0 || len(values) < 10 {
		return c, start, end, fmt.Errorf("the trace has no demand")
	}
	p := &workload.Profile{Name: "demand", Start: trace.Start.UTC(), Step: trace.Step, Values: values}
	begin := p.Start.Add(time.Duration(float64(len(values))*s.From) * trace.Step).Truncate(time.Minute)
	mean := p.Mean(begin, p.End())
	if mean == 0 {
		return c, start, end, fmt.Errorf("the judged part of the trace has no demand")
	}
	p = p.Scaled(s.MeanReplicas*perReplica*record/mean, time.Time{})
	big := cluster.Capacity{CPUCores: 1e5, NetworkInBytesPerSecond: 1e13, NetworkOutBytesPerSecond: 1e13, DiskBytes: 1e16,
		DiskBytesPerSecond: 1e13}
	first := policies.ConsumersFor(p.At(begin)/record, perReplica*s.Target, partitions)
	c = world.Config{
		ClusterID: "replay", Start: begin, Tick: time.Minute, Zones: []string{"a", "b", "c"}, NewShape: big, Throttle: 1e9,
		Profiles: []*workload.Profile{p},
		Topics: []world.TopicSpec{{Name: "demand", Partitions: partitions, ReplicationFactor: 1, Scale: 1, Retention: time.Hour,
			MessageBytes: record}},
		Groups: []world.GroupSpec{{Name: "fleet", Topics: []int{0}, PerReplica: perReplica, Replicas: first, Min: 1, MaxLag: s.MaxLag,
			CommitInterval: commitInterval}},
		Times: world.Times{ConsumerStart: s.LeadTime},
	}
	for _, z := range c.Zones {
		c.Brokers = append(c.Brokers, world.BrokerSpec{Zone: z, Capacity: big})
	}
	return c, begin, p.End(), nil
}

func replay(ctx context.Context, c world.Config, name string, start, end time.Time, s Settings) (Outcome, error) {
	w, err := world.New(c)
	if err != nil {
		return Outcome{}, err
	}
	if name == policies.OracleName {
		return oracle(w, start, end), nil
	}
	tick, err := ticker(name, w, end, s)
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Policy: name, Days: end.Sub(start).Hours() / 24}
	worst, today, day := 0.0, 0.0, 0
	for w.Now().Before(end) {
		if err := ctx.Err(); err != nil {
			return Outcome{}, err
		}
		if err := tick(ctx); err != nil {
			return Outcome{}, err
		}
		w.Step()
		if d := int(w.Now().Sub(start) / (24 * time.Hour)); d != day {
			day, today = d, 0
		}
		if g := w.Group(0); g.Arrives > float64(g.Ready)*perReplica {
			o.ShortPerDay += 1 / o.Days
		}
		if w.Seen().Violation {
			today++
			worst = max(worst, today)
		}
	}
	o.ViolationsPerDay = w.Totals.ViolationSeconds / 60 / o.Days
	o.ActionsPerDay = float64(w.Totals.Actions) / o.Days
	o.ReplicaHours = w.Totals.ReplicaSeconds / 3600
	o.WorstDay = worst
	return o, nil
}

// oracle is the least that keeps the promise; it is computed, not run.
func oracle(w *world.World, start, end time.Time) Outcome {
	o := Outcome{Policy: policies.OracleName, Days: end.Sub(start).Hours() / 24}
	for _, n := range optimum.ReplicasOf(w, 0, end).Course() {
		o.ReplicaHours += n * w.TickLength().Hours()
	}
	return o
}

func ticker(name string, w *world.World, end time.Time, s Settings) (func(context.Context) error, error) {
	o := policies.Options{TargetUtilisation: s.Target, End: end}
	var p policies.Policy
	switch name {
	case policies.ReactiveName:
		p = policies.NewReactive(o)
	case policies.KEDAName:
		p = policies.NewKEDA(o)
	case policies.KEDARateName:
		p = policies.NewKEDARate(o)
	case policies.KEDACronName:
		p = policies.NewKEDACron(o)
	case policies.HPAName:
		o.TargetCPU = s.Target
		p = policies.NewHPA(o)
	case policies.JustInTimeName:
		p = policies.NewJustInTime(o)
	default:
		return loop(w, s)
	}
	return func(ctx context.Context) error { return p.Tick(ctx, w) }, nil
}

// loop is the production loop with the settings of this fleet.
func loop(w *world.World, s Settings) (func(context.Context) error, error) {
	d := Policy(s)
	consumer := d.Spec.Consumers[0]
	cfg := controller.Config{
		Policy: d, Observer: w.Observer(), History: w.History(), Clock: w, NoCurves: true,
		Scalers: map[string]actuators.Scaler{consumer.Key(): world.GroupScaler{World: w}},
	}
	if s.Forecaster != nil {
		cfg.Forecaster = s.Forecaster
	}
	if s.Gates != nil {
		cfg.Gates = s.Gates()
	}
	c, err := controller.New(cfg)
	if err != nil {
		return nil, err
	}
	next := w.Now()
	return func(ctx context.Context) error {
		if w.Now().Before(next) {
			return nil
		}
		next = w.Now().Add(d.Spec.Interval.D())
		_, err := c.Tick(ctx)
		return err
	}, nil
}

// Policy is the document that tidetable runs in a replay.
func Policy(s Settings) policy.Policy {
	d := policy.Policy{Metadata: policy.Metadata{Name: "replay"}}
	d.Spec.Mode = policy.Act
	d.Spec.Brokers = policy.Brokers{Target: policy.Target{Kind: "StatefulSet", Name: "kafka"}, Max: 3}
	d.Spec.Forecast.History = policy.Duration(365 * 24 * time.Hour)
	d.Spec.Gates.Budget.ConsumerActions = 100_000
	d.Spec.Consumers = []policy.Consumer{{
		Group: "fleet", Target: policy.Target{Kind: "Deployment", Name: "fleet"}, Via: "scale", Min: 1, PerReplica: perReplica,
		Lag: policy.Lag{MaxSeconds: s.MaxLag.Seconds()}, Startup: policy.Duration(s.LeadTime),
		// The margin is the forecast's own quantile; a second one on top of it
		// would only cost.
		Utilisation: 0.95,
	}}
	d.SetDefaults()
	if s.Policy != nil {
		s.Policy(&d)
	}
	return d
}
