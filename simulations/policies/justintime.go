package policies

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// justInTimeFill is how full a consumer that has just been asked for will be.
const justInTimeFill = 0.95

// JustInTime knows the demand to come and has the whole replicas that it needs
// ready just in time: what a policy could reach that sizes by the minute, between
// the best of those that do not know the demand and the oracle's bound.
type JustInTime struct {
	end  time.Time
	need [][]int // by group, then tick
	from time.Time
}

// NewJustInTime makes the policy.
func NewJustInTime(o Options) *JustInTime { return &JustInTime{end: o.End} }

// Name is the policy's word in reports.
func (*JustInTime) Name() string { return JustInTimeName }

// Tick sets what the time to come needs.
func (o *JustInTime) Tick(_ context.Context, w *world.World) error {
	if o.need == nil {
		o.look(w)
	}
	for i := range w.Groups() {
		g, k := w.Group(i), int(w.Now().Sub(o.from)/w.TickLength())
		n := o.need[i][min(max(k, 0), len(o.need[i])-1)]
		if g.LagSeconds > 0.5*g.Spec.MaxLag.Seconds() && g.Spec.MaxLag > 0 {
			n = max(n, g.Want, ceil(float64(n)*1.2)) // a fault left lag behind
		}
		if err := w.SetConsumers(i, replicas(g, n), "foresight"); err != nil {
			return err
		}
	}
	return nil
}

func (o *JustInTime) look(w *world.World) {
	step := w.TickLength()
	o.from = w.Now()
	n := int(o.end.Sub(o.from)/step) + 1
	span := int(math.Ceil(float64(w.Config().Times.ConsumerStart+step) / float64(step)))
	for i := range w.Groups() {
		g, need, out := w.Group(i), make([]int, n), make([]int, n)
		for j := range need {
			records := w.Sizing().Records(i, o.from.Add(time.Duration(j)*step))
			need[j] = ConsumersFor(records, g.Spec.PerReplica*justInTimeFill, g.Partitions)
		}
		for j := range need {
			for _, v := range need[j:min(j+span+1, n)] {
				out[j] = max(out[j], v)
			}
		}
		o.need = append(o.need, out)
	}
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
