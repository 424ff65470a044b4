package policies

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// The oracle fills brokers and consumers to what still answers in time.
const (
	oracleBrokers   = 0.8
	oracleDraining  = 0.6 // while it takes a broker away, since draining costs too
	oracleConsumers = 0.95
)

// Oracle knows the demand to come. It has what is needed ready just in time:
// the least that a policy could use with the same start times and the same
// throttle.
type Oracle struct {
	opts Options
	op   operator
	need []future // by group
	out  future   // brokers that carry the demand
	in   future   // brokers that carry it beside a drain
}

// future is a need over time on the world's grid, as a sliding maximum.
type future struct {
	start time.Time
	step  time.Duration
	need  []int
}

// NewOracle makes the policy.
func NewOracle(o Options) *Oracle {
	o = o.WithDefaults()
	return &Oracle{opts: o, op: operator{planner: o.Planner}}
}

// Name is the policy's word in reports.
func (*Oracle) Name() string { return OracleName }

// Tick sets what the time to come needs.
func (o *Oracle) Tick(ctx context.Context, w *world.World) error {
	if o.need == nil {
		o.look(w)
	}
	for i := range w.Groups() {
		g := w.Group(i)
		n := o.need[i].at(w.Now())
		if g.LagSeconds > 0.5*g.Spec.MaxLag.Seconds() && g.Spec.MaxLag > 0 {
			n = max(n, g.Want, ceil(float64(n)*1.2)) // a fault left lag behind
		}
		if err := w.SetConsumers(i, replicas(g, n), "foresight"); err != nil {
			return err
		}
	}
	n := o.out.at(w.Now())
	if have, _ := w.Brokers(); n < have {
		n = min(have, o.in.at(w.Now()))
	}
	n = max(n, w.Sizing().Brokers(world.Footprint{Disk: w.Sizing().DiskUsed()}, 1, o.opts.DiskFill))
	return o.op.tick(ctx, w, o.opts.brokers(w, n), "foresight")
}

func (o *Oracle) look(w *world.World) {
	c := w.Config()
	step := w.TickLength()
	n := int(o.opts.End.Sub(w.Now())/step) + 1
	for i := range w.Groups() {
		need := make([]int, n)
		g := w.Group(i)
		for j := range need {
			need[j] = ConsumersFor(
				w.Sizing().Records(i, w.Now().Add(time.Duration(j)*step)),
				g.Spec.PerReplica*oracleConsumers,
				g.Partitions,
			)
		}
		o.need = append(o.need, ahead(w.Now(), step, need, c.Times.ConsumerStart+step))
	}
	span := c.Times.PodStart + c.Times.BrokerJoin + o.fill(w)
	out, in := make([]int, n), make([]int, n)
	for j := range out {
		d := w.Sizing().Rates(w.Now().Add(time.Duration(j) * step))
		out[j], in[j] = w.Sizing().Brokers(d, oracleBrokers, 1), w.Sizing().Brokers(d, oracleDraining, 1)
	}
	o.out, o.in = ahead(w.Now(), step, out, span), ahead(w.Now(), step, in, span)
}

// fill is how long one more broker takes to be filled at the throttle, twice:
// what is taken away for less time than that costs more than it saves.
func (o *Oracle) fill(w *world.World) time.Duration {
	have, _ := w.Brokers()
	c := w.Config()
	if c.Throttle <= 0 {
		return 0
	}
	return min(time.Duration(2*w.Sizing().DiskUsed()/float64(have+1)/float64(c.Throttle)*float64(time.Second)), 24*time.Hour)
}

// ahead turns a need into the highest need of the next span.
func ahead(start time.Time, step time.Duration, need []int, span time.Duration) future {
	k := int(math.Ceil(float64(span) / float64(step)))
	out := make([]int, len(need))
	var queue []int // indexes, their needs falling
	for j := len(need) - 1; j >= 0; j-- {
		for len(queue) > 0 && need[queue[len(queue)-1]] <= need[j] {
			queue = queue[:len(queue)-1]
		}
		queue = append(queue, j)
		for queue[0] > j+k {
			queue = queue[1:]
		}
		out[j] = need[queue[0]]
	}
	return future{start, step, out}
}

func (f future) at(t time.Time) int {
	i := min(max(int(t.Sub(f.start)/f.step), 0), len(f.need)-1)
	return f.need[i]
}

// ConsumersFor is the fewest replicas that keep up with a rate when partitions
// are even and each replica has a whole number of them.
func ConsumersFor(rate, perReplica float64, partitions int) int {
	if rate <= 0 || perReplica <= 0 || partitions == 0 {
		return 1
	}
	each := int(math.Floor(float64(partitions) * perReplica / rate))
	if each < 1 {
		return partitions
	}
	return (partitions + each - 1) / each
}
