package policies

import (
	"context"

	"github.com/tidetable/tidetable/simulations/world"
)

// Reactive keeps measured throughput at a target utilisation: no forecast, no
// lag. It is what a well-kept script or a Prometheus-fed autoscaler does.
type Reactive struct {
	opts Options
	op   operator
	slow window
	want int
}

// NewReactive makes the policy.
func NewReactive(o Options) *Reactive {
	o = o.WithDefaults()
	return &Reactive{opts: o, op: operator{planner: o.Planner}}
}

// Name is the policy's word in reports.
func (*Reactive) Name() string { return ReactiveName }

// Tick looks every Interval.
func (r *Reactive) Tick(ctx context.Context, w *world.World) error {
	if r.want == 0 {
		r.want, _ = w.Brokers()
		r.slow.span = r.opts.ScaleInAfter
	}
	if !w.MetricsDown() && w.Now().Sub(w.Config().Start)%r.opts.Interval < w.TickLength() {
		for i := range w.Groups() {
			g := w.Group(i)
			n := replicas(g, ceil(g.Arrives/(r.opts.TargetUtilisation*g.Spec.PerReplica)))
			if err := w.SetConsumers(i, n, "throughput"); err != nil {
				return err
			}
		}
		have, _ := w.Brokers()
		n := r.opts.brokers(w, w.Sizing().Brokers(w.Sizing().Measured(), r.opts.TargetUtilisation, r.opts.DiskFill))
		highest := r.slow.highest(w.Now(), n)
		r.want = n
		if n < have {
			r.want = min(have, highest)
		}
	}
	return r.op.tick(ctx, w, r.want, "throughput")
}
