package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/policy/parts"
)

// Config is what the loop is built from. Policy and Observer are needed; what
// else is nil is done without: no History or Forecaster means that the load
// itself decides, no Scaler, Mover or Planner that the thing is not done.
type Config struct {
	Policy     policy.Policy
	Observer   Observer
	History    History
	Forecaster Forecaster
	Planner    operation.Planner
	// Scalers by the target's key.
	Scalers   map[string]actuators.Scaler
	Mover     operation.Mover
	Leave     *Leave // what the mover asks, where it works between ticks
	Admin     operation.BrokerAdmin
	Gates     []gates.Gate
	Watchers  []Watcher
	Approvals Approvals
	Journal   Journal
	Store     operation.Store // nil: operation.MemoryStore
	Clock     Clock           // nil: SystemClock
	Logger    *slog.Logger
	// Fence is asked before every write; an error means that somebody else
	// leads now, and nothing may be written.
	Fence func(ctx context.Context) error
	// Publish is told every decision, in order: the page, the status, the
	// program's own metrics.
	Publish []func(decision.Decision)
	// Timed, where set, is told how long each tick of Run took.
	Timed func(took time.Duration)
	// Wake, where set, makes the loop look at once: an alert said so.
	Wake <-chan struct{}
	// NoCurves leaves out of decisions what is only looked at by people (curves,
	// every broker's load), for simulations that make very many.
	NoCurves bool
}

// Controller is the loop. Tick and Run are for one goroutine; Alive and Ready
// may be asked from any.
type Controller struct {
	cfg   Config
	spec  policy.Spec
	parts parts.Parts

	still     still
	forecasts forecasts
	scheduler scheduler
	proposer  proposer
	machine   *operation.Machine
	holds     holds

	tickStarted, tickEnded, lastGood atomic.Int64 // Unix nanoseconds of the clock
	frozenBy                         atomic.Pointer[string]
}

// New builds the loop. It does no I/O.
func New(cfg Config) (*Controller, error) {
	if cfg.Observer == nil {
		return nil, errors.New("building the loop: an observer is missing")
	}
	cfg.Policy.SetDefaults()
	if err := cfg.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("building the loop: %w", err)
	}
	ready, err := parts.Of(cfg.Policy.Spec)
	if err != nil {
		return nil, fmt.Errorf("building the loop: %w", err)
	}
	if cfg.Store == nil {
		cfg.Store = &operation.MemoryStore{}
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{cfg: cfg, spec: cfg.Policy.Spec, parts: ready}
	c.forecasts = c.newForecasts()
	c.scheduler = scheduler{spec: c.spec, parts: ready}
	c.proposer = proposer{spec: c.spec, policy: cfg.Policy.Metadata.Name, planned: cfg.Planner != nil, needs: map[string]*needs{}}
	c.machine = operation.New(operation.Config{
		Scalers: cfg.Scalers, Mover: cfg.Mover, Admin: cfg.Admin, Planner: cfg.Planner,
		Store: cfg.Store, Fence: cfg.Fence, Now: cfg.Clock.Now, Logger: cfg.Logger,
	})
	if cfg.Leave != nil {
		ask := c.mayMove
		cfg.Leave.ask.Store(&ask)
	}
	return c, nil
}

func (c *Controller) newForecasts() forecasts {
	var f forecast.Forecaster
	if c.cfg.Forecaster != nil {
		f = c.cfg.Forecaster(c.parts.Forecast)
	}
	s := c.spec
	return forecasts{
		predictor: newPredictor(f, c.cfg.History, s.Forecast, !c.cfg.NoCurves), parts: c.parts,
		pace: pace{
			interval: s.Interval.D(), cooldown: s.Gates.Cooldown.D(), horizon: s.Forecast.Horizon.D(),
			refresh: s.Forecast.Refresh.D(), step: s.Forecast.Step.D(),
		},
		rates: map[string]*groupRate{}, surges: map[string]int{}, seen: map[string]float64{}, tracks: map[string]*track{},
		doubts: map[string]*doubt{},
	}
}

// Tick goes round the loop once. The Decision is complete even when there is
// an error, which then is what kept the loop from its work: nothing was done.
func (c *Controller) Tick(ctx context.Context) (decision.Decision, error) {
	now := c.cfg.Clock.Now()
	c.tickStarted.Store(now.UnixNano())
	defer func() { c.tickEnded.Store(c.cfg.Clock.Now().UnixNano()) }()

	d, err := c.round(ctx, now)
	if err != nil && d.Reason == "" {
		d.Reason, d.Outcome = decision.ReasonFailed, "held: "+err.Error()
	}
	if err == nil {
		c.lastGood.Store(now.UnixNano())
	}
	d.Plain()
	c.record(ctx, d)
	return d, err
}

// round is the loop, in the order the house tells it: observe, forecast, size,
// carry on what is in flight, propose, ask the gates, operate, conclude.
func (c *Controller) round(ctx context.Context, now time.Time) (decision.Decision, error) {
	d := c.blank(now)
	if !c.spec.Mode.Acts() {
		c.machine.Reload()
	}
	if err := c.machine.Load(ctx); err != nil {
		return d, err
	}
	facts, err := c.observe(ctx, now)
	if err != nil {
		d.Reason, d.Outcome = decision.ReasonObservationFailed, "held: the cluster could not be read: "+errors.Unwrap(err).Error()
		return d, err
	}
	expected := c.forecasts.expect(ctx, &facts, c.machine.State().Learned)
	c.machine.State().Learned.PerReplica = c.forecasts.perReplica()
	required := Size(c.parts.Model, &facts, &expected)
	d.ClusterID, d.Seen = facts.Snapshot.ClusterID, facts.Seen
	d.Forecasts = carried(&facts, &expected, &required, d.Limits.MaxBrokers)
	d.Requirement, d.HorizonSeconds, d.Notes = required.Requirement, expected.Horizon.Seconds(), expected.Notes

	view := c.view(d.ID, &facts, &expected, &required)
	tell(&d, c.machine.Proceed(ctx, view))
	if op := c.machine.InFlight(); op != nil && op.Kind == decision.Rebalance && op.Phase == decision.Cancelling {
		c.proposer.balance.overtaken(now)
	}

	c.proposer.remembered(c.machine.State().Standing)
	d.Schedule = c.scheduler.schedule(&facts, &expected, &required, c.machine.InFlight() != nil)
	proposed := c.proposer.propose(readings{
		Facts: &facts, Expectations: &expected, Requirement: &required, Schedule: d.Schedule,
		inFlight: c.machine.InFlight() != nil, neededAt: view.NeededAt, longFill: c.machine.LongFill(view),
	})
	d.Proposals, d.Recommended, d.Notes = proposed.Proposals, proposed.Recommended, append(d.Notes, proposed.Notes...)

	if c.spec.Mode == policy.Approve {
		if err := c.machine.Stand(ctx, d.Proposals); err != nil {
			d.Notes = append(d.Notes, "the names of the proposals could not be saved: "+err.Error())
		}
	}
	situation := c.situation(&facts, d.Forecasts, &d.Requirement, proposed.Needs)
	if v := gates.Check(ctx, c.cfg.Gates, d.Proposals, situation); v != nil {
		d.Verdicts = v
	}
	operated := c.operate(ctx, view, &required, d.Proposals, d.Verdicts)
	d.Actions = append(d.Actions, operated.Actions...)
	tell(&d, operated.Told)

	d.Accuracy = c.forecasts.accuracy()
	c.conclude(&d, &facts, proposed.Kept)
	return d, ctx.Err()
}

// blank is a decision in which nothing has been seen yet.
func (c *Controller) blank(now time.Time) decision.Decision {
	b := c.spec.Brokers
	return decision.Decision{
		Version: decision.Version, ID: now.UTC().Format("20060102T150405.000Z") + "-" + c.cfg.Policy.Metadata.Name,
		Time: now, Policy: c.cfg.Policy.Metadata.Name, Mode: string(c.spec.Mode),
		Limits: decision.Limits{
			MinBrokers: b.Min, MaxBrokers: b.Max, Tolerance: c.spec.Rebalance.Tolerance,
			SurviveZones: b.Survive.Zones, SurviveBrokers: b.Survive.Brokers,
		},
		Forecasts: []decision.ForecastSummary{}, Proposals: []decision.Proposal{},
		Verdicts: []decision.Verdict{}, Actions: []decision.Action{},
	}
}

// tell adds what the operation in flight has to say.
func tell(d *decision.Decision, t operation.Told) {
	d.Notes = append(d.Notes, t.Notes...)
	d.Concerns = append(d.Concerns, t.Concerns...)
	if t.Moving != nil {
		d.Moving = t.Moving
	}
}

// neededAt is neededAt for this round.
func (c *Controller) neededAt(f *Facts, e *Expectations, r *Requirement) func(int) (time.Time, bool) {
	return func(brokers int) (time.Time, bool) { return neededAt(c.parts.Model, f, e, r, brokers) }
}

// record journals and publishes. A journal that cannot be written does not
// undo what was done; it is said, loudly.
func (c *Controller) record(ctx context.Context, d decision.Decision) {
	if c.cfg.Journal != nil {
		if err := c.cfg.Journal.Record(ctx, d); err != nil {
			c.cfg.Logger.ErrorContext(ctx, "recording the decision failed", "decision", d.ID, "error", err)
		}
	}
	for _, publish := range c.cfg.Publish {
		publish(d)
	}
}
