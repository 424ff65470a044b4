package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
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
	c.atLeast(path+".maxStep", b.MaxStep, 1)
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

var quantity = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?(?:[eE][+]?[0-9]+)?)\s*(|B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`)

var quantityUnits = map[string]float64{
	"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// ParseBytes reads an amount of data such as 500GB, 64MiB or 5e8.
func ParseBytes(s string) (cluster.Bytes, error) {
	m := quantity.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("%q is not an amount of data; write one like 500GB or 64MiB", s)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil || v*quantityUnits[m[2]] > 1e21 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return cluster.Bytes(v * quantityUnits[m[2]]), nil
}

// ParseRate reads a rate such as 50MB/s, 1.5GB or 800000, in bytes a second.
func ParseRate(s string) (cluster.BytesPerSecond, error) {
	v, err := ParseBytes(strings.TrimSuffix(s, "/s"))
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%q is not a rate; write bytes a second such as 50MB or 800kB", s)
	}
	return cluster.BytesPerSecond(v), nil
}

// ThrottleRate is the rate data may be moved at; auto leaves it to the mover.
func (r Rebalance) ThrottleRate() (rate cluster.BytesPerSecond, auto bool, err error) {
	if r.Throttle == "auto" || r.Throttle == "" {
		return 0, true, nil
	}
	if rate, err = ParseRate(r.Throttle); err != nil {
		return 0, false, fmt.Errorf("must be auto or a rate such as 50MB/s, not %q", r.Throttle)
	}
	return rate, false, nil
}

// MaxPlanBytes bounds one plan; 0 is no bound.
func (r Rebalance) MaxPlanBytes() (cluster.Bytes, error) {
	if r.MaxBytes == "" {
		return 0, nil
	}
	return ParseBytes(r.MaxBytes)
}
