package controller_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/rebalance"
)

// hastyPlanner is the production planner with little to search: what is tested
// here is who calls it, and when.
type hastyPlanner struct{}

func (hastyPlanner) Plan(ctx context.Context, s cluster.Snapshot, o rebalance.Options) (rebalance.Plan, error) {
	o.Evaluations = 2000
	return rebalance.Planner{}.Plan(ctx, s, o)
}

var errCrash = errors.New("the process was killed")

// fakeWorld is a cluster that behaves like the real thing where it matters:
// pods take time, brokers keep their data, moves take time and survive the
// process, and any call may be the process's last, before or after its effect.
type fakeWorld struct {
	now     time.Time
	rng     *rand.Rand
	rate    float64                                   // bytes per second and partition
	weight  func(partition int) (load, bytes float64) // times rate, and stored; nil: 1 and 1e9
	plans   []rebalance.Plan                          // as they were started
	brokers []fakeBroker
	want    int
	parts   [][]int // replicas by partition
	moves   []cluster.Move
	perTick int  // moves that finish in a tick
	cleanUp int  // minutes that the mover still cleans up after the last move
	passing bool // every partition shows a replica more, and no move explains it
	never   bool // new pods never start
	stale   []cluster.StaleSignal
	disk    cluster.Bytes // of a broker; 0: 1e12
	firstID int           // of the broker in pod 0
	hosts   string        // what a broker says that it is reached at; "": kafka-<ordinal>.brokers
	others  int           // brokers of another workload, with the ids from 1,000 on
	voter   int           // a broker that votes; 0: none
	refuses string        // what the operator says of a scale-in that it does not carry out
	denied  error         // what every write of a size ends with
	fills   bool          // the operator says that it fills brokers that it adds
	lands   int           // minutes after the size was lowered a new topic lands on the brokers that go
	going   []int         // brokers that were let go and are still there

	crash    float64 // chance that a call is the last
	dead     bool    // the process is
	stored   operation.State
	cordoned map[int]bool

	broken []string // invariants that did not hold
}

type fakeBroker struct {
	id    int
	upAt  time.Time
	alive bool
}

func newFakeWorld(seed uint64, brokers, partitions int) *fakeWorld {
	return newFakeWorldFrom(0, seed, brokers, partitions)
}

// newFakeWorldFrom has brokers whose ids begin with first.
func newFakeWorldFrom(first int, seed uint64, brokers, partitions int) *fakeWorld {
	w := &fakeWorld{
		firstID:  first,
		now:      time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		rng:      rand.New(rand.NewPCG(seed, 1)),
		rate:     1e6,
		perTick:  3,
		want:     brokers,
		cordoned: map[int]bool{},
	}
	for i := range brokers {
		w.brokers = append(w.brokers, fakeBroker{id: first + i, alive: true})
	}
	for p := range partitions {
		w.parts = append(w.parts, []int{first + p%brokers, first + (p+1)%brokers, first + (p+2)%brokers})
	}
	return w
}

func (w *fakeWorld) Now() time.Time { return w.now }

// call is the start and the end of every call that the process makes: it may
// be killed at either.
func (w *fakeWorld) call(effect func() error) error {
	if w.dead || w.crash > 0 && w.rng.Float64() < w.crash {
		w.dead = true
		return errCrash
	}
	if err := effect(); err != nil {
		return err
	}
	if w.crash > 0 && w.rng.Float64() < w.crash {
		w.dead = true
		return errCrash
	}
	return nil
}

// advance lets a minute pass.
func (w *fakeWorld) advance() {
	w.now = w.now.Add(time.Minute)
	for i := range w.brokers {
		b := &w.brokers[i]
		b.alive = b.alive || !b.upAt.After(w.now)
	}
	if w.lands > 0 && len(w.going) > 0 {
		w.parts[0] = []int{w.firstID, w.firstID + 1, w.going[0]} // a new topic
		w.lands--
	}
	w.cleanUp = max(0, w.cleanUp-1)
	for range w.perTick {
		if len(w.moves) == 0 {
			break
		}
		w.cleanUp = 1
		m := w.moves[0]
		w.moves = w.moves[1:]
		w.parts[m.Partition] = slices.Clone(m.To)
	}
}

func (w *fakeWorld) Observe(context.Context) (cluster.Snapshot, error) {
	s := cluster.Snapshot{Version: 1, TakenAt: w.now, ClusterID: "fake", Stale: w.stale}
	err := w.call(func() error { return nil })
	for _, b := range w.brokers {
		state := cluster.BrokerAlive
		if !b.alive {
			continue // not registered yet
		}
		if w.cordoned[b.id] {
			state = cluster.BrokerDraining
		}
		x := w.broker(b.id, state)
		x.Host = cmp.Or(w.hosts, fmt.Sprintf("kafka-%d.brokers", b.id-w.firstID))
		s.Brokers = append(s.Brokers, x)
	}
	for i := range w.others {
		s.Brokers = append(s.Brokers, w.broker(1000+i, cluster.BrokerAlive))
	}
	t := cluster.Topic{Name: "t", Config: map[string]string{}}
	for p, replicas := range w.parts {
		load, bytes := w.weigh(p)
		t.Partitions = append(
			t.Partitions,
			cluster.Partition{Partition: p, Replicas: slices.Clone(replicas), ISR: slices.Clone(replicas), Leader: replicas[0],
				Load: cluster.Load{
					BytesInPerSecond: cluster.BytesPerSecond(load * w.rate),
					SizeBytes:        cluster.Bytes(bytes),
					LeaderCPUCores:   0.01,
				}},
		)
	}
	for i := range t.Partitions {
		for id := range 4 {
			if x := &t.Partitions[i]; w.passing && len(x.Replicas) < 4 && !slices.Contains(x.Replicas, id) {
				x.Replicas = append(x.Replicas, id)
			}
		}
	}
	for _, m := range w.moves {
		s.Reassignments = append(s.Reassignments, cluster.Reassignment{Topic: "t", Partition: m.Partition, Replicas: m.To})
	}
	s.Topics = []cluster.Topic{t}
	return s, err
}

func (w *fakeWorld) broker(id int, state cluster.BrokerState) cluster.Broker {
	return cluster.Broker{ID: id, Zone: string(rune('a' + id%3)), State: state, Voter: w.voter > 0 && id == w.voter, Capacity: cluster.Capacity{
		CPUCores: 64, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 100e6, DiskBytes: cmp.Or(w.disk, 1e12), DiskBytesPerSecond: 400e6,
	}}
}

func (w *fakeWorld) weigh(partition int) (load, bytes float64) {
	if w.weight == nil {
		return 1, 1e9
	}
	return w.weight(partition)
}

func (w *fakeWorld) total() (load float64) {
	for p := range w.parts {
		l, _ := w.weigh(p)
		load += l * w.rate
	}
	return load
}

func (w *fakeWorld) History(_ context.Context, signal metrics.Signal, win metrics.Window) ([]metrics.Series, error) {
	if signal != metrics.TopicBytesIn {
		return nil, nil
	}
	s := metrics.Series{Signal: signal, Labels: metrics.Labels{"topic": "t"}, Start: win.From, Step: win.Step}
	for range int(win.To.Sub(win.From)/win.Step) + 1 {
		s.Values = append(s.Values, w.total())
	}
	return []metrics.Series{s}, nil
}

// Forecast says that things stay as they are.
func (w *fakeWorld) Forecast(_ context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	v, _ := s.Last()
	p := forecast.Prediction{Origin: s.End(), Step: s.Step, Model: "same", Quantiles: h.Quantiles, Trusted: true}
	for at := s.Step; at <= h.Ahead; at += s.Step {
		p.Points = append(p.Points, forecast.Point{Time: p.Origin.Add(at), Values: []float64{v, v, v}})
	}
	return p, nil
}

func (w *fakeWorld) Current(context.Context) (actuators.Scale, error) {
	ready := 0
	for _, b := range w.brokers {
		if b.alive {
			ready++
		}
	}
	scale := actuators.Scale{Replicas: w.want, Ready: ready, Delegated: w.fills}
	if len(w.going) > 0 {
		scale.Refused = w.refuses
	}
	for ordinal := range w.want {
		m := actuators.Member{Pod: fmt.Sprintf("kafka-%d", ordinal), Ordinal: ordinal, Hosts: []string{fmt.Sprintf("kafka-%d", ordinal)}}
		m.Started = slices.ContainsFunc(w.brokers, func(b fakeBroker) bool { return b.id == w.firstID+ordinal && b.alive })
		scale.Members = append(scale.Members, m)
	}
	return scale, w.call(func() error { return nil })
}

func (w *fakeWorld) Set(_ context.Context, want actuators.Scale) error {
	return w.call(func() error {
		if want.Replicas < w.want && len(w.stale) > 0 {
			w.fail("scaled in on stale signals")
		}
		if w.denied != nil {
			return w.denied
		}
		if want.From > 0 && w.want != want.From && w.want != want.Replicas {
			return fmt.Errorf("somebody else set it to %d", w.want)
		}
		for w.want < want.Replicas && len(w.going) > 0 { // their pods and volumes are still there
			w.going = slices.DeleteFunc(w.going, func(id int) bool { return id == w.firstID+w.want })
			w.want++
		}
		for w.want < want.Replicas {
			start := time.Duration(1+w.rng.IntN(4)) * time.Minute
			if w.never {
				start = 365 * 24 * time.Hour
			}
			w.brokers = append(w.brokers, fakeBroker{id: w.firstID + w.want, upAt: w.now.Add(start)})
			w.want++
		}
		for w.want > want.Replicas {
			w.want--
			if w.lands > 0 || w.refuses != "" {
				w.going = append(w.going, w.firstID+w.want)
				continue
			}
			w.remove(w.firstID + w.want)
		}
		return nil
	})
}

// remove lets a pod go, and looks whether its broker still had data.
func (w *fakeWorld) remove(id int) {
	for p, replicas := range w.parts {
		if slices.Contains(replicas, id) {
			w.fail("broker %d was removed with partition %d on it", id, p)
		}
	}
	for _, m := range w.moves {
		if slices.Contains(m.To, id) {
			w.fail("broker %d was removed with partition %d on its way to it", id, m.Partition)
		}
	}
	w.brokers = slices.DeleteFunc(w.brokers, func(b fakeBroker) bool { return b.id == id })
}

func (w *fakeWorld) fail(format string, args ...any) {
	w.broken = append(w.broken, w.now.Format("02 15:04 ")+fmt.Sprintf(format, args...))
}

func (w *fakeWorld) Start(_ context.Context, p rebalance.Plan) error {
	return w.call(func() error {
		if len(w.moves)+w.cleanUp > 0 {
			w.fail("moves were started while others were in flight, or not cleaned up after")
		}
		w.moves = slices.Clone(p.Moves)
		w.plans = append(w.plans, p)
		return nil
	})
}

func (w *fakeWorld) Progress(context.Context) (rebalance.Progress, error) {
	p := rebalance.Progress{State: rebalance.Idle}
	switch {
	case len(w.moves) > 0:
		p.State = rebalance.Moving
	case w.cleanUp > 0:
		p.State = rebalance.Cleaning
	}
	return p, w.call(func() error { return nil })
}

// Cancel takes moves back. A cordoned broker says that it has no room, so
// nothing comes back to one, as on real brokers.
func (w *fakeWorld) Cancel(context.Context) error {
	return w.call(func() error {
		if len(w.cordoned) == 0 {
			w.moves = nil
		}
		return nil
	})
}

func (w *fakeWorld) Load(context.Context) (operation.State, error) {
	return w.stored, w.call(func() error { return nil })
}

func (w *fakeWorld) Save(_ context.Context, s operation.State) error {
	return w.call(func() error {
		if s.Operation != nil && w.stored.Operation != nil && s.Operation.ID != w.stored.Operation.ID {
			w.fail("operation %s began while %s was in flight", s.Operation.ID, w.stored.Operation.ID)
		}
		w.stored = s
		return nil
	})
}

func (w *fakeWorld) Cordon(_ context.Context, ids []int) error {
	return w.call(func() error {
		for _, id := range ids {
			w.cordoned[id] = true
		}
		return nil
	})
}

func (w *fakeWorld) Uncordon(_ context.Context, ids []int) error {
	return w.call(func() error {
		for _, id := range ids {
			delete(w.cordoned, id)
		}
		return nil
	})
}

func (w *fakeWorld) Empty(_ context.Context, ids []int) (bool, string, error) {
	for p, replicas := range w.parts {
		for _, id := range ids {
			if slices.Contains(replicas, id) {
				return false, fmt.Sprintf("partition %d is on %d", p, id), w.call(func() error { return nil })
			}
		}
	}
	return true, "", w.call(func() error { return nil })
}

// Unregister forgets brokers; their configuration stays, as Kafka's does.
func (w *fakeWorld) Unregister(_ context.Context, ids []int) error {
	return w.call(func() error {
		for p, replicas := range w.parts {
			for _, id := range ids {
				if slices.Contains(replicas, id) {
					w.fail("broker %d was unregistered with partition %d on it", id, p)
				}
			}
		}
		return nil
	})
}

// always is a forecaster that no policy changes.
func always(f forecast.Forecaster) controller.Forecaster {
	return func(forecast.Options) forecast.Forecaster { return f }
}
