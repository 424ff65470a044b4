package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
)

var (
	errKilled = errors.New("the process was killed")
	errLease  = errors.New("the Lease is lost")
	errStale  = errors.New("the API server does not answer")
)

// process is one controller: the production loop and the production mover.
type process struct {
	w      *world
	name   string
	policy policy.Policy
	loop   *controller.Controller
	mover  *execute.Mover
	skew   time.Duration // of its clock
	lost   bool          // its Lease
	back   bool          // its mover last asked, or does not ask, to go back
	dead   bool
	seen   int // version of what it has stored
	last   decision.Decision
	until  time.Time // when one that has lost its Lease ends
}

// Now is the process's clock.
func (p *process) Now() time.Time { return p.w.now.Add(p.skew) }

// call is the start and the end of every call that the process makes: it takes
// its time, a person may hold meanwhile, and it may be the process's last.
func (p *process) call(effect func() error) error {
	w := p.w
	w.calls++
	w.now = w.now.Add(callTakes)
	if w.holdNext && w.rng.IntN(4) == 0 {
		w.holdNext, w.heldAt = false, w.now
	}
	if p.dies() {
		return errKilled
	}
	if effect != nil {
		if err := effect(); err != nil {
			return err
		}
	}
	if p.dies() {
		return errKilled
	}
	return nil
}

func (p *process) dies() bool {
	if !p.dead && p.w.crash > 0 && p.w.rng.Float64() < p.w.crash {
		p.dead = true
		p.w.happens["kills"]++
	}
	return p.dead
}

// submits judges something that the mover begins.
func (p *process) submits(what string) {
	w := p.w
	if p.lost {
		w.fail("%s submits %s after it has lost the Lease", p.name, what)
	}
	if p.back {
		return // the way back to where everything was is no new step
	}
	if !w.heldAt.IsZero() && w.now.Sub(w.heldAt) > heldLate {
		w.fail("%s is submitted %s after the hold", what, w.now.Sub(w.heldAt))
	}
	if !p.policy.Spec.Mode.Acts() {
		w.fail("%s is submitted in mode %s", what, p.policy.Spec.Mode)
	}
	if p.policy.Spec.Gates.Hold {
		w.fail("%s is submitted with gates.hold", what)
	}
	fills := p.last.Operation != nil && p.last.Operation.Out()
	if len(p.policy.Spec.Gates.Windows) > 0 && !fills && !open(p.Now()) && !open(p.Now().Add(-heldLate)) {
		w.fail("%s is submitted outside the window", what)
	}
}

// open tells whether the window of evenHours is.
func open(t time.Time) bool { return t.Minute() < 30 }

func evenHours() []policy.Window {
	return []policy.Window{{Schedule: "0 * * * *", Duration: policy.Duration(30 * time.Minute)}}
}

// begin starts a process on the policy as it stands. One that is killed while it
// starts leaves nobody running.
func (w *world) begin(t *testing.T) {
	t.Helper()
	p := &process{w: w, name: fmt.Sprintf("process %d", w.calls), policy: w.policy}
	leave := &controller.Leave{}
	m, err := execute.New(t.Context(), p.moverConfig(leave))
	if err != nil {
		if !errors.Is(err, errKilled) {
			t.Fatalf("making a mover: %v", err)
		}
		w.leader = nil
		return
	}
	p.mover = m
	cfg := controller.Config{
		Policy: w.policy, Observer: p, History: p, Forecaster: func(forecast.Options) forecast.Forecaster { return p }, Planner: hasty{},
		Leave: leave, Mover: m, Admin: admin{p}, Store: store{p}, Clock: p, Gates: gates.All(), NoCurves: true,
		Watchers: []controller.Watcher{watcher{p}}, Scalers: map[string]actuators.Scaler{"StatefulSet/kafka": statefulSet{p}},
		Fence: p.fence, Logger: slog.New(slog.DiscardHandler),
	}
	if p.loop, err = controller.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.leader = p
	if !w.policy.Spec.Mode.Acts() {
		w.release(t, p)
	}
}

func (p *process) moverConfig(leave *controller.Leave) execute.Config {
	return execute.Config{
		Kafka: brokers{p}, Store: &log{p: p}, Owner: p.name, Manual: true, Now: p.Now,
		Throttle: execute.ThrottlePolicy{Start: 100e6, Min: 100e6, Max: 100e6},
		May: func(ctx context.Context, to execute.Direction) error {
			p.back = to == execute.Back
			return leave.May(ctx, p.back)
		},
	}
}

// release takes back what an acting mode has left, as the process does that
// finds such a state in a mode that does not act.
func (w *world) release(t *testing.T, p *process) {
	t.Helper()
	if w.stored.Operation == nil {
		return
	}
	w.happens["releases"]++
	cfg := p.moverConfig(nil)
	cfg.May, cfg.CancelAdopted, cfg.Owner, p.back = nil, true, p.name+" releasing", true
	m, err := execute.New(t.Context(), cfg)
	if err == nil {
		p.mover = m
		for n := 0; !p.dead && !m.Step(t.Context()); n++ {
			w.pass(5 * time.Second)
			if n > 1000 {
				w.fail("the release of an operation does not end")
				break
			}
		}
		err = admin{p}.Uncordon(t.Context(), slices.Sorted(func(yield func(int) bool) {
			for id := range w.cordoned {
				if b := w.model.Brokers[id]; b != nil && b.Alive && !yield(id) {
					return
				}
			}
		}))
	}
	s, loaded := store{p}.Load(t.Context())
	if err == nil && loaded == nil {
		s.Operation = nil
		_ = store{p}.Save(t.Context(), s) // a process that dies here finds it again
	}
}

func (p *process) fence(context.Context) error {
	if p.lost {
		return errLease
	}
	return nil
}

// Observe sees the world's Kafka; what cannot be read is stale.
func (p *process) Observe(context.Context) (cluster.Snapshot, error) {
	w := p.w
	s := cluster.Snapshot{Version: 1, TakenAt: p.Now(), ClusterID: w.model.ID}
	for id, b := range w.model.Brokers {
		state := cluster.BrokerAlive
		switch {
		case !b.Alive:
			state = cluster.BrokerFenced
		case w.cordoned[id]:
			state = cluster.BrokerDraining
		}
		s.Brokers = append(s.Brokers, cluster.Broker{ID: id, Zone: b.Zone, State: state, Host: fmt.Sprintf("kafka-%d.brokers", id), Capacity: cluster.Capacity{
			CPUCores: 64, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 100e6, DiskBytes: b.Disk, DiskBytesPerSecond: 400e6,
		}})
	}
	for name, t := range w.model.Topics {
		topic := cluster.Topic{Name: name, ID: t.ID, Config: map[string]string{"min.insync.replicas": "2"}}
		for i, x := range t.Partitions {
			topic.Partitions = append(topic.Partitions, cluster.Partition{
				Partition: i, Replicas: slices.Clone(x.Replicas), ISR: slices.Clone(x.ISR), Leader: x.Leader,
				Load: cluster.Load{BytesInPerSecond: cluster.BytesPerSecond(w.rate), SizeBytes: x.Size, LeaderCPUCores: 0.01},
			})
			if len(x.Adding)+len(x.Removing) > 0 {
				s.Reassignments = append(s.Reassignments, cluster.Reassignment{
					Topic: name, Partition: i, Replicas: slices.Clone(x.Replicas), Adding: slices.Clone(x.Adding), Removing: slices.Clone(x.Removing),
				})
			}
		}
		s.Topics = append(s.Topics, topic)
	}
	if w.stale > 0 && w.rng.Float64() < w.stale {
		s.Stale = append(s.Stale, cluster.StaleSignal{Signal: "placement", Reason: "Kafka did not answer"})
	}
	s.Sort()
	return s, p.call(nil)
}

// History is what the load has always been.
func (p *process) History(_ context.Context, signal metrics.Signal, win metrics.Window) ([]metrics.Series, error) {
	if signal != metrics.TopicBytesIn {
		return nil, nil
	}
	s := metrics.Series{Signal: signal, Labels: metrics.Labels{"topic": "t"}, Start: win.From, Step: win.Step}
	for range int(win.To.Sub(win.From)/win.Step) + 1 {
		s.Values = append(s.Values, 9*p.w.rate)
	}
	return []metrics.Series{s}, nil
}

// Forecast says that things stay as they are.
func (p *process) Forecast(_ context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	v, _ := s.Last()
	out := forecast.Prediction{Origin: s.End(), Step: s.Step, Model: "same", Quantiles: h.Quantiles, Trusted: true}
	for at := s.Step; at <= h.Ahead; at += s.Step {
		out.Points = append(out.Points, forecast.Point{Time: out.Origin.Add(at), Values: slices.Repeat([]float64{v}, len(h.Quantiles))})
	}
	return out, nil
}

// hasty is the production planner with little to search.
type hasty struct{}

func (hasty) Plan(ctx context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error) {
	o.Evaluations = 300
	return rebalance.Planner{}.Plan(ctx, s, o)
}

// watcher hears what people say.
type watcher struct{ p *process }

func (o watcher) Observations(_ context.Context, now time.Time) ([]decision.Observation, error) {
	w := o.p.w
	err := o.p.call(nil)
	if err == nil && w.stale > 0 && w.rng.Float64() < w.stale {
		err = errStale
	}
	if err != nil || w.heldAt.IsZero() {
		return nil, err
	}
	return []decision.Observation{{Source: "a person", Effect: decision.EffectFreeze, Until: now.Add(time.Hour)}}, nil
}

// statefulSet is the workload behind the API server.
type statefulSet struct{ p *process }

func (s statefulSet) Current(context.Context) (actuators.Scale, error) {
	w := s.p.w
	scale := actuators.Scale{Replicas: w.want, Members: []actuators.Member{}}
	for id := range w.want {
		_, starting := w.upAt[id]
		if !starting {
			scale.Ready++
		}
		host := fmt.Sprintf("kafka-%d", id)
		scale.Members = append(scale.Members, actuators.Member{Pod: host, Ordinal: id, Hosts: []string{host}, Started: !starting})
	}
	w.before = append(w.before, scale)
	if w.stale > 0 && w.rng.Float64() < w.stale {
		w.happens["stale answers"]++
		if w.rng.IntN(2) == 0 {
			return actuators.Scale{}, errStale
		}
		scale = w.before[max(0, len(w.before)-1-w.rng.IntN(5))]
	}
	return scale, s.p.call(nil)
}

func (s statefulSet) Set(_ context.Context, want actuators.Scale) error {
	return s.p.call(func() error {
		w := s.p.w
		if want.From > 0 && w.want != want.From && w.want != want.Replicas {
			return fmt.Errorf("somebody else has set it to %d", w.want)
		}
		if s.p.lost && want.Replicas != w.want {
			w.fail("%s sets %d brokers after it has lost the Lease", s.p.name, want.Replicas)
		}
		if !w.heldAt.IsZero() && w.now.Sub(w.heldAt) > heldLate && want.Replicas != w.want {
			w.fail("%d brokers are set %s after the hold", want.Replicas, w.now.Sub(w.heldAt))
		}
		w.set(want.Replicas, false)
		return nil
	})
}

// store is the loop's state in the object's status, with its version.
type store struct{ p *process }

func (s store) Load(context.Context) (operation.State, error) {
	s.p.seen = s.p.w.version
	return s.p.w.stored.Clone(), s.p.call(nil)
}

func (s store) Save(_ context.Context, state operation.State) error {
	return s.p.call(func() error {
		w := s.p.w
		if s.p.seen != w.version {
			return errors.New("the object has been modified")
		}
		if a, b := w.stored.Operation, state.Operation; a != nil && b != nil && a.ID != b.ID {
			w.fail("operation %s begins while %s is in flight", b.ID, a.ID)
		}
		w.version++
		s.p.seen, w.stored = w.version, state.Clone()
		return nil
	})
}
