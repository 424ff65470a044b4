// Package simulations runs what-ifs: a scenario's world, a policy that sizes
// it, and what came of it. What is simulated is what runs: tidetable's own
// policy is the production loop, given a simulated observer, scalers, mover
// and clock.
package simulations

import (
	"context"
	"fmt"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/world"
)

// Measures are what a run is judged by. The JSON names are a contract.
type Measures struct {
	BrokerHours         float64 `json:"brokerHours"`
	ReplicaHours        float64 `json:"replicaHours"`
	SLOViolationMinutes float64 `json:"sloViolationMinutes"`
	OverloadMinutes     float64 `json:"overloadMinutes"`
	ScaleActions        int     `json:"scaleActions"`
	BytesMoved          float64 `json:"bytesMoved"`
	CrossZoneBytes      float64 `json:"crossZoneBytes"` // of what was moved
	Cost                float64 `json:"cost"`
	RejectedBytes       float64 `json:"rejectedBytes"`
	UnavailableMinutes  float64 `json:"unavailablePartitionMinutes"`
}

// Run is one policy in one world.
type Run struct {
	Policy    string
	Run       int
	Measures  Measures
	Series    Series
	Actions   []world.ActionAt
	Decisions []decision.Decision // tidetable's own, thinned

	stored float64 // byte-seconds on disks
}

// Decider is a policy that writes down why: the production loop is one.
type Decider interface {
	Decisions() []decision.Decision
}

// pricer prices what a run used.
type pricer func(brokerHours, replicaHours, diskByteSeconds, crossZoneBytes float64) float64

// options of one run.
type runOptions struct {
	end      time.Time
	points   int // about how many points of series to keep; zero keeps none
	price    pricer
	progress func(ticks int)
}

const progressEvery = 500 // ticks

// simulate runs a policy through a world to its end.
func simulate(ctx context.Context, c world.Config, p policies.Policy, o runOptions) (Run, error) {
	w, err := world.New(c)
	if err != nil {
		return Run{}, err
	}
	ticks := int(o.end.Sub(c.Start) / w.TickLength())
	r := Run{Policy: p.Name()}
	keep := newKeeper(ticks, o.points, w)
	for i := range ticks {
		if i%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return Run{}, err
			}
			if o.progress != nil && i > 0 {
				o.progress(progressEvery)
			}
		}
		if !w.LoopDown() {
			if err := p.Tick(ctx, w); err != nil {
				return Run{}, fmt.Errorf("running %s at %s: %w", p.Name(), w.Now().Format(time.RFC3339), err)
			}
		}
		w.Step()
		keep.tick(w)
	}
	if o.progress != nil {
		o.progress(ticks - (max(ticks-1, 0)/progressEvery)*progressEvery)
	}
	r.Measures, r.stored = measure(w, o.price), w.Totals.DiskByteSeconds
	r.Series, r.Actions = keep.series, w.Actions()
	if d, ok := p.(Decider); ok {
		r.Decisions = d.Decisions()
	}
	return r, nil
}

func measure(w *world.World, price pricer) Measures {
	t := w.Totals
	m := Measures{
		BrokerHours: t.BrokerSeconds / 3600, ReplicaHours: t.ReplicaSeconds / 3600,
		SLOViolationMinutes: t.ViolationSeconds / 60, OverloadMinutes: t.OverloadSeconds / 60,
		ScaleActions: t.Actions, BytesMoved: t.BytesMoved, CrossZoneBytes: t.CrossZoneBytes, RejectedBytes: t.Rejected,
		UnavailableMinutes: t.UnavailableSecond / 60,
	}
	if price != nil {
		m.Cost = price(m.BrokerHours, m.ReplicaHours, t.DiskByteSeconds, t.CrossZoneBytes)
	}
	return m
}
