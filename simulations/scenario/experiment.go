package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/workload"
)

// Experiment is a scenario with everything that it names read and checked: worlds
// are built from it without further input.
type Experiment struct {
	Scenario
	in       Sources
	start    time.Time
	profiles []*workload.Profile // by load; nil for those that are generated
	columns  map[string]*workload.Profile
	snapshot *cluster.Snapshot
	prices   capacity.PriceFile
	// policyHour is the policy's price of a broker for an hour; 0 where it says none.
	policyHour float64
	policy     *policy.Policy
	variants   []policy.Policy
}

// StartTime is the simulated time at which the scenario begins.
func (p *Experiment) StartTime() time.Time { return p.start }

// EndTime is the simulated time at which it is over.
func (p *Experiment) EndTime() time.Time { return p.start.Add(p.Duration.D()) }

// Later is the experiment begun later by so much: what lies before is history.
func (p *Experiment) Later(by time.Duration) *Experiment {
	q := *p
	q.start = p.start.Add(by)
	q.Duration, q.History = p.Duration-policy.Duration(by), p.History+policy.Duration(by)
	return &q
}

// TidetablePolicy is the policy document for tidetable, nil when the scenario has
// none and defaults are derived.
func (p *Experiment) TidetablePolicy() *policy.Policy { return p.policy }

// VariantPolicies are the documents of the scenario's variants, in its order.
func (p *Experiment) VariantPolicies() []policy.Policy { return p.variants }

var defaultStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// read reads what the scenario names; what is wrong with it is one more mistake
// of the scenario.
func (p *Experiment) read(c *checker) {
	p.start = p.Start.Time.UTC()
	p.profiles = make([]*workload.Profile, len(p.Loads))
	p.columns = map[string]*workload.Profile{}
	for i := range p.Loads {
		if p.Loads[i].CSV != "" || p.Loads[i].Blocks != "" {
			p.readLoad(c, i)
		}
	}
	if p.start.IsZero() {
		p.start = defaultStart
	}
	p.readSnapshot(c)
	p.readPolicies(c)
	p.readPrices(c)
}

func (p *Experiment) readLoad(c *checker, i int) {
	l := p.Loads[i]
	at := fmt.Sprintf("loads[%d]", i)
	if l.Blocks != "" {
		if p.in.Blocks == nil {
			c.failf(at+".blocks", "cannot be read here")
			return
		}
		s, err := p.in.Blocks(p.in.path(l.Blocks), l.Signal)
		if err != nil {
			c.failf(at+".blocks", "%v", plain(err))
			return
		}
		p.useSeries(c, i, at+".blocks", []metrics.Series{s})
		return
	}
	if p.in.Trace == nil {
		c.failf(at+".csv", "cannot be read here")
		return
	}
	series, err := p.in.Trace(p.in.path(l.CSV))
	if err != nil {
		c.failf(at+".csv", "%v", plain(err))
		return
	}
	p.useSeries(c, i, at+".csv", series)
}

// plain leaves the file system's own words away where they repeat the path.
func plain(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the file does not exist")
	}
	return err
}

func (p *Experiment) useSeries(c *checker, i int, at string, series []metrics.Series) {
	l := p.Loads[i]
	var names []string
	chosen := -1
	for j, s := range series {
		name := s.Labels["column"]
		names = append(names, name)
		if name == l.Column || l.Column == "" && j == 0 {
			chosen = j
		}
	}
	if chosen < 0 {
		c.failf(fmt.Sprintf("loads[%d].column", i), "the trace has no column %q; it has %v", l.Column, names)
		return
	}
	if p.start.IsZero() {
		p.start = series[chosen].Start.Add(p.History.D()).UTC()
		if !l.From.IsZero() {
			p.start = l.From.Add(p.History.D()).UTC()
		}
	}
	for j, s := range series {
		q, err := p.profile(l, s)
		if err != nil {
			if j == chosen {
				c.failf(at, "%v", err)
			}
			continue
		}
		p.columns[s.Labels["column"]] = q
		if j == chosen {
			p.profiles[i] = q
		}
	}
}

// profile turns a measured series into a load that spans the scenario: gaps
// are bridged, the trace's time is shifted to the scenario's, and it is scaled.
func (p *Experiment) profile(l Load, s metrics.Series) (*workload.Profile, error) {
	if len(s.Values) == 0 || s.Step <= 0 {
		return nil, errors.New("the trace is empty")
	}
	from := s.Start
	if !l.From.IsZero() {
		from = l.From.Time
	}
	skip := int(from.Sub(s.Start) / s.Step)
	if skip < 0 || skip >= len(s.Values) {
		return nil, fmt.Errorf("the trace runs from %s to %s; from is outside", s.Start.Format(time.RFC3339), s.End().Format(time.RFC3339))
	}
	values := bridged(s.Values[skip:])
	if values == nil {
		return nil, errors.New("the trace has no value that is a number")
	}
	need := int((p.History.D()+p.Duration.D())/s.Step) + 1
	if len(values) < need && !l.Repeat {
		have := policy.Duration(time.Duration(len(values)-1) * s.Step)
		return nil, fmt.Errorf("the trace is shorter than the scenario: it has %s, and history + duration are %s; "+
			"shorten them, or say repeat: true",
			have, p.History+p.Duration)
	}
	q := &workload.Profile{Name: l.Name, Start: p.start.Add(-p.History.D()), Step: s.Step, Values: make([]float64, need)}
	for i := range q.Values {
		q.Values[i] = values[i%len(values)]
	}
	return l.scaled(q), nil
}

func bridged(in []float64) []float64 {
	out := make([]float64, len(in))
	last := -1
	for i, v := range in {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		v = math.Max(v, 0)
		for j := last + 1; j < i; j++ {
			if last < 0 {
				out[j] = v
				continue
			}
			out[j] = out[last] + (v-out[last])*float64(j-last)/float64(i-last)
		}
		out[i], last = v, i
	}
	if last < 0 {
		return nil
	}
	for j := last + 1; j < len(out); j++ {
		out[j] = out[last]
	}
	return out
}

// scaled brings a profile to the load's mean or peak, and applies its scale.
func (l Load) scaled(q *workload.Profile) *workload.Profile {
	f := l.Scale
	switch {
	case l.Mean > 0:
		if m := q.Mean(q.Start, q.End()); m > 0 {
			f *= float64(l.Mean) / m
		}
	case l.Peak > 0:
		if m := q.Peak(q.Start, q.End()); m > 0 {
			f *= float64(l.Peak) / m
		}
	}
	return q.Scaled(f, time.Time{})
}

func (p *Experiment) readSnapshot(c *checker) {
	name := p.Cluster.Snapshot
	if name == "" {
		return
	}
	if p.in.Snapshot == nil {
		c.failf("cluster.snapshot", "cannot be read here")
		return
	}
	s, err := p.in.Snapshot(p.in.path(name))
	if err != nil {
		c.failf("cluster.snapshot", "%v", plain(err))
		return
	}
	if len(s.Brokers) == 0 {
		c.failf("cluster.snapshot", "has no brokers")
		return
	}
	known := map[string]bool{}
	for _, t := range s.Topics {
		known[t.Name] = true
		if p.columns[t.Name] == nil && p.Cluster.Load == "" {
			c.failf(
				"cluster.load",
				"is missing: topic %s of the snapshot has no column in any trace, so a load must be named for it to follow",
				t.Name,
			)
			break
		}
	}
	for i, g := range p.Groups {
		for j, t := range g.Topics {
			if !known[t] && !c.hasTopic(t) {
				c.failf(fmt.Sprintf("groups[%d].topics[%d]", i, j), "no topic is called %q", t)
			}
		}
	}
	for i, f := range p.Faults {
		if f.Broker != nil && *f.Broker >= len(s.Brokers) {
			c.failf(
				fmt.Sprintf("faults[%d].broker", i),
				"is %d; brokers are counted in the snapshot's order, 0 to %d",
				*f.Broker,
				len(s.Brokers)-1,
			)
		}
	}
	p.snapshot = &s
}

func (p *Experiment) readPolicies(c *checker) {
	if p.Policy.File != "" || p.Policy.Spec != nil {
		if d := p.document(c, "policy", p.Name, p.Policy.File, p.Policy.Spec); d != nil {
			p.policy = d
		}
	}
	for i, v := range p.Variants {
		at := fmt.Sprintf("variants[%d]", i)
		if v.Name == "" {
			c.failf(at+".name", "is missing")
		}
		for _, n := range Names {
			if v.Name == n {
				c.failf(at+".name", "%q is a built-in policy's name", v.Name)
			}
		}
		for j := range i {
			if p.Variants[j].Name == v.Name {
				c.failf(at+".name", "%q is given twice", v.Name)
			}
		}
		if d := p.document(c, at, v.Name, v.File, v.Spec); d != nil {
			p.variants = append(p.variants, *d)
		}
	}
}

func (p *Experiment) document(c *checker, at, name, file string, spec *policy.Spec) *policy.Policy {
	switch {
	case file != "" && spec != nil:
		c.failf(at, "must have file or spec, not both")
	case file != "":
		if p.in.Policy == nil {
			c.failf(at+".file", "cannot be read here")
			return nil
		}
		d, err := p.in.Policy(p.in.path(file))
		if err != nil {
			c.failf(at+".file", "%v", plain(err))
			return nil
		}
		return &d
	case spec != nil:
		d := policy.Policy{Metadata: policy.Metadata{Name: name}, Spec: *spec}
		d.SetDefaults()
		var inv *policy.Invalid
		if err := d.Validate(); errors.As(err, &inv) {
			for _, x := range inv.Problems {
				c.failf(at+"."+x.Path, "%s", x.Message)
			}
			return nil
		}
		return &d
	default:
		c.failf(at, "must have file or spec")
	}
	return nil
}
