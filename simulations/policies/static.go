package policies

import (
	"context"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// Static is sized once for the highest demand of the whole scenario at the
// target utilisation, and the most that is stored: what a good capacity meeting
// gives that knew the future. Its brokers are evened out as everybody's are.
type Static struct {
	opts     Options
	op       operator
	brokers  int
	replicas []int
}

// NewStatic makes the policy.
func NewStatic(o Options) *Static {
	o = o.WithDefaults()
	return &Static{opts: o, op: operator{planner: o.Planner}}
}

// Name is the policy's word in reports.
func (*Static) Name() string { return StaticName }

// Tick sizes once and then keeps to it.
func (s *Static) Tick(ctx context.Context, w *world.World) error {
	if s.brokers == 0 {
		s.plan(w)
		for i, n := range s.replicas {
			if err := w.SetConsumers(i, n, "static peak"); err != nil {
				return err
			}
		}
	}
	return s.op.tick(ctx, w, s.brokers, "static peak")
}

func (s *Static) plan(w *world.World) {
	s.replicas = make([]int, w.Groups())
	var peak world.Footprint
	step := max(5*time.Minute, w.TickLength())
	for t := w.Now(); !t.After(s.opts.End); t = t.Add(step) {
		d := w.Sizing().Rates(t)
		peak.In, peak.Out = max(peak.In, d.In), max(peak.Out, d.Out)
		peak.CPU, peak.DiskWrite = max(peak.CPU, d.CPU), max(peak.DiskWrite, d.DiskWrite)
		peak.Disk = max(peak.Disk, w.Sizing().Stored(t))
		for i := range s.replicas {
			g := w.Group(i)
			s.replicas[i] = max(s.replicas[i], replicas(g, ceil(w.Sizing().Records(i, t)/(s.opts.TargetUtilisation*g.Spec.PerReplica))))
		}
	}
	s.brokers = s.opts.brokers(w, w.Sizing().Brokers(peak, s.opts.TargetUtilisation, s.opts.DiskFill))
}

// Size is how many brokers it will have of the world that it has not seen yet.
func (s *Static) Size(w *world.World) int {
	s.plan(w)
	return s.brokers
}
