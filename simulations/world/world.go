package world

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// World is a cluster in memory. It is not safe for concurrent use. Its parts
// stand on one another in this order, and none knows one that comes after it:
//
//	timeline → load → placement with its logs → traffic, consumers
//	→ reassignments, health with its faults → Observer, History, Sizing
type World struct {
	// Totals are what happened so far.
	Totals Totals

	cfg       Config
	time      timeline
	load      load
	place     placement
	traffic   traffic
	consumers consumers
	moves     reassignments
	faults    faults
	health    health
	observer  Observer
	history   History
	sizing    Sizing

	copying bool // data were copied in the last tick
	seen    Minute
	actions []ActionAt
}

// ErrHoldsData says that a broker cannot be taken away because it has replicas.
var ErrHoldsData = errors.New("broker still holds replicas")

// New builds a world at cfg.Start.
func New(cfg Config) (*World, error) {
	if cfg.Tick <= 0 {
		cfg.Tick = time.Minute
	}
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("building the world: it has no brokers")
	}
	for _, p := range cfg.Profiles {
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("building the world: %w", err)
		}
	}
	w := &World{cfg: cfg, time: newTimeline(cfg.Start, cfg.Tick)}
	w.place = placement{byTopic: map[string]int{}, zoneNos: map[string]int{}}
	classes, err := w.place.addTopics(cfg.Topics, len(cfg.Profiles))
	if err != nil {
		return nil, err
	}
	w.load = newLoad(cfg.Profiles, classes)
	w.assemble()
	w.place.logs.fill(&w.load, cfg.Start)
	w.place.sizeTopics()
	for _, b := range cfg.Brokers {
		w.place.addBroker(b.Zone, b.Capacity).state = cluster.BrokerAlive
	}
	w.consumers.add(cfg.Groups)
	if err := w.place.place(); err != nil {
		return nil, err
	}
	for _, e := range cfg.Events {
		w.time.pending.add(cfg.Start.Add(e.At), happening{kind: hapEvent, event: e})
	}
	w.load.set(w.time.now)
	w.flow()
	w.consumers.before()
	return w, nil
}

// assemble gives every part those that it stands on.
func (w *World) assemble() {
	n := len(w.load.classes)
	w.place.nowhere, w.place.total = make([]float64, n), make([]float64, n)
	w.place.dirty = make([]bool, len(w.place.parts))
	w.faults.down = map[int]int{}
	w.traffic = traffic{place: &w.place, load: &w.load, totals: &w.Totals, stranded: make([]float64, n)}
	w.consumers = consumers{place: &w.place, load: &w.load, totals: &w.Totals, time: &w.time, times: w.cfg.Times}
	w.moves = reassignments{place: &w.place, load: &w.load, totals: &w.Totals, time: &w.time, throttle: w.cfg.Throttle}
	w.health = health{
		place: &w.place, load: &w.load, traffic: &w.traffic, faults: &w.faults, time: &w.time, times: w.cfg.Times, totals: &w.Totals,
	}
	w.observer = Observer{
		clusterID: w.cfg.ClusterID, scrape: w.cfg.Scrape, place: &w.place, load: &w.load, consumers: &w.consumers, moves: &w.moves,
		faults: &w.faults, time: &w.time,
	}
	w.history = History{scrape: w.cfg.Scrape, place: &w.place, load: &w.load, faults: &w.faults, time: &w.time}
	w.sizing = Sizing{place: &w.place, load: &w.load, consumers: &w.consumers, time: &w.time}
}

// Step moves the world on by one tick.
func (w *World) Step() {
	w.time.now = w.time.now.Add(w.time.tick)
	for h, ok := w.time.due(); ok; h, ok = w.time.due() {
		w.happen(h)
	}
	w.load.set(w.time.now)
	w.copyData()
	w.flow()
	w.consumers.consume()
	w.account()
	if w.time.now.Sub(w.time.start)%logResolution == 0 {
		w.place.logs.roll()
	}
}

// copyData moves data for one tick, and takes the last tick's flows away.
func (w *World) copyData() {
	busy := w.moves.busy() || w.health.catching > 0
	if !busy && !w.copying {
		return
	}
	w.copying = busy
	for i := range w.place.brokers {
		w.place.brokers[i].moveIn, w.place.brokers[i].moveOut = 0, 0
	}
	w.moves.copyData()
	w.health.catchUp()
}

func (w *World) flow() {
	w.seen = w.traffic.flow(w.time.dt, w.consumers.cold)
	w.seen.Time = w.time.now
}

func (w *World) happen(h happening) {
	switch h.kind {
	case hapEvent:
		w.begin(h.event)
	case hapEventEnds:
		w.end(h.event)
	case hapBrokerUp:
		w.health.brokerUp(h.id)
	case hapConsumers:
		if w.faults.pods > 0 {
			w.time.in(podRetry, h)
			return
		}
		w.consumers.ready(h.id, h.n)
	case hapElect:
		w.place.electPreferred()
	}
}

func (w *World) begin(e Event) {
	if e.For > 0 {
		w.time.pending.add(w.time.start.Add(e.At+e.For), happening{kind: hapEventEnds, event: e})
	}
	switch e.Kind {
	case BrokerDown, ZoneDown:
		for _, i := range w.health.of(e) {
			w.health.brokerDown(i)
		}
	case SlowDisk, NetworkCut:
		for _, i := range w.health.of(e) {
			w.place.brokers[i].slow(e.Kind, e.Factor)
		}
	case RetentionScale:
		w.scaleRetention(e)
	case GroupStarts:
		w.consumers.start(e.Group)
	case MachineChange:
		w.cfg.NewShape = e.Shape
	default:
		w.faults.begin(e.Kind, w.time.now)
	}
}

func (w *World) end(e Event) {
	switch e.Kind {
	case BrokerDown, ZoneDown:
		for _, i := range w.health.of(e) {
			w.health.faultOver(i)
		}
	case SlowDisk, NetworkCut:
		for _, i := range w.health.of(e) {
			w.place.brokers[i].slow(e.Kind, 1)
		}
	default:
		w.faults.end(e.Kind, w.time.now)
	}
}

// scaleRetention applies to whole classes: a class is the topics that share a
// profile and a retention.
func (w *World) scaleRetention(e Event) {
	for k := range w.place.logs {
		if e.Topic < 0 || w.place.topics[e.Topic].class == k {
			w.place.logs[k].scaleRetention(e.Factor)
		}
	}
	w.observer.topics = nil // their configuration says the new retention
}

// SetBrokers asks for n brokers, as the replicas of a StatefulSet: new ones
// take the next ordinals and zones in turn, and only the highest ordinals
// leave. A broker that holds replicas is never taken away.
func (w *World) SetBrokers(n int, why string) error {
	if n < 1 {
		return fmt.Errorf("scaling brokers to %d: at least one is needed", n)
	}
	have := len(w.place.brokers)
	for i := have - 1; i >= n; i-- {
		if w.place.brokers[i].holds > 0 {
			return fmt.Errorf("scaling brokers from %d to %d: broker %d: %w", have, n, i, ErrHoldsData)
		}
	}
	if n == have {
		return nil
	}
	for i := n; i < have; i++ {
		b := &w.place.brokers[i]
		w.health.giveUpCatchUp(b)
		w.traffic.leave(b)
	}
	if n < have {
		w.place.brokers = w.place.brokers[:n]
		w.faults.forget(n)
	}
	for i := have; i < n; i++ {
		w.startBroker()
	}
	w.act("brokers", have, n, why)
	return nil
}

func (w *World) startBroker() {
	zone := ""
	if len(w.cfg.Zones) > 0 {
		zone = w.cfg.Zones[len(w.place.brokers)%len(w.cfg.Zones)]
	}
	b := w.place.addBroker(zone, w.cfg.NewShape)
	b.ready = w.time.now.Add(w.cfg.Times.PodStart + w.cfg.Times.BrokerJoin)
	w.time.pending.add(b.ready, happening{kind: hapBrokerUp, id: b.id})
}

// SetConsumers asks for n replicas of a group's workload. New ones are ready
// after the start time; taken ones leave at once. Either way the group stands
// still while it rebalances.
func (w *World) SetConsumers(i, n int, why string) error {
	was, err := w.consumers.scale(i, n)
	if err != nil || was == n {
		return err
	}
	w.act(w.consumers.groups[i].spec.Name, was, n, why)
	return nil
}

// Move asks for moves. A move of a partition that is being moved is refused, as
// is one to a broker that does not exist or would break the replica list; then
// none of them is made.
func (w *World) Move(moves []cluster.Move) error {
	wishes, err := w.place.wishes(moves)
	if err != nil {
		return err
	}
	return w.moves.submit(wishes)
}

func (w *World) act(target string, from, to int, why string) {
	w.Totals.Actions++
	w.actions = append(w.actions, ActionAt{w.time.now, target, from, to, why})
}
