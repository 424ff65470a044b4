package world

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
)

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
	Full        bool // some broker's disk is full
}

// account adds the tick to the totals.
func (w *World) account() {
	t, dt := &w.Totals, w.time.dt
	t.BrokerSeconds += float64(len(w.place.brokers)) * dt
	w.seen.Full = w.place.full()
	violation := w.seen.Offline > 0 || w.seen.Full
	if slo := w.cfg.SLO.ProduceP99.Seconds(); slo > 0 && w.seen.P99 > slo {
		violation = true
	}
	for i := range w.consumers.groups {
		g := &w.consumers.groups[i]
		t.ReplicaSeconds += float64(g.want) * dt
		if limit := g.spec.MaxLag.Seconds(); limit > 0 && g.lagSeconds > limit {
			violation = true
		}
	}
	if w.seen.Overload {
		t.OverloadSeconds += dt
	}
	if violation {
		t.ViolationSeconds += dt
	}
	w.seen.Violation = violation
	t.UnavailableSecond += float64(w.seen.Offline) * dt
	for k := range w.place.logs {
		t.DiskByteSeconds += w.place.logs[k].stored * w.place.total[k] * dt
	}
}

// Now is the world's time. It makes the world a controller.Clock.
func (w *World) Now() time.Time { return w.time.now }

// TickLength is the world's step.
func (w *World) TickLength() time.Duration { return w.time.tick }

// Config is how the world was built.
func (w *World) Config() Config { return w.cfg }

// Seen is the last tick as it was measured.
func (w *World) Seen() Minute { return w.seen }

// Placements counts the changes of replicas and leaders so far.
func (w *World) Placements() int { return w.place.changes }

// Actions are the changes of size so far.
func (w *World) Actions() []ActionAt { return w.actions }

// MetricsDown tells whether nothing measured can be read.
func (w *World) MetricsDown() bool { return w.faults.metrics > 0 }

// LoopDown tells whether the policy is out.
func (w *World) LoopDown() bool { return w.faults.loop > 0 }

// Observer describes the cluster as Kafka and Prometheus would.
func (w *World) Observer() *Observer { return &w.observer }

// History tells what topics were asked for, as Prometheus would.
func (w *World) History() *History { return &w.history }

// Sizing is what the traffic costs, and how many brokers carry that.
func (w *World) Sizing() *Sizing { return &w.sizing }

// Brokers is how many brokers there are, and how many of them are alive.
func (w *World) Brokers() (have, alive int) {
	for i := range w.place.brokers {
		if w.place.brokers[i].state == cluster.BrokerAlive {
			alive++
		}
	}
	return len(w.place.brokers), alive
}

// Moving tells whether data is being moved, and how many bytes are left.
func (w *World) Moving() (busy bool, left float64) { return w.moves.busy(), w.moves.left() }

// Groups is how many groups there are.
func (w *World) Groups() int { return len(w.consumers.groups) }

// GroupView is what can be measured of one group.
type GroupView struct {
	Spec       GroupSpec
	Want       int
	Ready      int
	Partitions int
	Arrives    float64 // records per second
	Consumed   float64
	Lag        float64 // records, as committed offsets show it
	LagSeconds float64
}

// Group is the i-th group now.
func (w *World) Group(i int) GroupView {
	g := &w.consumers.groups[i]
	return GroupView{
		Spec: g.spec, Want: g.want, Ready: g.ready, Partitions: len(g.parts),
		Arrives: g.arrives, Consumed: g.consumed, Lag: g.lag + g.consumed*g.uncommitted(), LagSeconds: g.lagSeconds,
	}
}

// Utilisation is the i-th broker's fullest resource, as a share.
func (w *World) Utilisation(i int) float64 { return w.place.brokers[i].use.u }

// ratio is zero where there is nothing to divide by. Profile values are finite,
// so a class without traffic has a zero, not a NaN.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}
