package simulations

import (
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// Series are what a report draws: one value a point, each point the worst (or
// the mean, where that is what counts) of the ticks it stands for.
type Series struct {
	Start       time.Time
	Step        time.Duration
	Load        []float64 // bytes per second produced; mean
	Brokers     []float64
	Replicas    []float64
	Utilisation []float64 // of the fullest broker; highest
	P99         []float64 // seconds; highest
	LagSeconds  []float64 // of the worst group; highest
	Moving      []float64 // bytes per second; mean
	Violation   []float64 // share of the ticks
	// Heat is by broker and point: the utilisation; NaN never, −1 where there
	// is no such broker.
	Heat [][]float64
	// Groups are the consumer groups, at the end of each point.
	Groups []GroupSeries
}

// GroupSeries is one group over time.
type GroupSeries struct {
	Name string
	Want []float64 // replicas asked for
	Lag  []float64 // records, as committed offsets show it
}

// keeper thins a run to its series.
type keeper struct {
	every  int
	n      int
	series Series
	moved  float64
	sums   struct{ load, violation, lag, util, p99 float64 }
}

func newKeeper(ticks, points int, w *world.World) *keeper {
	k := &keeper{}
	if points <= 0 {
		return k
	}
	k.every = max(1, (ticks+points-1)/points)
	k.series = Series{Start: w.Now(), Step: time.Duration(k.every) * w.TickLength()}
	return k
}

func (k *keeper) tick(w *world.World) {
	if k.every == 0 {
		return
	}
	m := w.Seen()
	s := &k.sums
	s.load += m.BytesIn
	if m.Violation {
		s.violation++
	}
	s.util = max(s.util, min(m.Utilisation, 2))
	s.p99 = max(s.p99, m.P99)
	for i := range w.Groups() {
		s.lag = max(s.lag, w.Group(i).LagSeconds)
	}
	if k.n++; k.n%k.every == 0 {
		k.point(w)
	}
}

func (k *keeper) point(w *world.World) {
	s, n := &k.series, float64(k.every)
	have, _ := w.Brokers()
	replicas := 0
	for i := range w.Groups() {
		g := w.Group(i)
		replicas += g.Want
		if len(s.Groups) <= i {
			s.Groups = append(s.Groups, GroupSeries{Name: g.Spec.Name})
		}
		s.Groups[i].Want, s.Groups[i].Lag = append(s.Groups[i].Want, float64(g.Want)), append(s.Groups[i].Lag, g.Lag)
	}
	at := len(s.Load)
	s.Load = append(s.Load, k.sums.load/n)
	s.Brokers = append(s.Brokers, float64(have))
	s.Replicas = append(s.Replicas, float64(replicas))
	s.Utilisation = append(s.Utilisation, k.sums.util)
	s.P99 = append(s.P99, k.sums.p99)
	s.LagSeconds = append(s.LagSeconds, k.sums.lag)
	s.Violation = append(s.Violation, k.sums.violation/n)
	s.Moving = append(s.Moving, (w.Totals.BytesMoved-k.moved)/s.Step.Seconds())
	k.moved = w.Totals.BytesMoved
	for len(s.Heat) < have {
		row := make([]float64, at)
		for i := range row {
			row[i] = -1
		}
		s.Heat = append(s.Heat, row)
	}
	for i := range s.Heat {
		v := -1.0
		if i < have {
			v = min(w.Utilisation(i), 2)
		}
		s.Heat[i] = append(s.Heat[i], v)
	}
	k.sums = struct{ load, violation, lag, util, p99 float64 }{}
}
