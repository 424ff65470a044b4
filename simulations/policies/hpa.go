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

// autoscaler is the HPA's arithmetic for one workload.
type autoscaler struct {
	down   window
	synced time.Time
}

// desired is the number of replicas wanted when the metric is at ratio times
// its target on average.
func (a *autoscaler) desired(now time.Time, current int, ratio float64, period time.Duration) int {
	if !a.synced.IsZero() && now.Sub(a.synced) < hpaPeriod {
		return current
	}
	a.synced = now
	n := current
	if math.Abs(ratio-1) > hpaTolerance {
		n = ceil(float64(current) * ratio)
	}
	syncs := max(int(period/hpaPeriod), 1)
	most := max(current+4*syncs, current<<min(syncs, 10))
	n = min(n, most)
	a.down.span = hpaStabilisation
	highest := a.down.highest(now, n)
	if n < current {
		return min(current, highest)
	}
	return n
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
func NewHPA(o Options) *HPA { return &HPA{opts: o.WithDefaults()} }

// Name is the policy's word in reports.
func (*HPA) Name() string { return HPAName }

// Tick is one round over all workloads.
func (h *HPA) Tick(_ context.Context, w *world.World) error {
	if w.MetricsDown() {
		return nil // the HPA keeps its size while it has no metrics
	}
	if h.groups == nil {
		h.groups = make([]autoscaler, w.Groups())
		h.slow.span = h.opts.ScaleInAfter
	}
	for i := range h.groups {
		g := w.Group(i)
		if g.Ready == 0 {
			continue
		}
		// A consumer's CPU follows what it reads.
		cpu := g.Consumed / (float64(g.Ready) * g.Spec.PerReplica)
		n := h.groups[i].desired(w.Now(), g.Want, cpu/h.opts.TargetCPU, w.TickLength())
		if err := w.SetConsumers(i, replicas(g, n), "cpu"); err != nil {
			return err
		}
	}
	have, _ := w.Brokers()
	n := h.brokers.desired(w.Now(), have, w.Seen().MeanCPU/h.opts.TargetCPU, w.TickLength())
	n = h.opts.brokers(w, n)
	if highest := h.slow.highest(w.Now(), n); n < have {
		n = min(have, highest)
	}
	return h.op.tick(w, n, "cpu")
}

// KEDA scales consumers on lag by KEDA's formula for Apache Kafka
// (keda.sh/docs/latest/scalers/apache-kafka): the metric is the group's total
// lag, bounded by partitions × lagThreshold, with an average value of
// lagThreshold a replica. Brokers are static: KEDA has nothing for them.
type KEDA struct {
	opts   Options
	static *Static
	groups []autoscaler
}

// NewKEDA makes the policy.
func NewKEDA(o Options) *KEDA { return &KEDA{opts: o.WithDefaults(), static: NewStatic(o)} }

// Name is the policy's word in reports.
func (*KEDA) Name() string { return KEDAName }

// Tick is one round over all groups.
func (k *KEDA) Tick(_ context.Context, w *world.World) error {
	if k.groups == nil {
		k.groups = make([]autoscaler, w.Groups())
		k.static.plan(w)
	}
	if w.MetricsDown() {
		return k.static.op.tick(w, k.static.brokers, "static peak")
	}
	for i := range k.groups {
		g := w.Group(i)
		threshold := math.Max(g.Spec.PerReplica*k.opts.LagSeconds, 1)
		lag := math.Min(g.Lag, float64(g.Partitions)*threshold)
		current := max(g.Want, 1)
		n := k.groups[i].desired(w.Now(), current, lag/(threshold*float64(current)), w.TickLength())
		if err := w.SetConsumers(i, replicas(g, n), "lag"); err != nil {
			return err
		}
	}
	return k.static.op.tick(w, k.static.brokers, "static peak")
}
