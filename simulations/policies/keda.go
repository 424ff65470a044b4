package policies

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// KEDA scales consumers by the triggers that it is given, through the HPA. The
// Kafka scaler's metric is the group's total lag, bounded by partitions ×
// lagThreshold, with an average value of lagThreshold a replica
// (keda.sh/docs/latest/scalers/apache-kafka). Of several triggers the HPA takes
// the highest wish. Brokers are static: KEDA has nothing for them.
type KEDA struct {
	name   string
	opts   Options
	static *Static
	// rate adds a Prometheus trigger on the records that arrive
	// (keda.sh/docs/latest/scalers/prometheus), and behavior policies that take
	// turns slowly; calendar a cron trigger for every hour of the day
	// (keda.sh/docs/latest/scalers/cron).
	rate, calendar bool
	groups         []autoscaler
	hours          [][24]int // by group: what the cron triggers ask for
}

// The behavior that people who run KEDA sensibly give its HPA
// (keda.sh/docs/latest/reference/scaledobject-spec, advanced.
// horizontalPodAutoscalerConfig): at most twice as many a minute, and no more
// than a tenth fewer.
const (
	kedaUpPercent   = 1.0
	kedaDownPercent = 0.1
	// cronAhead is how long before its hour a cron trigger begins, and cronWeek
	// what it was written from: the week before.
	cronAhead = 15 * time.Minute
	cronWeek  = 7 * 24 * time.Hour
	cronStep  = 15 * time.Minute
)

// NewKEDA makes KEDA as its first example has it: lag alone, all else as it comes.
func NewKEDA(o Options) *KEDA { return newKEDA(KEDAName, o) }

// NewKEDARate makes KEDA as people run it who know it: lag and rate, and slow
// turns.
func NewKEDARate(o Options) *KEDA {
	k := newKEDA(KEDARateName, o)
	k.rate = true
	return k
}

// NewKEDACron is NewKEDARate with cron triggers from the calendar: the baseline
// of whoever knows that demand follows the day.
func NewKEDACron(o Options) *KEDA {
	k := newKEDA(KEDACronName, o)
	k.rate, k.calendar = true, true
	return k
}

func newKEDA(name string, o Options) *KEDA {
	return &KEDA{name: name, opts: o.WithDefaults(), static: NewStatic(o)}
}

// Name is the policy's word in reports.
func (k *KEDA) Name() string { return k.name }

// Tick is one round over all groups.
func (k *KEDA) Tick(ctx context.Context, w *world.World) error {
	if k.groups == nil {
		k.begin(w)
	}
	if w.MetricsDown() {
		return k.static.op.tick(ctx, w, k.static.brokers, "static peak")
	}
	for i := range k.groups {
		a := &k.groups[i]
		if !a.due(w.Now()) {
			continue
		}
		g := w.Group(i)
		n := a.bounded(w.Now(), g.Want, k.wish(i, g, w.Now()), w.TickLength())
		if err := w.SetConsumers(i, replicas(g, n), "lag"); err != nil {
			return err
		}
	}
	return k.static.op.tick(ctx, w, k.static.brokers, "static peak")
}

// wish is the most that a trigger asks for.
func (k *KEDA) wish(i int, g world.GroupView, now time.Time) int {
	current := max(g.Want, 1)
	threshold := math.Max(g.Spec.PerReplica*k.opts.LagSeconds, 1)
	n := average(current, math.Min(g.Lag, float64(g.Partitions)*threshold), threshold)
	if k.rate {
		n = max(n, average(current, g.Arrives, k.opts.TargetUtilisation*g.Spec.PerReplica))
	}
	if k.calendar {
		n = max(n, k.hours[i][now.UTC().Hour()], k.hours[i][now.Add(cronAhead).UTC().Hour()])
	}
	return n
}

func (k *KEDA) begin(w *world.World) {
	k.groups = make([]autoscaler, w.Groups())
	k.static.plan(w)
	if k.rate {
		for i := range k.groups {
			k.groups[i].behaviour = behaviour{upPercent: kedaUpPercent, downPercent: kedaDownPercent}
		}
	}
	if !k.calendar {
		return
	}
	k.hours = make([][24]int, w.Groups())
	for i := range k.hours {
		g := w.Group(i)
		for t := w.Now().Add(-cronWeek); t.Before(w.Now()); t = t.Add(cronStep) {
			n := &k.hours[i][t.UTC().Hour()]
			*n = max(*n, ceil(w.Sizing().Records(i, t)/(k.opts.TargetUtilisation*g.Spec.PerReplica)))
		}
	}
}
