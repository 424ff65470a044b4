package policies

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// The horizontal pod autoscaler's documented behaviour
// (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale): desired
// = ceil(current · metric / target), nothing within 10 %, scale-in to the
// highest wish of the last five minutes, and scale-out by at most four pods or
// a doubling every 15 seconds.
const (
	hpaTolerance     = 0.1
	hpaStabilisation = 5 * time.Minute
	hpaPeriod        = 15 * time.Second
)

// behaviour is what spec.behavior of an HPA bounds; its zero value is
// Kubernetes' defaults.
type behaviour struct {
	// upPercent and downPercent of the pods may come and go in a minute.
	upPercent, downPercent float64
}

// autoscaler is the HPA's arithmetic for one workload.
type autoscaler struct {
	behaviour
	down   window
	synced time.Time
}

// due tells whether the HPA looks now: every 15 seconds, however fine the
// simulation's tick is.
func (a *autoscaler) due(now time.Time) bool {
	if !a.synced.IsZero() && now.Sub(a.synced) < hpaPeriod {
		return false
	}
	a.synced = now
	return true
}

// wish is the number of replicas that a resource metric asks for, ratio being the
// ready pods' mean over the target. As documented, pods that are not ready are
// left out; when that would scale out they count as using nothing, and nothing
// changes where that turns the direction round.
func wish(current, ready int, ratio float64) int {
	if ready == 0 || math.Abs(ratio-1) <= hpaTolerance {
		return current
	}
	count := ready
	if ratio > 1 && ready < current {
		ratio *= float64(ready) / float64(current)
		if count = current; ratio <= 1+hpaTolerance {
			return current
		}
	}
	n := ceil(float64(count) * ratio)
	if ratio > 1 && n < current || ratio < 1 && n > current {
		return current
	}
	return n
}

// average is the same for a metric of all pods together with an average value a
// pod (External, type AverageValue): it knows nothing of who is ready.
func average(current int, total, target float64) int {
	if math.Abs(total/(target*float64(max(current, 1)))-1) <= hpaTolerance {
		return current
	}
	return ceil(total / target)
}

// bounded is a wish as far as policies and stabilisation let it come true now.
func (a *autoscaler) bounded(now time.Time, current, n int, period time.Duration) int {
	syncs := max(int(period/hpaPeriod), 1)
	most := max(current+4*syncs, current<<min(syncs, 10))
	least := 0
	if a.upPercent > 0 {
		most = current + ceil(float64(current)*a.upPercent*max(period.Minutes(), hpaPeriod.Minutes()))
	}
	if a.downPercent > 0 {
		least = current - ceil(float64(current)*a.downPercent*max(period.Minutes(), hpaPeriod.Minutes()))
	}
	a.down.span = hpaStabilisation
	highest := a.down.highest(now, n)
	if n < current {
		return max(min(current, highest), least)
	}
	return min(n, most)
}

// HPA scales brokers and consumers on CPU.
type HPA struct {
	opts    Options
	op      operator
	brokers autoscaler
	slow    window // brokers carry data: they are not taken away for a lull
	groups  []autoscaler
}

// NewHPA makes the policy.
func NewHPA(o Options) *HPA {
	o = o.WithDefaults()
	return &HPA{opts: o, op: operator{planner: o.Planner}}
}

// Name is the policy's word in reports.
func (*HPA) Name() string { return HPAName }

// Tick is one round over all workloads.
func (h *HPA) Tick(ctx context.Context, w *world.World) error {
	if w.MetricsDown() {
		return nil // the HPA keeps its size while it has no metrics
	}
	if h.groups == nil {
		h.groups = make([]autoscaler, w.Groups())
		h.slow.span = h.opts.ScaleInAfter
	}
	now, period := w.Now(), w.TickLength()
	for i := range h.groups {
		g, a := w.Group(i), &h.groups[i]
		if g.Ready == 0 || !a.due(now) {
			continue
		}
		// A consumer's CPU follows what it reads.
		cpu := g.Consumed / (float64(g.Ready) * g.Spec.PerReplica)
		n := a.bounded(now, g.Want, wish(g.Want, g.Ready, cpu/h.opts.TargetCPU), period)
		if err := w.SetConsumers(i, replicas(g, n), "cpu"); err != nil {
			return err
		}
	}
	have, alive := w.Brokers()
	n := have
	if h.brokers.due(now) {
		n = h.brokers.bounded(now, have, wish(have, alive, w.Seen().MeanCPU/h.opts.TargetCPU), period)
	}
	n = h.opts.brokers(w, n)
	if highest := h.slow.highest(now, n); n < have {
		n = min(have, highest)
	}
	return h.op.tick(ctx, w, n, "cpu")
}
