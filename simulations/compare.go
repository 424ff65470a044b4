package simulations

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

// Options of a comparison.
type Options struct {
	Forecaster controller.Forecaster // for tidetable; one a run
	Gates      func() []gates.Gate
	// Journal, when it is given, makes the journal of a run of the loop; Compare
	// only.
	Journal  func(policy string, clock controller.Clock) (controller.Journal, error)
	Points   int             // of each series in the result; zero keeps none
	Workers  int             // zero is one a core; the result does not depend on it
	Progress func(ticks int) // called from many goroutines

	quick bool // a run of many, see pace
}

// Result is a comparison of policies in one scenario. Its JSON form is a
// contract; see docs/simulations.md.
type Result struct {
	Scenario string          `json:"scenario"`
	Seed     uint64          `json:"seed"`
	Start    time.Time       `json:"start"`
	Hours    float64         `json:"hours"`
	Currency string          `json:"currency"`
	Policies []PolicyMeasure `json:"policies"`
	Runs     []Run           `json:"-"`
}

// PolicyMeasure is one policy's measures, beside the oracle's when the oracle
// ran: Oracle repeats them, and OverOracle divides by them.
type PolicyMeasure struct {
	Policy string `json:"policy"`
	Measures
	Oracle     *Measures          `json:"oracle,omitempty"`
	OverOracle map[string]float64 `json:"overOracle,omitempty"`
}

// Ticks is how many ticks of simulated time a comparison takes in all.
func Ticks(p *scenario.Experiment, runs int) int {
	return int(p.Duration/p.Tick) * (len(p.Policies) + len(p.Variants)) * max(runs, 1)
}

// Compare runs every policy of a scenario in a world of its own. The result is
// the same on any number of cores.
func Compare(ctx context.Context, p *scenario.Experiment, o Options) (Result, error) {
	runs, err := compareRun(ctx, p, 0, o)
	if err != nil {
		return Result{}, err
	}
	r := Result{Scenario: p.Name, Seed: p.Seed, Start: p.StartTime(), Hours: p.Duration.D().Hours(), Currency: p.Currency(), Runs: runs}
	oracle := oracleOf(runs)
	for _, x := range runs {
		r.Policies = append(r.Policies, beside(x, oracle))
	}
	return r, nil
}

func oracleOf(runs []Run) *Measures {
	for i := range runs {
		if runs[i].Policy == policies.OracleName {
			return &runs[i].Measures
		}
	}
	return nil
}

func beside(x Run, oracle *Measures) PolicyMeasure {
	m := PolicyMeasure{Policy: x.Policy, Measures: x.Measures}
	if oracle == nil {
		return m
	}
	m.Oracle = oracle
	m.OverOracle = map[string]float64{}
	for _, k := range []struct {
		name string
		a, b float64
	}{
		{"brokerHours", x.Measures.BrokerHours, oracle.BrokerHours},
		{"replicaHours", x.Measures.ReplicaHours, oracle.ReplicaHours},
		{"cost", x.Measures.Cost, oracle.Cost},
	} {
		if k.b > 0 {
			m.OverOracle[k.name] = math.Round(1e6*k.a/k.b) / 1e6
		}
	}
	return m
}

// compareRun is one run of the scenario under every policy, in its order.
func compareRun(ctx context.Context, p *scenario.Experiment, run int, o Options) ([]Run, error) {
	runs := make([]Run, len(p.Policies)+len(p.Variants))
	c, err := p.World(run) // shared: a world does not write to its configuration
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers(o))
	for i := range runs {
		g.Go(func() error {
			if i < len(p.Policies) && p.Policies[i] == policies.OracleName {
				r, err := oracle(ctx, c, p, o)
				r.Run = run
				runs[i] = r
				return err
			}
			pol, err := build(p, i, o)
			if err != nil {
				return err
			}
			r, err := simulate(ctx, c, pol, runOptions{end: p.EndTime(), points: o.Points, price: p.Cost, progress: o.Progress})
			if err != nil {
				return err
			}
			r.Run = run
			runs[i] = r
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("simulating %s: %w", p.Name, err)
	}
	return runs, nil
}

func workers(o Options) int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// build makes the i-th policy of a scenario: those it names, then its variants.
func build(p *scenario.Experiment, i int, o Options) (policies.Policy, error) {
	opts := policyOptions(p)
	opts.Planner = o.planner(p)
	if i >= len(p.Policies) {
		v := i - len(p.Policies)
		doc := p.VariantPolicies()[v]
		return newTidetable(p, p.Variants[v].Name, &doc, o)
	}
	switch name := p.Policies[i]; name {
	case policies.StaticName:
		return policies.NewStatic(opts), nil
	case policies.HPAName:
		return policies.NewHPA(opts), nil
	case policies.KEDAName:
		return policies.NewKEDA(opts), nil
	case policies.KEDARateName:
		return policies.NewKEDARate(opts), nil
	case policies.KEDACronName:
		return policies.NewKEDACron(opts), nil
	case policies.ReactiveName:
		return policies.NewReactive(opts), nil
	case policies.TidetableName:
		return newTidetable(p, name, p.TidetablePolicy(), o)
	default:
		return nil, fmt.Errorf("building policy %q: it does not exist", name)
	}
}

func policyOptions(p *scenario.Experiment) policies.Options {
	k := p.Comparison
	o := policies.Options{TargetUtilisation: k.Target, TargetCPU: k.CPU, LagSeconds: k.LagSeconds, ScaleInAfter: k.ScaleIn.D(),
		Interval: k.Interval.D(), End: p.EndTime()}
	if d := p.TidetablePolicy(); d != nil {
		o.MinBrokers, o.MaxBrokers = d.Spec.Brokers.Min, d.Spec.Brokers.Max
	}
	return o
}

// StaticBrokers is how many brokers static has of a scenario.
func StaticBrokers(p *scenario.Experiment) (int, error) {
	c, err := p.World(0)
	if err != nil {
		return 0, err
	}
	w, err := world.New(c)
	if err != nil {
		return 0, err
	}
	return policies.NewStatic(policyOptions(p)).Size(w), nil
}
