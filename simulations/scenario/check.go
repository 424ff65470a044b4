package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/internal/strictyaml"
	"github.com/tidetable/tidetable/policy"
)

// checker collects mistakes.
type checker struct {
	s        *Scenario
	lines    strictyaml.Lines
	problems []strictyaml.Problem
	told     map[string]bool
}

func (c *checker) failf(path, format string, args ...any) {
	if c.told[path] {
		return // its value could not be read; once is enough
	}
	c.told[path] = true
	c.problems = append(c.problems, strictyaml.Problem{Path: path, Line: c.lines.At(path), Message: fmt.Sprintf(format, args...)})
}

func (c *checker) oneOf(path, got string, allowed []string) bool {
	if slices.Contains(allowed, got) {
		return true
	}
	c.failf(path, "must be one of %s, not %q", strings.Join(allowed, ", "), got)
	return false
}

func (c *checker) span(path string, d policy.Duration, least, most time.Duration) {
	if d.D() < least || d.D() > most {
		c.failf(path, "must be %s to %s, not %s", policy.Duration(least), policy.Duration(most), d)
	}
}

func (c *checker) number(path string, v, least, most float64) {
	if !(v >= least && v <= most) {
		c.failf(path, "must be %g to %g, not %g", least, most, v)
	}
}

const day = 24 * time.Hour

func (c *checker) check() {
	s := c.s
	if s.Version != 1 {
		c.failf("version", "must be 1, not %d", s.Version)
	}
	c.span("tick", s.Tick, time.Second, time.Hour)
	c.span("duration", s.Duration, s.Tick.D(), 5*366*day)
	c.span("history", s.History, 0, 3*366*day)
	if s.Tick > 0 && s.Duration/s.Tick > 5_000_000 {
		c.failf("duration", "is %d ticks of %s, more than 5,000,000; take a longer tick", s.Duration/s.Tick, s.Tick)
	}
	for i, p := range s.Policies {
		at := fmt.Sprintf("policies[%d]", i)
		if c.oneOf(at, p, Names) && slices.Contains(s.Policies[:i], p) {
			c.failf(at, "%s is given twice", p)
		}
	}
	c.cluster()
	c.loads()
	c.topics()
	c.groups()
	c.comparison()
	c.faults()
	c.changes()
	c.monteCarlo()
}

func (c *checker) cluster() {
	k := c.s.Cluster
	if k.Snapshot == "" {
		if k.Brokers.Count < 1 || k.Brokers.Count > 1000 {
			c.failf("cluster.brokers.count", "must be 1 to 1000, not %d; or give cluster.snapshot", k.Brokers.Count)
		}
		if len(c.s.Topics) == 0 {
			c.failf("topics", "is empty; give topics, or cluster.snapshot")
		}
	} else if k.Brokers.Count != 0 {
		c.failf("cluster.brokers.count", "contradicts cluster.snapshot, which brings its own brokers")
	}
	c.shape("cluster.brokers.shape", k.Brokers.Shape)
	c.span("cluster.scrapeInterval", k.Scrape, 0, time.Hour)
	c.span("cluster.startup.pod", k.Startup.Pod, 0, day)
	c.span("cluster.startup.join", k.Startup.Join, 0, day)
	c.span("cluster.startup.consumer", k.Startup.Consumer, 0, day)
	c.span("cluster.startup.rebalancePause", k.Startup.RebalancePause, 0, time.Hour)
	c.number("cluster.throttle", float64(k.Throttle), 1e3, 1e12)
}

func (c *checker) shape(path string, s Shape) {
	c.number(path+".cpuCores", s.CPU, 0.1, 1024)
	c.number(path+".network", float64(s.Net), 1e5, 1e12)
	c.number(path+".disk", float64(s.Disk), 1e6, 1e15)
	c.number(path+".diskBandwidth", float64(s.DiskBW), 1e5, 1e12)
	c.number(path+".costPerHour", s.PerHr, 0, 1e6)
}

func (c *checker) loads() {
	if len(c.s.Loads) == 0 {
		c.failf("loads", "is empty; a scenario needs a load")
	}
	seen := map[string]bool{}
	for i, l := range c.s.Loads {
		at := fmt.Sprintf("loads[%d]", i)
		if l.Name == "" {
			c.failf(at+".name", "is missing")
		}
		if seen[l.Name] {
			c.failf(at+".name", "%q is given twice", l.Name)
		}
		seen[l.Name] = true
		sources := 0
		for _, given := range []bool{l.CSV != "", l.Blocks != "", l.Gen != nil} {
			if given {
				sources++
			}
		}
		if sources != 1 {
			c.failf(at, "must have exactly one of csv, blocks and generate; it has %d", sources)
		}
		if l.Mean != 0 && l.Peak != 0 {
			c.failf(at+".peak", "contradicts mean: a load is scaled to one of them")
		}
		c.number(at+".scale", l.Scale, 1e-12, 1e15)
		if l.Gen != nil {
			c.generate(at+".generate", l.Gen)
		}
	}
	if l := c.s.Cluster.Load; l != "" {
		c.loadNamed("cluster.load", l)
	}
}

func (c *checker) generate(at string, g *Generate) {
	if g.Base <= 0 {
		c.failf(at+".base", "must be a rate above zero, such as 20MB/s")
	}
	c.number(at+".day", g.Day, 0, 1)
	c.number(at+".week", g.Week, 0, 1)
	c.number(at+".trendPerYear", g.Trend, -0.95, 20)
	c.number(at+".noise", g.Noise, 0, 1)
	c.number(at+".memory", g.Memory, 0, 0.999)
	c.span(at+".step", g.Step, time.Second, day)
	for j, e := range g.Events {
		p := fmt.Sprintf("%s.events[%d]", at, j)
		c.number(p+".uplift", e.Uplift, 0.01, 1000)
		if e.Every != 0 && e.Every < e.Duration {
			c.failf(p+".every", "is %s, shorter than the event itself (%s)", e.Every, e.Duration)
		}
	}
}

func (c *checker) loadNamed(path, name string) {
	for _, l := range c.s.Loads {
		if l.Name == name {
			return
		}
	}
	var names []string
	for _, l := range c.s.Loads {
		names = append(names, l.Name)
	}
	if name == "" {
		c.failf(path, "is missing; name one of the loads: %s", strings.Join(names, ", "))
		return
	}
	c.failf(path, "no load is called %q; there are: %s", name, strings.Join(names, ", "))
}

func (c *checker) topics() {
	seen := map[string]bool{}
	for i := range c.s.Topics {
		c.topic(fmt.Sprintf("topics[%d]", i), &c.s.Topics[i], seen)
	}
}

func (c *checker) topic(at string, t *Topic, seen map[string]bool) {
	if t.Name == "" {
		c.failf(at+".name", "is missing")
	}
	if seen[t.Name] {
		c.failf(at+".name", "%q is given twice", t.Name)
	}
	seen[t.Name] = true
	c.number(at+".count", float64(t.Count), 1, 10_000)
	c.number(at+".partitions", float64(t.Partitions), 1, 100_000)
	if t.Replication < 1 || t.Replication > 16 {
		c.failf(at+".replicationFactor", "must be 1 to 16, not %d", t.Replication)
	} else if n := c.s.Cluster.Brokers.Count; n > 0 && t.Replication > n {
		c.failf(at+".replicationFactor", "is %d, and there are only %d brokers", t.Replication, n)
	}
	if t.MinISR > t.Replication {
		c.failf(at+".minInsyncReplicas", "is %d, more than the %d replicas: nothing could be produced", t.MinISR, t.Replication)
	}
	c.span(at+".retention", t.Retention, time.Minute, 5*366*day)
	c.number(at+".share", t.Share, 0, 1)
	c.number(at+".skew", t.Skew, 0, 3)
	c.number(at+".messageBytes", float64(t.MessageBytes), 1, 1e9)
	c.loadNamed(at+".load", t.Load)
}

func (c *checker) groups() {
	seen := map[string]bool{}
	for i := range c.s.Groups {
		c.group(fmt.Sprintf("groups[%d]", i), &c.s.Groups[i], seen)
	}
}

func (c *checker) group(at string, g *Group, seen map[string]bool) {
	if g.Name == "" {
		c.failf(at+".name", "is missing")
	}
	if seen[g.Name] {
		c.failf(at+".name", "%q is given twice", g.Name)
	}
	seen[g.Name] = true
	if len(g.Topics) == 0 {
		c.failf(at+".topics", "is empty; a group reads at least one topic")
	}
	c.number(at+".perReplica", g.PerReplica, 0.001, 1e12)
	c.number(at+".replicas", float64(g.Replicas), 0, 100_000)
	if g.Max != 0 && g.Max < g.Min {
		c.failf(at+".max", "is %d, less than min %d", g.Max, g.Min)
	}
	if c.s.Cluster.Snapshot != "" {
		return // its topics are not known yet
	}
	for j, name := range g.Topics {
		if !c.hasTopic(name) {
			c.failf(fmt.Sprintf("%s.topics[%d]", at, j), "no topic is called %q", name)
		}
	}
}

func (c *checker) hasTopic(name string) bool {
	for _, t := range c.s.Topics {
		if t.Name == name {
			return true
		}
	}
	for _, x := range c.s.Changes {
		if x.Topic != nil && x.Topic.Name == name {
			return true
		}
	}
	return false
}

func (c *checker) comparison() {
	k := c.s.Comparison
	c.number("comparison.targetUtilisation", orOne(k.Target), 0.05, 1)
	c.number("comparison.targetCPU", orOne(k.CPU), 0.05, 1)
	c.number("comparison.lagSeconds", k.LagSeconds, 0, 86400)
}

func orOne(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}

func (c *checker) monteCarlo() {
	m := c.s.MonteCarlo
	if m.Planner != "" {
		c.oneOf("monteCarlo.planner", m.Planner, Planners)
	}
	c.number("monteCarlo.runs", float64(m.Runs), 0, 1e6)
	if m.Growth != nil {
		c.number("monteCarlo.growth.mean", m.Growth.Mean, -0.95, 100)
		c.number("monteCarlo.growth.sd", m.Growth.SD, 0, 100)
	}
	if m.Noise != nil {
		c.number("monteCarlo.noise.mean", m.Noise.Mean, 0, 1)
		c.number("monteCarlo.noise.sd", m.Noise.SD, 0, 1)
	}
	for name, r := range map[string]*Random{"events": m.Events, "brokerFailures": m.Faults} {
		if r == nil {
			continue
		}
		at := "monteCarlo." + name
		c.number(at+".perWeek", r.PerWeek, 0, 1000)
		c.span(at+".duration", r.Duration, time.Minute, 30*day)
		if name == "events" {
			c.number(at+".uplift.mean", r.Uplift.Mean, 0.01, 1000)
		}
	}
}
