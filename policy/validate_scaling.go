package policy

import (
	"fmt"
	"time"
)

func (c *checker) brokers(path string, b Brokers, mode Mode) {
	const day = 24 * time.Hour
	c.atLeast(path+".min", b.Min, 1)
	if b.Max != 0 && b.Max < b.Min {
		c.failf(path+".max", "must not be below min: %d < %d", b.Max, b.Min)
	}
	if b.Max < 0 {
		c.failf(path+".max", "must not be negative, not %d", b.Max)
	}
	if mode.Acts() && b.Target.Kind != "" && b.Max == 0 {
		c.failf(path+".max", "is missing: mode %s needs a bound", mode)
	}
	c.target(path+".target", b.Target, false)
	if id := b.IDOf; id != nil {
		switch {
		case id.Label == "" && id.Offset == nil:
			c.failf(path+".idOf", "must have a label or an offset")
		case id.Label != "" && id.Offset != nil:
			c.failf(path+".idOf", "must have a label or an offset, not both")
		case id.Offset != nil && *id.Offset < 0:
			c.failf(path+".idOf.offset", "must not be negative, not %d", *id.Offset)
		}
	}
	c.share(path+".utilisation.cpu", b.Utilisation.CPU)
	c.share(path+".utilisation.networkIn", b.Utilisation.NetworkIn)
	c.share(path+".utilisation.networkOut", b.Utilisation.NetworkOut)
	c.share(path+".utilisation.disk", b.Utilisation.Disk)
	c.share(path+".utilisation.diskBandwidth", b.Utilisation.DiskBandwidth)
	said := 0
	for _, given := range []bool{b.Survive.Zones != 0, b.Survive.Brokers != 0, b.Survive.Nothing} {
		if given {
			said++
		}
	}
	if said > 1 {
		c.failf(path+".survive", "must say one of zones, brokers and nothing")
	}
	c.atLeast(path+".survive.zones", b.Survive.Zones, 0)
	c.atLeast(path+".survive.brokers", b.Survive.Brokers, 0)
	c.span(path+".stabilisation", b.Stabilisation, 0, 30*day)
	c.atLeast(path+".maxStep", b.MaxStep, 0)
	c.atLeast(path+".maxReplicasPerBroker", b.MaxReplicasPerBroker, 1)
	c.span(path+".startup.pod", b.Startup.Pod, 0, day)
	c.span(path+".startup.join", b.Startup.Join, 0, day)
	c.span(path+".catchUp", b.CatchUp, 0, 30*day)
	c.span(path+".drainTimeout", b.DrainTimeout, time.Second, 90*day)
}

func (c *checker) target(path string, t Target, required bool) {
	if t == (Target{}) {
		if required {
			c.failf(path, "is missing; name the workload by kind and name")
		}
		return
	}
	if t.Kind == "" {
		c.failf(path+".kind", "is missing, such as StatefulSet")
	}
	if t.Name == "" {
		c.failf(path+".name", "is missing")
	}
}

func (c *checker) consumers(path string, list []Consumer, mode Mode) {
	seen := map[string]int{}
	for i, x := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if x.Group == "" {
			c.failf(at+".group", "is missing")
		} else if first, ok := seen[x.Group]; ok {
			c.failf(at+".group", "%q is already given at %s[%d]", x.Group, path, first)
		} else {
			seen[x.Group] = i
		}
		c.oneOf(at+".via", x.Via, "auto", "floor", "scale", "metric")
		c.target(at+".target", x.Target, mode.Acts() && x.Via != "metric")
		c.atLeast(at+".min", x.Min, 0)
		if x.Max != 0 && x.Max < x.Min {
			c.failf(at+".max", "must not be below min: %d < %d", x.Max, x.Min)
		}
		if !(x.Lag.MaxSeconds > 0 && x.Lag.MaxSeconds < 1e9) {
			c.failf(at+".lag.maxSeconds", "must be above 0, not %v", x.Lag.MaxSeconds)
		}
		c.notNegative(at+".perReplica", x.PerReplica)
		c.share(at+".utilisation", x.Utilisation)
		c.span(at+".stabilisation", x.Stabilisation, 0, 30*24*time.Hour)
		c.atLeast(at+".maxStep", x.MaxStep, 0)
		c.span(at+".startup", x.Startup, 0, 24*time.Hour)
	}
}
