// Package policies is what tidetable is compared with: how teams size Kafka
// today, and an oracle that knows the future. Each looks at the same world
// through the same measurements, and acts through the same operator.
package policies

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// The names of the policies in scenarios and reports; tidetable's own is the
// production loop, which package simulations builds.
const (
	StaticName    = "static"
	HPAName       = "hpa-cpu"
	KEDAName      = "keda-lag"
	KEDARateName  = "keda-rate"
	KEDACronName  = "keda-cron"
	ReactiveName  = "reactive"
	TidetableName = "tidetable"
	OracleName    = "oracle"
	// JustInTimeName is for replays only: it has nothing for brokers.
	JustInTimeName = "just-in-time"
)

// Policy sizes a world. Tick is called once a tick, and never while the
// scenario says that the loop is out.
type Policy interface {
	Name() string
	Tick(ctx context.Context, w *world.World) error
}

// Options are the settings of the comparison policies; the zero value of each
// field takes its default.
type Options struct {
	MinBrokers, MaxBrokers int
	TargetUtilisation      float64       // of reactive, and of static's peak; 0.7
	TargetCPU              float64       // of HPA; 0.7
	LagSeconds             float64       // KEDA's lagThreshold, in seconds of one replica's work; 10
	ScaleInAfter           time.Duration // reactive's and HPA's scale-in of brokers; 24 hours
	Interval               time.Duration // of reactive; 5 minutes
	DiskFill               float64       // 0.8
	End                    time.Time     // of the scenario; for static, which knows it in hindsight
	Planner                Planner       // of moves; the world's greedy one
}

// WithDefaults fills what is zero.
func (o Options) WithDefaults() Options {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.TargetUtilisation, 0.7)
	def(&o.TargetCPU, 0.7)
	def(&o.LagSeconds, 10)
	def(&o.DiskFill, 0.8)
	if o.ScaleInAfter == 0 {
		o.ScaleInAfter = 24 * time.Hour // of 30 m, 6 h and 24 h the cheapest on the traces that constants are chosen on
	}
	if o.Interval == 0 {
		o.Interval = 5 * time.Minute
	}
	if o.Planner == nil {
		o.Planner = greedy{}
	}
	if o.MaxBrokers == 0 {
		o.MaxBrokers = 1000
	}
	return o
}

func (o Options) brokers(w *world.World, n int) int {
	return min(max(n, o.MinBrokers, w.Sizing().MinBrokers()), o.MaxBrokers)
}

// replicas bounds a group's replicas by its policy and by its partitions.
func replicas(g world.GroupView, n int) int {
	most := g.Partitions
	if g.Spec.Max > 0 {
		most = min(most, g.Spec.Max)
	}
	return min(max(n, g.Spec.Min, 1), most)
}

// window keeps the highest wish of a stretch of time: scale-in follows it only
// when it has been lower for all of that time.
type window struct {
	span time.Duration
	at   []time.Time
	n    []int
}

func (s *window) highest(now time.Time, n int) int {
	for len(s.n) > 0 && s.n[len(s.n)-1] <= n { // a later, higher wish outlives an earlier, lower one
		s.n, s.at = s.n[:len(s.n)-1], s.at[:len(s.at)-1]
	}
	s.n, s.at = append(s.n, n), append(s.at, now)
	for now.Sub(s.at[0]) >= s.span && len(s.n) > 1 {
		s.n, s.at = s.n[1:], s.at[1:]
	}
	return s.n[0]
}

func ceil(v float64) int { return int(math.Ceil(v - 1e-9)) }
