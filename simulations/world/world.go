package world

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// World is a cluster in memory. It is not safe for concurrent use.
type World struct {
	cfg     Config
	start   time.Time
	now     time.Time
	tick    time.Duration
	dt      float64 // seconds a tick
	ticks   int
	classes []class
	p       []float64 // demand now of one unit of each class
	r       []float64 // the same for what counts records: p, unless the size of messages drifts
	drifts  bool

	brokers []broker
	topics  []topic
	parts   []partition
	groups  []group
	byTopic map[string]int
	zoneNos map[string]int
	inZone  []bool // by zone; see zoneStep
	// The replication factors that occur.
	leastReplicas, mostReplicas int

	nowhere  []float64 // weight by class of partitions that cannot be written
	total    []float64 // weight by class of all partitions
	stranded []float64 // bytes by class that wait for a partition to come back
	backlogs bool      // some broker, or nowhere, has a backlog

	pending  schedule
	moves    moving
	faults   faultState
	catching int // brokers that catch up
	extra    bool
	units    []Demand // by class
	unitsFor int
	Totals   Totals
	seen     Minute
	actions  []ActionAt

	coldReads float64 // bytes per second that readers took from disks in the last tick
	shot      snapshotter
	placed    int // how often the placement has changed
	pasts     map[pastKey]*past
	outages   []outage
}

// class is the topics that share a profile and a retention: one unit of it
// carries the profile's demand. Logs are followed per class.
type class struct {
	profile   int
	retention time.Duration
	cap       float64 // bytes per unit that retention.bytes allows; +Inf is without bound
	written   float64 // bytes per unit accepted since the start
	deleted   float64
	stored    float64
	ring      []float64 // written, at every logResolution
	head      int
	filled    int
	records   int // see TopicSpec.Records
	// messageBytes is the mean size of the class's messages, where records are
	// followed.
	messageBytes float64
}

type broker struct {
	id     int
	zone   string
	zoneNo int // equal for brokers of one zone
	shape  cluster.Capacity
	state  cluster.BrokerState // alive, dead; fenced while the pod starts
	ready  time.Time
	leads  int
	holds  int // replicas, and copies under way
	in     []float64
	out    []float64
	cpu    []float64
	size   []float64
	lead   []float64
	queue  []float64 // bytes by class that producers still hold
	queued bool

	diskFactor, netFactor float64
	diedAt                []float64 // written, by class, when it died
	missing               float64   // bytes to catch up
	moveIn, moveOut       float64   // bytes per second of moves and catch-up, now
	flowsIn, flowsOut     int       // moves that copy to it and from it now
	copied                float64   // bytes of copies not yet complete

	use    use
	served float64 // share of the demand served in the last tick
}

// use is what a broker carried in the last tick.
type use struct {
	in, out, cpu, disk float64 // bytes per second; cores
	u                  float64 // the fullest resource, as a share
	resource           string
	p99                float64 // seconds
	moveIn             float64 // the part of in that is moves and catch-up
}

type topic struct {
	spec         TopicSpec
	class        int
	first        int32 // index of its partition 0
	readers      int   // groups that read it now
	labels       metrics.Labels
	messageBytes float64
	// cores per byte per second on the leader without its readers, each
	// reader's, and a follower's.
	leaderCPU, readerCPU, followerCPU float64
}

type partition struct {
	id       int32
	topic    int32
	leader   int32 // −1: none
	isr      uint16
	writable bool
	moving   bool
	share    float64 // of the topic's load, times the topic's scale
	bytes    float64 // of the topic's size, times the topic's scale
	replicas []int32
}

// Totals are what a run adds up.
type Totals struct {
	BrokerSeconds     float64
	ReplicaSeconds    float64
	ViolationSeconds  float64
	OverloadSeconds   float64
	Actions           int
	BytesMoved        float64
	BytesCaughtUp     float64
	Offered           float64 // bytes that producers had to send
	Accepted          float64
	Rejected          float64 // given up after the delivery timeout
	RecordsIn         float64 // of every group's topics, while it reads
	RecordsConsumed   float64
	DiskByteSeconds   float64
	CrossZoneBytes    float64
	UnavailableSecond float64 // partition-seconds without a writable leader
}

// ActionAt is one change of size, with who was changed.
type ActionAt struct {
	Time     time.Time
	Target   string
	From, To int
	Why      string
}

// Minute is what the last tick looked like.
type Minute struct {
	Time        time.Time
	BytesIn     float64 // produced
	Utilisation float64 // the fullest broker's
	MeanCPU     float64 // of alive brokers, as a share
	P99         float64 // seconds, the worst broker's
	Overload    bool
	Violation   bool
	Offline     int
}

// ErrHoldsData says that a broker cannot be taken away because it has replicas.
var ErrHoldsData = errors.New("broker still holds replicas")

// New builds a world at cfg.Start.
func New(cfg Config) (*World, error) {
	if cfg.Tick <= 0 {
		cfg.Tick = time.Minute
	}
	w := &World{cfg: cfg, start: cfg.Start, now: cfg.Start, tick: cfg.Tick, dt: cfg.Tick.Seconds(), byTopic: map[string]int{}, zoneNos: map[string]int{}}
	w.faults.init()
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("building the world: it has no brokers")
	}
	for _, p := range cfg.Profiles {
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("building the world: %w", err)
		}
	}
	if err := w.addTopics(); err != nil {
		return nil, err
	}
	w.nowhere = make([]float64, len(w.classes))
	w.total = make([]float64, len(w.classes))
	w.stranded = make([]float64, len(w.classes))
	w.p = make([]float64, len(w.classes))
	w.r = w.p
	if w.drifts = slices.ContainsFunc(w.classes, func(c class) bool { return c.records > 0 }); w.drifts {
		w.r = make([]float64, len(w.classes))
	}
	w.fillLogs()
	for _, b := range cfg.Brokers {
		w.addBroker(b.Zone, b.Capacity)
	}
	for i := range w.brokers {
		w.brokers[i].state = cluster.BrokerAlive
	}
	w.addGroups()
	w.shot.dirty = make([]bool, len(w.parts))
	if err := w.place(); err != nil {
		return nil, err
	}
	for _, e := range cfg.Events {
		w.pending.add(cfg.Start.Add(e.At), happening{kind: hapEvent, event: e})
	}
	w.demand()
	w.flow()
	return w, nil
}

// Now is the world's time. It makes the world a controller.Clock.
func (w *World) Now() time.Time { return w.now }

// TickLength is the world's step.
func (w *World) TickLength() time.Duration { return w.tick }

// Seen is the last tick as it was measured.
func (w *World) Seen() Minute { return w.seen }

// Placements counts the changes of replicas and leaders so far.
func (w *World) Placements() int { return w.placed }

// Actions are the changes of size so far.
func (w *World) Actions() []ActionAt { return w.actions }

// Step moves the world on by one tick.
func (w *World) Step() {
	w.now = w.now.Add(w.tick)
	w.ticks++
	w.happen()
	w.demand()
	if w.moves.busy() || w.catching > 0 || w.extra {
		w.copyData()
	}
	w.flow()
	w.consume()
	w.account()
	if w.now.Sub(w.start)%logResolution == 0 {
		w.rollLogs()
	}
}

func (w *World) demand() {
	for i := range w.classes {
		w.p[i] = w.cfg.Profiles[w.classes[i].profile].At(w.now)
	}
	if !w.drifts {
		return
	}
	for i := range w.classes {
		w.r[i] = w.recordDemand(i, w.now)
	}
}

// recordDemand is the demand at t of one unit of a class, in bytes of its mean
// message: what arrives in records is that over the mean.
func (w *World) recordDemand(i int, t time.Time) float64 {
	c := &w.classes[i]
	if c.records > 0 {
		return w.cfg.Profiles[c.records-1].At(t) * c.messageBytes
	}
	return w.cfg.Profiles[c.profile].At(t)
}

// account adds the tick to the totals.
func (w *World) account() {
	t := &w.Totals
	t.BrokerSeconds += float64(len(w.brokers)) * w.dt
	violation := w.seen.Offline > 0
	if slo := w.cfg.SLO.ProduceP99.Seconds(); slo > 0 && w.seen.P99 > slo {
		violation = true
	}
	for i := range w.groups {
		g := &w.groups[i]
		t.ReplicaSeconds += float64(g.want) * w.dt
		if limit := g.spec.MaxLag.Seconds(); limit > 0 && g.lagSeconds > limit {
			violation = true
		}
	}
	if w.seen.Overload {
		t.OverloadSeconds += w.dt
	}
	if violation {
		t.ViolationSeconds += w.dt
	}
	w.seen.Violation = violation
	t.UnavailableSecond += float64(w.seen.Offline) * w.dt
	for i := range w.classes {
		t.DiskByteSeconds += w.classes[i].stored * w.total[i] * w.dt
	}
}

func (w *World) act(target string, from, to int, why string) {
	w.Totals.Actions++
	w.actions = append(w.actions, ActionAt{w.now, target, from, to, why})
}

// Profile values are finite, so a class without traffic has a zero, not a NaN.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

func capOf(unit float64) float64 {
	if unit <= 0 {
		return math.Inf(1)
	}
	return unit
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
