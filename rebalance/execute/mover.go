package execute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/tidetable/tidetable/rebalance"
)

// Clients tells how well clients are, per broker. A broker that is absent from
// the answer is unknown; so is every broker after an error.
type Clients interface {
	Health(ctx context.Context, brokers []int) (map[int]Health, error)
}

// Config is what a Mover needs. Kafka and Store must be set; the zero value of
// everything else is a safe default.
type Config struct {
	Kafka   Kafka
	Store   Store
	Clients Clients // nil: unknown, and the rate stays where it starts

	Throttle ThrottlePolicy // zero: DefaultThrottle
	Poll     time.Duration  // between two looks at the cluster; zero: 5 s
	// Window is the seconds of copying that a broker may have in transit, and
	// never less than two polls. The more is in transit, the more replicas arrive
	// at once, each of which moves a leader's epoch on, and the longer a hold
	// takes to be felt.
	Window time.Duration // zero: 10 s
	// Grace is how long a dead broker is waited for before its moves get
	// another destination.
	Grace time.Duration // zero: 5 min
	// RestoreAfter is how long the mover holds after one of its throttles
	// vanished before it sets it again.
	RestoreAfter time.Duration // zero: 1 min

	// May is asked right before everything that starts something is submitted:
	// copies, elections, the throttles of a batch, the removal of a
	// registration. An error is why not, and holds it until the next look; what
	// is in flight goes on, and throttles are always removed. Nil: always.
	May func(ctx context.Context, to Direction) error
	// TopicOperator says what Strimzi's topic operator would do to throttle
	// lists; it is asked before a run begins. Nil: nothing is known but what the
	// topics show.
	TopicOperator func(context.Context) (TopicOperator, error)
	Owner         string // who owns the state, for people; zero: host and process

	Now func() time.Time
	// OnEvent is told one event a batch and one a surprise, in order and one at a
	// time, after the Step that they are of and with no lock held.
	OnEvent func(Event)
	Log     *slog.Logger
	// CancelAdopted makes New undo the run that it adopts instead of going on
	// with it.
	CancelAdopted bool
	// Manual leaves the loop to the caller, who calls Step: a simulation does.
	Manual bool
}

// The defaults of Config.
const (
	// defaultPoll is a judgement: seldom enough for a cluster to answer beside its
	// clients, and often enough for what is in transit to last from look to look.
	defaultPoll = 5 * time.Second
	// defaultWindow is two polls, so that no broker waits for the next look; what
	// producers notice of a longer one is in docs/mover.md.
	defaultWindow = 10 * time.Second
	// defaultGrace is longer than a pod takes to be scheduled anew and a broker to
	// load its logs after a clean stop. A judgement.
	defaultGrace = 5 * time.Minute
	// defaultRestoreAfter is what a person needs to see why the mover stopped. A
	// judgement.
	defaultRestoreAfter = time.Minute
)

// DefaultThrottle, in bytes per second, begins at what a small cloud disk bears
// beside its clients (an AWS gp3 volume gives 125 MB/s) and stays below a third
// of a 10 Gbit/s network.
var DefaultThrottle = ThrottlePolicy{Start: 20e6, Min: 1e6, Max: 400e6}

// ErrBusy says that another plan is being carried out.
var ErrBusy = errors.New("another plan is being carried out")

// Mover carries plans out, from state to state:
//
//	in          when                                                it goes to
//	idle        Start, and the preflight is content                 moving
//	moving      every move is settled, and was found so twice       cleaning
//	cancelling  every original placement is back, found so twice    cleaning
//	cleaning    no throttle of ours is left, and
//	              the run was cancelled                             cancelled
//	              there are drained brokers to prove empty          proving
//	              nothing else is to be done                        done
//	proving     a replica turned up on a drained broker             moving
//	            every drained broker is proven empty, and, where
//	            that was asked for, stopped and unregistered        done
//	any active  Cancel                                              cancelling
//	any active  another process claims the state                    failed
//
// New adopts whichever was written down; throttles that outlived their run are
// cleaned. Holding is no state of a run but what moving and cancelling look
// like while nothing may be submitted; Progress says why. When another process
// claims the state, what is in flight is that one's.
type Mover struct {
	cfg   Config
	turn  turn // of who works on what follows
	board *board
	story *narrator

	run      Run
	books    ledger
	batches  int
	stumbled time.Time // since when polls have come to nothing; zero: they do not

	work *work // what the loop remembers between polls
}

// adoptTimeout bounds reading and claiming the state of the last mover: the state
// topic takes up to a minute for each (adminclient).
const adoptTimeout = 2 * time.Minute

// New makes a mover and adopts what the last one left: a run that was under
// way goes on, throttles that outlived one are removed.
func New(ctx context.Context, cfg Config) (*Mover, error) {
	if cfg.Kafka == nil || cfg.Store == nil {
		return nil, errors.New("configuring the mover: Kafka and Store must be set")
	}
	cfg = withDefaults(cfg)
	m := &Mover{cfg: cfg, turn: newTurn(), story: newNarrator(cfg), books: ledger{store: cfg.Store}}
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	kv, err := m.cfg.Store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the mover's state: %w", err)
	}
	m.run, m.books.owned, err = decodeState(kv)
	if err != nil {
		return nil, fmt.Errorf("loading the mover's state: %w", err)
	}
	m.work = newWork(m.cfg, m.story)
	over := make(chan struct{})
	close(over)
	m.board = newBoard(status{progress: restingProgress(m.run), done: over})
	if err := m.turn.take(ctx); err != nil {
		return nil, err
	}
	defer m.yield()
	if !m.run.State.Active() && m.books.owned.empty() {
		return m, nil
	}
	if err := m.cfg.Store.Claim(ctx, m.cfg.Owner); err != nil {
		return nil, fmt.Errorf("claiming the mover's state: %w", err)
	}
	if !m.run.State.Active() {
		m.run.State = rebalance.Cleaning
	}
	m.story.event(EventState, fmt.Sprintf("adopting run %s, which is %s", m.run.ID, m.run.State))
	m.begin(cfg.CancelAdopted)
	return m, nil
}

func withDefaults(c Config) Config {
	if c.Throttle == (ThrottlePolicy{}) {
		c.Throttle = DefaultThrottle
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Poll, defaultPoll)
	def(&c.Window, defaultWindow)
	def(&c.Grace, defaultGrace)
	def(&c.RestoreAfter, defaultRestoreAfter)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Owner == "" {
		host, _ := os.Hostname()
		c.Owner = fmt.Sprintf("%s/%d/%d", host, os.Getpid(), time.Now().UnixNano())
	}
	return c
}

// yield publishes what the turn has come to, gives it back, and tells the
// events of it.
func (m *Mover) yield() {
	run, dropped := m.run, m.run.dropped()
	run.Moves = nil
	m.board.edit(func(s *status) { s.run, s.dropped = run, dropped })
	m.turn.give()
	m.story.outbox.empty(m.cfg.OnEvent)
}

// begin starts the loop; the run is active and the turn taken.
func (m *Mover) begin(cancel bool) {
	m.story.forget()
	m.work = newWork(m.cfg, m.story)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	m.board.edit(func(s *status) {
		s.looping, s.cancel, s.fault, s.done, s.stop = true, cancel, nil, done, stop
		s.progress.State = m.run.State
	})
	if !m.cfg.Manual {
		go m.loop(ctx)
	}
}

// loop steps until the run is over, another process owns it, or Close.
func (m *Mover) loop(ctx context.Context) {
	for ctx.Err() == nil {
		if over := m.Step(ctx); over {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(m.cfg.Poll):
		}
	}
	close(m.end(ctx.Err()))
}

// end notes that the run is over; who called it closes what it returns, once
// all is told.
func (m *Mover) end(err error) (done chan struct{}) {
	var stop func()
	m.board.edit(func(s *status) {
		s.looping, s.fault, done, stop = false, err, s.done, s.stop
		if err != nil {
			s.progress.State, s.progress.Why = rebalance.Failed, err.Error()
		}
	})
	stop()
	return done
}

// Step looks at the cluster once and does what is due. It returns true when the
// run is over, or is another's. An error of the cluster is not an end: the
// mover holds, says so, and looks again. It ends when ctx does, whether the
// cluster has answered or not.
func (m *Mover) Step(ctx context.Context) (over bool) {
	if err := m.turn.take(ctx); err != nil {
		return false
	}
	if !m.board.read().looping {
		m.yield()
		return true
	}
	over, fault := m.poll(ctx)
	if !over {
		m.yield()
		return false
	}
	done := m.end(fault)
	m.yield()
	close(done)
	return true
}

// poll is one Step of a run that is not over; fault is why it ends early.
func (m *Mover) poll(ctx context.Context) (over bool, fault error) {
	err := m.books.store.Check(ctx)
	if err == nil {
		err = m.step(ctx)
	}
	switch {
	case errors.Is(err, ErrTakenOver):
		return true, err
	case err != nil:
		m.stumble(err)
		return false, nil
	}
	m.recovered()
	return !m.run.State.Active(), nil
}

// step dispatches on the phase.
func (m *Mover) step(ctx context.Context) error {
	if m.board.read().cancel && !m.run.Back && m.run.ID != "" {
		m.run.Back = true
		if err := m.enter(ctx, rebalance.Cancelling, "a cancel was asked for"); err != nil {
			m.run.Back = false // it is tried again
			return err
		}
		m.board.edit(func(s *status) { s.cancel = false })
		m.work.restart()
	}
	switch m.run.State {
	case rebalance.Moving, rebalance.Cancelling:
		return m.stepMoves(ctx)
	case rebalance.Cleaning:
		return m.stepClean(ctx)
	case rebalance.Proving:
		return m.stepProve(ctx)
	}
	return nil
}

// enter writes the new phase down and then takes it.
func (m *Mover) enter(ctx context.Context, p rebalance.State, why string) error {
	next := m.run
	next.State, next.Why = p, why
	if !p.Active() {
		next.EndedAt = m.cfg.Now().UTC()
	}
	if err := m.books.head(ctx, next); err != nil {
		return err
	}
	m.run = next
	m.say(p, why)
	m.story.event(EventState, fmt.Sprintf("%s: %s", p, why))
	return nil
}

// say publishes a state and its reason.
func (m *Mover) say(state rebalance.State, why string) {
	m.board.edit(func(s *status) { s.progress.State, s.progress.Why = state, why })
}

func (m *Mover) hold(why string) {
	m.board.edit(func(s *status) { s.progress.State, s.progress.Why, s.progress.Rate = rebalance.Holding, why, 0 })
}

// Progress implements the controller's Mover. It is what the last look at the
// cluster has found, and waits for nobody.
func (m *Mover) Progress(context.Context) (rebalance.Progress, error) {
	return m.board.read().progress, nil
}

// Cancel asks for the original placement. It returns at once, whatever the
// mover waits for; Progress and Wait tell when it is true.
func (m *Mover) Cancel(context.Context) error {
	m.board.edit(func(s *status) { s.cancel = s.cancel || s.looping })
	return nil
}

// Wait returns when the run is over: nil when it ended as it should.
func (m *Mover) Wait(ctx context.Context) error {
	select {
	case <-m.board.read().done:
		return m.board.read().fault
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run is the run as it is written down, without its moves.
func (m *Mover) Run() Run { return m.board.read().run }

// Dropped lists the moves that were given up, with the reason.
func (m *Mover) Dropped() []Move { return slices.Clone(m.board.read().dropped) }

// Close stops the loop. What is in flight goes on in the cluster, under its
// throttle; the next New adopts it.
func (m *Mover) Close() {
	s := m.board.read()
	if m.cfg.Manual || !s.looping {
		return
	}
	s.stop()
	<-s.done
}
