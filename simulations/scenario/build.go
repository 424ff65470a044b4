package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
	"github.com/tidetable/tidetable/simulations/world"
)

// World is the configuration of run number run. Run 0 is the scenario as it is
// written; the others draw from its Monte Carlo section, each with a seed of
// its own, so that a run is the same wherever it is made.
func (p *Experiment) World(run int) (world.Config, error) {
	rng := rand.New(rand.NewPCG(p.Seed, uint64(run)))
	c := world.Config{
		ClusterID: p.Name, Start: p.start, Tick: p.Tick.D(), Zones: p.Cluster.Brokers.Zones,
		NewShape: p.Cluster.Brokers.Shape.Capacity(), Throttle: p.throttle(),
		SLO: world.SLO{ProduceP99: p.SLO.ProduceP99.D()}, Scrape: p.Cluster.Scrape.D(),
		Times: world.Times{
			PodStart: p.Cluster.Startup.Pod.D(), BrokerJoin: p.Cluster.Startup.Join.D(),
			ConsumerStart: p.Cluster.Startup.Consumer.D(), RebalancePause: p.Cluster.Startup.RebalancePause.D(),
		},
	}
	b := builder{Experiment: p, c: &c, run: run, loads: map[string]int{}, topics: map[string][]int{}, means: map[string]float64{}}
	b.draw(rng)
	b.addLoads()
	b.addChanges()
	if p.snapshot != nil {
		b.fromSnapshot()
	} else {
		for i := range p.Cluster.Brokers.Count {
			zones := p.Cluster.Brokers.Zones
			c.Brokers = append(c.Brokers, world.BrokerSpec{Zone: zones[i%len(zones)], Capacity: b.shape})
		}
	}
	c.NewShape = b.shape
	b.addTopics()
	b.addGroups()
	b.addFaults(rng)
	if len(c.Topics) == 0 {
		return c, fmt.Errorf("building the world: no topics")
	}
	return c, nil
}

type builder struct {
	*Experiment
	c      *world.Config
	run    int
	growth float64
	noise  float64 // −1: as written
	extra  []workload.Event
	loads  map[string]int     // profile by load
	means  map[string]float64 // of each load before growth
	topics map[string][]int   // topic indexes by name in the scenario (count)
	shape  cluster.Capacity
}

// draw takes from the distributions what makes this run differ. It always
// draws the same number of times for the same scenario, so that runs compare.
func (b *builder) draw(rng *rand.Rand) {
	b.growth, b.noise = 1, -1
	m := b.MonteCarlo
	if b.run == 0 {
		return
	}
	if m.Growth != nil {
		b.growth = math.Max(1+m.Growth.Mean+m.Growth.SD*rng.NormFloat64(), 0.05)
	}
	if m.Noise != nil {
		b.noise = math.Max(m.Noise.Mean+m.Noise.SD*rng.NormFloat64(), 0)
	}
	if m.Events != nil && m.Events.PerWeek > 0 {
		for _, at := range poisson(rng, m.Events.PerWeek, b.Duration.D()) {
			up := math.Max(m.Events.Uplift.Mean+m.Events.Uplift.SD*rng.NormFloat64(), 0.1)
			b.extra = append(b.extra, workload.Event{At: b.start.Add(at), Duration: m.Events.Duration.D(), Uplift: up,
				Ramp: m.Events.Duration.D() / 10})
		}
	}
}

func poisson(rng *rand.Rand, perWeek float64, span time.Duration) []time.Duration {
	var out []time.Duration
	mean := float64(7*day) / perWeek
	for at := rng.ExpFloat64() * mean; at < float64(span); at += rng.ExpFloat64() * mean {
		out = append(out, time.Duration(at).Truncate(time.Minute))
	}
	return out
}

// addLoads makes one profile a load, growth and campaigns included.
func (b *builder) addLoads() {
	for i, l := range b.Loads {
		q := b.profiles[i]
		if l.Gen != nil {
			q = l.scaled(b.generate(i, l))
		}
		b.means[l.Name] = q.Mean(q.Start, q.End())
		q = q.Scaled(b.growth, time.Time{}).With(b.extra...)
		for _, x := range b.Changes {
			if x.Load != "" && x.Load != l.Name {
				continue
			}
			switch x.Kind {
			case Growth:
				from := time.Time{} // a growth from the start on is another load altogether
				if x.At > 0 {
					from = b.start.Add(x.At.D())
				}
				q = q.Scaled(x.Factor, from)
			case Campaign:
				q = q.With(workload.Event{At: b.start.Add(x.At.D()), Duration: x.Duration.D(), Uplift: x.Factor, Ramp: x.Ramp.D()})
			}
		}
		b.loads[l.Name] = len(b.c.Profiles)
		b.c.Profiles = append(b.c.Profiles, q)
	}
}

func (b *builder) generate(i int, l Load) *workload.Profile {
	g := l.Gen
	s := workload.Shape{
		Base:   float64(g.Base),
		Day:    g.Day,
		Week:   g.Week,
		Trend:  g.Trend,
		Noise:  g.Noise,
		Memory: g.Memory,
		Phase:  g.Phase.D(),
	}
	if b.noise >= 0 {
		s.Noise = b.noise
	}
	for _, e := range g.Events {
		for at := e.At; at < b.Duration; at += e.Every {
			s.Events = append(
				s.Events,
				workload.Event{At: b.start.Add(at.D()), Duration: e.Duration.D(), Uplift: e.Uplift, Ramp: e.Ramp.D()},
			)
			if e.Every <= 0 {
				break
			}
		}
	}
	n := int((b.History.D()+b.Duration.D())/g.Step.D()) + 2
	seed := b.Seed*1_000_003 + uint64(b.run)*7919 + uint64(i)
	return s.Generate(l.Name, b.start.Add(-b.History.D()), g.Step.D(), n, seed)
}

// addChanges applies what changes machines and retention.
func (b *builder) addChanges() {
	b.shape = b.Cluster.Brokers.Shape.Capacity()
	for _, x := range b.Changes {
		switch x.Kind {
		case MachineShape:
			if x.At == 0 {
				b.shape = x.Shape.Capacity()
				continue
			}
			b.c.Events = append(b.c.Events, world.Event{Kind: world.MachineChange, At: x.At.D(), Shape: x.Shape.Capacity()})
		case Retention:
			if x.At > 0 {
				b.c.Events = append(b.c.Events, world.Event{Kind: world.RetentionScale, At: x.At.D(), Topic: -1, Factor: x.Factor})
			}
		}
	}
}

// retention is a topic's retention from the start on.
func (b *builder) retention(d time.Duration) time.Duration {
	for _, x := range b.Changes {
		if x.Kind == Retention && x.At == 0 {
			d = time.Duration(float64(d) * x.Factor)
		}
	}
	return d
}

func (b *builder) replication(rf int) int {
	for _, x := range b.Changes {
		if x.Kind == ReplicationFactor {
			rf = x.Value
		}
	}
	return rf
}

func (b *builder) addTopics() {
	left, unset := map[string]float64{}, map[string]int{}
	for _, t := range b.Topics {
		if _, ok := left[t.Load]; !ok {
			left[t.Load] = 1
		}
		left[t.Load] -= t.Share
		if t.Share == 0 {
			unset[t.Load] += t.Count
		}
	}
	for _, t := range b.Topics {
		share := t.Share / float64(t.Count)
		if t.Share == 0 {
			share = math.Max(left[t.Load], 0) / float64(unset[t.Load])
		}
		b.addTopic(t, b.loads[t.Load], share)
	}
	for _, x := range b.Changes {
		if x.Kind != "new-topic" {
			continue
		}
		// It follows its load's shape from its time on, at its own rate.
		base := b.c.Profiles[b.loads[x.Topic.Load]]
		q := base.Scaled(1, time.Time{})
		from := b.start.Add(x.At.D())
		mean := base.Mean(b.start, b.EndTime())
		for i := range q.Values {
			if q.Start.Add(time.Duration(i) * q.Step).Before(from) {
				q.Values[i] = 0
			} else if mean > 0 {
				q.Values[i] *= float64(x.Rate) / mean
			}
		}
		b.c.Profiles = append(b.c.Profiles, q)
		b.addTopic(*x.Topic, len(b.c.Profiles)-1, 1/float64(x.Topic.Count))
	}
}

func (b *builder) addTopic(t Topic, profile int, share float64) {
	for i := range t.Count {
		name := t.Name
		if t.Count > 1 {
			name = fmt.Sprintf("%s-%03d", t.Name, i)
		}
		rf := b.replication(t.Replication)
		spec := world.TopicSpec{
			Name: name, Partitions: t.Partitions, ReplicationFactor: rf, MinISR: min(t.MinISR, rf), Profile: profile, Scale: share,
			Retention: b.retention(t.Retention.D()), RetentionBytes: cluster.Bytes(t.RetentionBytes), MessageBytes: float64(t.MessageBytes),
			Shares: skewed(t.Partitions, t.Skew),
		}
		b.topics[t.Name] = append(b.topics[t.Name], len(b.c.Topics))
		b.c.Topics = append(b.c.Topics, spec)
	}
}

// skewed are shares by Zipf's law with exponent skew; nil when even.
func skewed(n int, skew float64) []float64 {
	if skew == 0 {
		return nil
	}
	out, sum := make([]float64, n), 0.0
	for i := range out {
		out[i] = math.Pow(float64(i+1), -skew)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func (b *builder) addGroups() {
	for _, g := range b.Groups {
		b.addGroup(g, time.Time{})
	}
	for _, x := range b.Changes {
		if x.Kind == NewGroup {
			b.addGroup(*x.Group, b.start.Add(x.At.D()))
		}
	}
}

func (b *builder) addGroup(g Group, from time.Time) {
	spec := world.GroupSpec{Name: g.Name, PerReplica: g.PerReplica, Replicas: g.Replicas, Min: g.Min, Max: g.Max, MaxLag: g.MaxLag.D(),
		CommitInterval: g.Commit.D(), From: from}
	for _, t := range g.Topics {
		spec.Topics = append(spec.Topics, b.topics[t]...)
	}
	for i := range b.c.Groups {
		if b.c.Groups[i].Name == g.Name { // the snapshot has it; the scenario knows it better
			b.c.Groups[i] = spec
			return
		}
	}
	b.c.Groups = append(b.c.Groups, spec)
}

func (b *builder) addFaults(rng *rand.Rand) {
	for _, f := range b.Faults {
		e := world.Event{Kind: f.Kind, At: f.At.D(), For: f.For.D(), Zone: f.Zone}
		if f.Broker != nil {
			e.Broker = *f.Broker
		}
		if f.Factor != nil {
			e.Factor = *f.Factor
		}
		b.c.Events = append(b.c.Events, e)
	}
	m := b.MonteCarlo.Faults
	if b.run == 0 || m == nil || m.PerWeek <= 0 {
		return
	}
	for _, at := range poisson(rng, m.PerWeek, b.Duration.D()) {
		b.c.Events = append(
			b.c.Events,
			world.Event{Kind: world.BrokerDown, At: at, For: m.Duration.D(), Broker: rng.IntN(len(b.c.Brokers))},
		)
	}
}

// HistoryLength is how far back policies may look.
func (p *Experiment) HistoryLength() time.Duration { return p.History.D() }
