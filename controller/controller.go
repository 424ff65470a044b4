package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tidetable/tidetable/controller/gates"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
)

// Config is what the loop is built from. Policy and Observer are needed; what
// else is nil is done without: no History or Forecaster means that the load
// itself decides, no Scaler, Mover or Planner that the thing is not done.
type Config struct {
	Policy     policy.Policy
	Observer   Observer
	History    History
	Forecaster forecast.Forecaster
	Planner    Planner
	// Scalers by the target's key.
	Scalers   map[string]actuators.Scaler
	Mover     Mover
	Admin     BrokerAdmin
	Gates     []gates.Gate
	Watchers  []Watcher
	Approvals Approvals
	Journal   Journal
	Store     Store // nil: MemoryStore
	Clock     Clock // nil: SystemClock
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
	cfg     Config
	spec    policy.Spec
	model   capacity.Model
	shape   *capacity.Shape
	windows struct{ act, move policy.Windows }

	state       State
	stateLoaded bool
	adopted     bool // the mover has been asked for moves left running
	predictors  predictors
	needs       map[string]*needs
	groups      map[string]*groupRate
	surges      map[string]int // ticks in a row a subject was above its forecast
	tracks      map[string]*track
	storedSeen  storedCache
	balanceSeen time.Time
	balanceIdle time.Duration

	tickStarted, tickEnded, lastGood atomic.Int64 // Unix nanoseconds of the clock
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
	if cfg.Store == nil {
		cfg.Store = &MemoryStore{}
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{cfg: cfg, spec: cfg.Policy.Spec, needs: map[string]*needs{}, groups: map[string]*groupRate{}, surges: map[string]int{}, tracks: map[string]*track{}}
	if name := c.spec.Brokers.Shape; name != "" {
		shape, err := capacity.ShapeNamed(name)
		if err != nil {
			return nil, fmt.Errorf("building the loop: spec.brokers.shape: %w", err)
		}
		c.shape = &shape
	}
	c.model = ModelOf(c.spec, c.shape)
	c.windows.act = policy.CompileWindows(c.spec.Gates.Windows)
	c.windows.move = policy.CompileWindows(c.spec.Rebalance.Windows)
	c.predictors.init(c.spec.Forecast)
	return c, nil
}

// ModelOf is the capacity model a policy asks for.
func ModelOf(s policy.Spec, shape *capacity.Shape) capacity.Model {
	b := s.Brokers
	m := capacity.Model{
		Limits: capacity.Limits{
			CPU: b.Utilisation.CPU, NetworkIn: b.Utilisation.NetworkIn, NetworkOut: b.Utilisation.NetworkOut,
			Disk: b.Utilisation.Disk, DiskBandwidth: b.Utilisation.DiskBandwidth,
		},
		Survive:              capacity.Loss{Brokers: b.Survive.Brokers, Zones: b.Survive.Zones},
		MaxReplicasPerBroker: b.MaxReplicasPerBroker,
		CatchUp:              b.CatchUp.D(),
		MoveRate:             moveRate(s.Rebalance),
	}
	for _, g := range s.Consumers {
		m.CacheSeconds = max(m.CacheSeconds, g.Lag.MaxSeconds)
	}
	if shape != nil {
		m.StorageNetwork = shape.StorageNetworkBytesPerSecond
	}
	return m
}

// assumedMoveRate is taken for a throttle of auto until moves have been seen.
const assumedMoveRate = cluster.BytesPerSecond(100e6)

func moveRate(r policy.Rebalance) cluster.BytesPerSecond {
	rate, auto, err := r.ThrottleRate()
	if auto || err != nil {
		return assumedMoveRate
	}
	return rate
}

// Tick goes round the loop once. The Decision is complete even when there is
// an error, which then is what kept the loop from its work: nothing was done.
func (c *Controller) Tick(ctx context.Context) (decision.Decision, error) {
	now := c.cfg.Clock.Now()
	c.tickStarted.Store(now.UnixNano())
	defer func() { c.tickEnded.Store(c.cfg.Clock.Now().UnixNano()) }()

	t := &tick{ctx: ctx, c: c, now: now}
	t.d = decision.Decision{
		Version: decision.Version, ID: now.UTC().Format("20060102T150405.000Z") + "-" + c.cfg.Policy.Metadata.Name,
		Time: now, Policy: c.cfg.Policy.Metadata.Name, Mode: string(c.spec.Mode),
		Limits:    c.limits(),
		Forecasts: []decision.ForecastSummary{}, Proposals: []decision.Proposal{}, Verdicts: []decision.Verdict{}, Actions: []decision.Action{},
	}
	err := t.run(ctx)
	if err != nil && t.d.Reason == "" {
		t.d.Reason, t.d.Outcome = decision.ReasonFailed, "held: "+err.Error()
	}
	if err == nil {
		c.lastGood.Store(now.UnixNano())
	}
	c.record(ctx, t.d)
	return t.d, err
}

func (c *Controller) limits() decision.Limits {
	b := c.spec.Brokers
	return decision.Limits{MinBrokers: b.Min, MaxBrokers: b.Max, Tolerance: c.spec.Rebalance.Tolerance, SurviveZones: b.Survive.Zones, SurviveBrokers: b.Survive.Brokers}
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

// tick is one round: what it has gathered so far.
type tick struct {
	ctx  context.Context
	c    *Controller
	now  time.Time
	snap cluster.Snapshot
	d    decision.Decision

	demand    capacity.Demand // now
	facts     capacity.Facts
	scales    map[string]actuators.Scale
	needNow   int // brokers that all there is needs as it is
	loadNeeds int // of them, those that the load itself needs
	predicted predicted
	groupsNow []groupSize
	topics    map[string]int // index by name, made when first asked for
	need      map[string]gates.NeedWindow
	notFresh  string // why nothing may scale in; "" when all is known
	kept      string // why more brokers are kept than would do; "" when they are not
}

// The steps of the loop, in the order the house tells them.
func (t *tick) run(ctx context.Context) error {
	if err := t.loadState(ctx); err != nil {
		return err
	}
	if err := t.observe(ctx); err != nil {
		return err
	}
	t.listen(ctx)
	t.forecast(ctx)
	t.size()
	t.carry()
	t.proceed(ctx)
	t.propose()
	t.gate(ctx)
	t.act(ctx)
	t.conclude()
	return ctx.Err()
}

func (t *tick) loadState(ctx context.Context) error {
	if t.c.stateLoaded {
		return nil
	}
	s, err := t.c.cfg.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("reading the loop's state: %w", err)
	}
	if s.Version > StateVersion {
		return fmt.Errorf("reading the loop's state: version %d was written by a newer tidetable; this one knows %d", s.Version, StateVersion)
	}
	s.Version = StateVersion
	t.c.state, t.c.stateLoaded = s, true
	return nil
}

// save writes the state before what it announces is done.
func (c *Controller) save(ctx context.Context) error {
	c.state.prune(c.cfg.Clock.Now())
	if err := c.cfg.Store.Save(ctx, c.state.Clone()); err != nil {
		return fmt.Errorf("saving the loop's state: %w", err)
	}
	return nil
}

// fence makes sure that this process may still write.
func (c *Controller) fence(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.cfg.Fence == nil {
		return nil
	}
	return c.cfg.Fence(ctx)
}
