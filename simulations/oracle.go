package simulations

import (
	"context"
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/optimum"
	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

const (
	// leastMoved is the part of an even share of the data that a change of size
	// moves at least, across zones: leaders and topics with short logs may go
	// first. Judgement, held by the oracle's test.
	leastMoved = 0.5
	// optimumSteps bounds the steps of the oracle's time, and optimumWork steps ×
	// sizes².
	optimumSteps = 2500
	optimumWork  = 2e8
)

// oracle is the least that the scenario could have cost anybody who keeps its
// promise in every minute and knew the demand: no run of any policy in the same
// world costs less without a violation. It is computed and not run: brokers are
// spread perfectly and used up to what the promise to producers bears, changes
// take a pod's start and nothing to fill, and of what is moved the least is paid.
func oracle(ctx context.Context, c world.Config, p *scenario.Experiment, o Options) (Run, error) {
	w, err := world.New(c)
	if err != nil {
		return Run{}, err
	}
	f := foresee(w, c, p)
	brokers, replicas := f.brokers(), f.replicas()
	// What is written and stored is the same for all who accept it all.
	r, err := simulate(ctx, roomy(c), idler{}, runOptions{end: p.EndTime(), points: o.Points, progress: o.Progress})
	if err != nil {
		return Run{}, err
	}
	out := Run{Policy: policies.OracleName, Series: f.series(r.Series, brokers, replicas)}
	m := &out.Measures
	*m = f.measured(brokers)
	for _, group := range replicas {
		for _, n := range group {
			m.ReplicaHours += n * w.TickLength().Hours()
		}
	}
	m.Cost = p.Cost(m.BrokerHours, m.ReplicaHours, r.stored, 0) + brokers.Moves
	return out, nil
}

// idler decides nothing.
type idler struct{}

func (idler) Name() string { return policies.OracleName }

func (idler) Tick(context.Context, *world.World) error { return nil }

// roomy is the world with brokers that carry anything, and without faults.
func roomy(c world.Config) world.Config {
	const much = 1e15
	all := cluster.Capacity{CPUCores: much, NetworkInBytesPerSecond: much, NetworkOutBytesPerSecond: much, DiskBytesPerSecond: much}
	brokers := make([]world.BrokerSpec, len(c.Brokers))
	for i, b := range c.Brokers {
		brokers[i] = world.BrokerSpec{Zone: b.Zone, Capacity: all}
	}
	var events []world.Event
	for _, e := range c.Events {
		if e.Kind == world.RetentionScale || e.Kind == world.GroupStarts {
			events = append(events, e)
		}
	}
	c.Brokers, c.NewShape, c.Events = brokers, all, events
	return c
}

// Optimum is what whoever knew the demand would have paid for brokers who are used
// no more than the policies that are compared aim at: the same dynamic programming
// as the oracle's, with an even share of the data moved at every change, and
// brokers paid while they are filled and emptied. It is what a plan could reach.
func Optimum(p *scenario.Experiment) (Measures, error) {
	c, err := p.World(0)
	if err != nil {
		return Measures{}, err
	}
	w, err := world.New(c)
	if err != nil {
		return Measures{}, err
	}
	o := policyOptions(p).WithDefaults()
	f := foresee(w, c, p)
	f.use, f.fill, f.share, f.fills = o.TargetUtilisation, o.DiskFill, 1, true
	course := f.brokers()
	m := f.measured(course)
	m.Cost = p.Cost(course.BrokerHours, 0, 0, 0) + course.Moves // which has the hours in which brokers do not carry yet, or no more
	return m, nil
}

// foreseen is a world whose demand is known to its end.
type foreseen struct {
	w        *world.World
	c        world.Config
	end      time.Time
	min, max int
	prices   capacity.Prices
	use      float64 // of brokers, at most
	fill     float64 // of disks, at most
	share    float64 // of an even share that is moved
	fills    bool    // brokers are paid while they are filled and emptied
	step     time.Duration
	stored   []float64 // by step: the least that is stored around it, in bytes
}

func foresee(w *world.World, c world.Config, p *scenario.Experiment) *foreseen {
	o := policyOptions(p).WithDefaults()
	return &foreseen{
		w: w, c: c, end: p.EndTime(), min: o.MinBrokers, max: o.MaxBrokers, prices: p.MovePrices(),
		use: c.SLO.Bearable(), fill: 1, share: leastMoved,
	}
}

// measured is what a course comes to.
func (f *foreseen) measured(c optimum.Course) Measures {
	m := Measures{BrokerHours: c.BrokerHours}
	f.each(c, func(k, from, to int) {
		moved, idle := f.bytes(k, from, to), f.idle(k, from, to)
		m.ScaleActions++
		m.BytesMoved += float64(moved)
		m.BrokerHours += idle
	})
	m.CrossZoneBytes = m.BytesMoved * float64(f.zones()-1) / float64(f.zones())
	return m
}

// idle is the broker-hours that a change takes until those that join carry their
// share, or those that leave are empty: each at the throttle, all side by side.
func (f *foreseen) idle(k, from, to int) float64 {
	if !f.fills || f.c.Throttle <= 0 {
		return 0
	}
	each := float64(f.bytes(k, from, to)) / float64(max(from, to)-min(from, to))
	t := time.Duration(each / float64(f.c.Throttle) * float64(time.Second))
	if to > from {
		t += f.c.Times.PodStart + f.c.Times.BrokerJoin
	}
	return t.Hours() * float64(max(from, to)-min(from, to))
}

// brokers is the cheapest course of brokers.
func (f *foreseen) brokers() optimum.Course {
	need := f.needs()
	now, _ := f.w.Brokers()
	f.step = f.steps(max(maxOf(need), now), len(need))
	need = f.coarse(need)
	f.store(len(need))
	b := optimum.Brokers{Hours: f.step.Hours(), Need: need, Now: now, BrokerHour: f.prices.BrokerHour, Move: func(k, from, to int) float64 {
		return f.prices.Moved(f.bytes(k, from, to), f.zones()) + f.idle(k, from, to)*f.prices.BrokerHour
	}}
	return b.Least()
}

// needs is, by tick, the fewest brokers that whoever keeps the promise is paying
// for: those that are needed within a pod's start have been asked for.
func (f *foreseen) needs() []int {
	n := max(int(f.end.Sub(f.c.Start)/f.w.TickLength()), 1)
	now, _ := f.w.Brokers()
	start, sizing, shape := f.c.Times.PodStart+f.c.Times.BrokerJoin, f.w.Sizing(), largest(f.c)
	floor := min(max(f.min, sizing.MinBrokers()), now)
	need, disk, keeps := make([]int, n), 0.0, f.keeps()
	for k := range need {
		at := f.c.Start.Add(time.Duration(k+1) * f.w.TickLength())
		d := sizing.Rates(at)
		if k%storedEvery == 0 && keeps {
			disk = min(sizing.Stored(at), sizing.Stored(at.Add(storedEvery*f.w.TickLength())))
		}
		d.Disk = disk
		need[k] = min(max(sizing.Least(d, shape, f.use, f.fill), floor), max(f.max, floor))
		if at.Before(f.c.Start.Add(start)) {
			need[k] = min(need[k], now) // nobody can have more yet
		}
	}
	return ahead(need, int(start/f.w.TickLength()))
}

// storedEvery is how many ticks what is stored is looked at: it changes slowly.
const storedEvery = 10

// keeps tells whether what is stored can be foreseen: retention stays as it is.
func (f *foreseen) keeps() bool {
	for _, e := range f.c.Events {
		if e.Kind == world.RetentionScale {
			return false
		}
	}
	return true
}

// largest is the most that any broker of the world will ever have.
func largest(c world.Config) cluster.Capacity {
	most := c.NewShape
	grow := func(x cluster.Capacity) {
		most.CPUCores = max(most.CPUCores, x.CPUCores)
		most.NetworkInBytesPerSecond = max(most.NetworkInBytesPerSecond, x.NetworkInBytesPerSecond)
		most.NetworkOutBytesPerSecond = max(most.NetworkOutBytesPerSecond, x.NetworkOutBytesPerSecond)
		most.DiskBytesPerSecond = max(most.DiskBytesPerSecond, x.DiskBytesPerSecond)
		most.DiskBytes = max(most.DiskBytes, x.DiskBytes)
	}
	for _, b := range c.Brokers {
		grow(b.Capacity)
	}
	for _, e := range c.Events {
		if e.Kind == world.MachineChange {
			grow(e.Shape)
		}
	}
	return most
}

// ahead is the highest need of each tick and the next span.
func ahead(need []int, span int) []int {
	out := make([]int, len(need))
	var queue []int // indexes, their needs falling
	for j := len(need) - 1; j >= 0; j-- {
		for len(queue) > 0 && need[queue[len(queue)-1]] <= need[j] {
			queue = queue[:len(queue)-1]
		}
		queue = append(queue, j)
		for queue[0] > j+span {
			queue = queue[1:]
		}
		out[j] = need[queue[0]]
	}
	return out
}

func maxOf(need []int) int {
	most := 0
	for _, n := range need {
		most = max(most, n)
	}
	return most
}

// steps is a step that is some ticks, so many that the work is bounded.
func (f *foreseen) steps(sizes, ticks int) time.Duration {
	most := min(optimumSteps, max(optimumWork/float64(sizes*sizes), 48))
	return time.Duration(math.Ceil(float64(ticks)/most)) * f.w.TickLength()
}

// coarse takes the lowest need of each step: a size that changes within one is
// enough at that time.
func (f *foreseen) coarse(need []int) []int {
	each := int(f.step / f.w.TickLength())
	out := make([]int, 0, len(need)/each+1)
	for k := 0; k < len(need); k += each {
		least := need[k]
		for _, n := range need[k:min(k+each, len(need))] {
			least = min(least, n)
		}
		out = append(out, least)
	}
	return out
}

// store notes the least that is stored within a filling before and after each step.
func (f *foreseen) store(steps int) {
	stored, least := make([]float64, steps), 1.0
	for _, e := range f.c.Events {
		if e.Kind == world.RetentionScale {
			least *= min(1, e.Factor)
		}
	}
	most := 0.0
	for k := range stored {
		stored[k] = least * f.w.Sizing().Stored(f.c.Start.Add(time.Duration(k)*f.step))
		most = max(most, stored[k])
	}
	now, _ := f.w.Brokers()
	span := steps
	if f.c.Throttle > 0 {
		filling := time.Duration(most / float64(now) / float64(f.c.Throttle) * float64(time.Second))
		span = min(int((filling+f.c.Times.PodStart+f.c.Times.BrokerJoin)/f.step)+1, steps)
	}
	f.stored = make([]float64, steps)
	if f.fills {
		f.stored = stored
		return
	}
	for k := range stored {
		f.stored[k] = stored[k]
		for _, v := range stored[max(0, k-span):min(steps, k+span)] {
			f.stored[k] = min(f.stored[k], v)
		}
	}
}

// bytes is the least that a change of size moves, as far as that is done by the
// end of the run.
func (f *foreseen) bytes(k, from, to int) cluster.Bytes {
	moved := cluster.Bytes(f.share) * capacity.DataMoved(cluster.Bytes(f.stored[k]), from, to)
	if to > from && f.c.Throttle > 0 {
		left := f.end.Sub(f.c.Start.Add(time.Duration(k)*f.step)) - f.c.Times.PodStart - f.c.Times.BrokerJoin
		moved = min(moved, cluster.Bytes(max(0, left.Seconds())*float64(f.c.Throttle)*float64(to-from)))
	}
	return moved
}

func (f *foreseen) zones() int {
	zones := map[string]bool{}
	for _, b := range f.c.Brokers {
		zones[b.Zone] = true
	}
	return len(zones)
}

func (f *foreseen) each(c optimum.Course, change func(k, from, to int)) {
	from, _ := f.w.Brokers()
	for k, n := range c.Sizes {
		if n != from {
			change(k, from, n)
		}
		from = n
	}
}

// replicas are the fewest replicas of every group, by tick.
func (f *foreseen) replicas() [][]float64 {
	out := make([][]float64, f.w.Groups())
	for i := range out {
		out[i] = optimum.ReplicasOf(f.w, i, f.end).Course()
	}
	return out
}

// series are the oracle's sizes on the points of a run; it has no lag and no latency.
func (f *foreseen) series(s Series, c optimum.Course, replicas [][]float64) Series {
	out := Series{Start: s.Start, Step: s.Step, Load: s.Load}
	for i := range s.Groups {
		out.Groups = append(out.Groups, GroupSeries{Name: s.Groups[i].Name})
	}
	for k := range s.Load {
		at := time.Duration(k+1)*s.Step - f.w.TickLength()
		out.Brokers = append(out.Brokers, float64(c.Sizes[min(int(at/f.step), len(c.Sizes)-1)]))
		sum := 0.0
		for i, of := range replicas {
			n := of[min(int(at/f.w.TickLength()), len(of)-1)]
			out.Groups[i].Want = append(out.Groups[i].Want, n)
			sum += n
		}
		out.Replicas = append(out.Replicas, sum)
	}
	return out
}
