package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/world"
)

var faultKinds = []string{
	string(world.BrokerDown), string(world.ZoneDown), string(world.SlowDisk), string(world.NetworkCut),
	string(world.MetricsOutage), string(world.LoopOutage), string(world.PodStartFails),
}

// needed is a field that a change needs, and whether it has it.
type needed struct {
	field string
	given func(x *Change) bool
}

var (
	needsFactor   = needed{"factor", func(x *Change) bool { return x.Factor > 0 }}
	needsDuration = needed{"duration", func(x *Change) bool { return x.Duration > 0 }}
	needsTopic    = needed{"topic", func(x *Change) bool { return x.Topic != nil }}
	needsRate     = needed{"rate", func(x *Change) bool { return x.Rate > 0 }}
	needsGroup    = needed{"group", func(x *Change) bool { return x.Group != nil }}
	needsShape    = needed{"shape", func(x *Change) bool { return x.Shape != nil }}
	needsValue    = needed{"value", func(x *Change) bool { return x.Value > 0 }}
)

// changeKinds lists the changes, each with the fields that it needs.
var changeKinds = map[ChangeKind][]needed{
	Growth:            {needsFactor},
	Campaign:          {needsDuration, needsFactor},
	NewTopic:          {needsTopic, needsRate},
	NewGroup:          {needsGroup},
	Retention:         {needsFactor},
	MachineShape:      {needsShape},
	ReplicationFactor: {needsValue},
}

func (c *checker) faults() {
	for i := range c.s.Faults {
		f := &c.s.Faults[i]
		at := fmt.Sprintf("faults[%d]", i)
		if !c.oneOf(at+".kind", string(f.Kind), faultKinds) {
			continue
		}
		if f.At >= c.s.Duration {
			c.failf(at+".at", "is %s, after the scenario's end at %s", f.At, c.s.Duration)
		}
		c.faultTarget(at, f)
		for j := range i {
			c.contradiction(at, j, &c.s.Faults[j], f)
		}
	}
}

// faultTarget checks that a fault names what it breaks, and nothing else.
func (c *checker) faultTarget(at string, f *Fault) {
	kind := f.Kind
	onBroker := kind == world.BrokerDown || kind == world.SlowDisk || kind == world.NetworkCut
	switch {
	case onBroker && f.Broker == nil:
		c.failf(at+".broker", "is missing; a %s fault names its broker", f.Kind)
	case onBroker && (*f.Broker < 0 || c.s.Cluster.Snapshot == "" && *f.Broker >= c.s.Cluster.Brokers.Count):
		c.failf(at+".broker", "is %d; the brokers are 0 to %d", *f.Broker, c.s.Cluster.Brokers.Count-1)
	case !onBroker && f.Broker != nil:
		c.failf(at+".broker", "does not belong to a %s fault", f.Kind)
	}
	if kind == world.ZoneDown {
		if c.s.Cluster.Snapshot == "" && !slices.Contains(c.s.Cluster.Brokers.Zones, f.Zone) {
			c.failf(at+".zone", "no zone is called %q; there are: %s", f.Zone, strings.Join(c.s.Cluster.Brokers.Zones, ", "))
		}
	} else if f.Zone != "" {
		c.failf(at+".zone", "does not belong to a %s fault", f.Kind)
	}
	slow := kind == world.SlowDisk || kind == world.NetworkCut
	switch {
	case slow && f.Factor == nil && kind == world.SlowDisk:
		c.failf(at+".factor", "is missing; 0.1 leaves a tenth of the bandwidth")
	case slow && f.Factor != nil && (*f.Factor < 0 || *f.Factor >= 1):
		c.failf(at+".factor", "must be 0 or more and under 1, not %g", *f.Factor)
	case !slow && f.Factor != nil:
		c.failf(at+".factor", "does not belong to a %s fault", f.Kind)
	}
}

// contradiction finds two faults that cannot both be.
func (c *checker) contradiction(at string, j int, a, b *Fault) {
	if !overlap(a, b) {
		return
	}
	same := a.Kind == b.Kind && a.Zone == b.Zone && equal(a.Broker, b.Broker)
	dead := a.Broker != nil && equal(a.Broker, b.Broker) && (a.Kind == world.BrokerDown || b.Kind == world.BrokerDown)
	switch {
	case same:
		c.failf(at, "contradicts faults[%d]: the same %s fault is under way at %s", j, a.Kind, later(a.At, b.At))
	case dead:
		c.failf(
			at,
			"contradicts faults[%d]: broker %d is dead at %s, so it can have no %s fault",
			j,
			*a.Broker,
			later(a.At, b.At),
			other(a, b),
		)
	}
}

func other(a, b *Fault) world.EventKind {
	if a.Kind == world.BrokerDown {
		return b.Kind
	}
	return a.Kind
}

func overlap(a, b *Fault) bool {
	end := func(f *Fault) policy.Duration {
		if f.For == 0 {
			return policy.Duration(1<<62 - 1)
		}
		return f.At + f.For
	}
	return a.At < end(b) && b.At < end(a)
}

func later(a, b policy.Duration) policy.Duration { return max(a, b) }

func equal(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func (c *checker) changes() {
	kinds := make([]string, 0, len(changeKinds))
	for k := range changeKinds {
		kinds = append(kinds, string(k))
	}
	slices.Sort(kinds)
	topics, groups := map[string]bool{}, map[string]bool{}
	for _, t := range c.s.Topics {
		topics[t.Name] = true
	}
	for _, g := range c.s.Groups {
		groups[g.Name] = true
	}
	for i := range c.s.Changes {
		x := &c.s.Changes[i]
		at := fmt.Sprintf("changes[%d]", i)
		if !c.oneOf(at+".kind", string(x.Kind), kinds) {
			continue
		}
		for _, n := range changeKinds[x.Kind] {
			if !n.given(x) {
				c.failf(at+"."+n.field, "is missing; a %s change needs it", x.Kind)
			}
		}
		c.change(at, x, topics, groups)
	}
}

func (c *checker) change(at string, x *Change, topics, groups map[string]bool) {
	if x.At >= c.s.Duration {
		c.failf(at+".at", "is %s, after the scenario's end at %s", x.At, c.s.Duration)
	}
	if x.Load != "" {
		c.loadNamed(at+".load", x.Load)
	}
	if x.Topic != nil {
		c.topic(at+".topic", x.Topic, topics)
	}
	if x.Group != nil {
		c.group(at+".group", x.Group, groups)
	}
	if x.Shape != nil {
		c.shape(at+".shape", *x.Shape)
	}
	if x.Kind == ReplicationFactor {
		if x.At != 0 {
			c.failf(at+".at", "a replication factor changes the whole scenario; leave at away")
		}
		if n := c.s.Cluster.Brokers.Count; n > 0 && x.Value > n {
			c.failf(at+".value", "is %d, and there are only %d brokers", x.Value, n)
		}
	}
	if x.Kind == Growth && x.Factor > 1000 {
		c.failf(at+".factor", "must be at most 1000, not %g (1.4 is +40 %%)", x.Factor)
	}
	c.span(at+".ramp", x.Ramp, 0, max(x.Duration.D(), time.Nanosecond))
}
