package telemetry

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidetable/tidetable/decision"
)

// collector sends series, each set of labels once: a duplicate would fail the
// whole scrape.
type collector struct {
	ch   chan<- prometheus.Metric
	sent map[string]bool
}

func (c *collector) send(s series, v float64, labels ...string) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	if c.sent == nil {
		c.sent = map[string]bool{}
	}
	key := s.desc.String() + "\x00" + strings.Join(labels, "\x00")
	if c.sent[key] {
		return
	}
	c.sent[key] = true
	c.ch <- prometheus.MustNewConstMetric(s.desc, s.kind, v, labels...)
}

func (c *collector) decision(name string, d decision.Decision) {
	c.send(decidedAt, float64(d.Time.UnixNano())/1e9, name)
	c.send(mode, 1, name, d.Mode)
	c.send(alive, float64(d.Seen.AliveBrokers), name)
	c.send(required, float64(d.Requirement.Brokers), name)
	c.send(recommended, float64(d.Recommended), name)
	c.send(limit, float64(d.Limits.MinBrokers), name, "min")
	c.send(limit, float64(d.Limits.MaxBrokers), name, "max")
	c.send(leadTime, d.Requirement.LeadTimeSeconds, name)
	c.send(stale, float64(len(d.Seen.Stale)), name)
	for _, r := range d.Requirement.Constraints {
		if r.Unknown != "" {
			continue
		}
		c.send(constraint, float64(r.Brokers), name, r.Name)
		c.send(utilisation, float64(r.Utilisation), name, r.Name)
	}
	if b := d.Requirement.Bottleneck; b != "" {
		c.send(binds, 1, name, b)
	}
	for _, g := range d.Requirement.Consumers {
		if g.Unknown == "" {
			c.send(consumers, float64(g.Replicas), name, g.Group)
		}
		c.send(lag, float64(g.Lag), name, g.Group)
	}
	for _, b := range d.Seen.BrokerLoads {
		for r, u := range b.Utilisation {
			c.send(load, float64(u), name, strconv.Itoa(b.ID), b.Zone, string(r))
		}
	}
	c.forecasts(name, d)
	c.people(name, d)
	if o := d.Operation; o != nil {
		c.send(operation, 1, name, string(o.Kind), string(o.Phase))
		c.send(operating, float64(o.PhaseSince.UnixNano())/1e9, name)
	}
	if p := d.Moving; p != nil {
		c.send(movedBytes, float64(p.BytesMoved), name)
		c.send(plannedBytes, float64(p.BytesTotal), name)
	}
}

func (c *collector) forecasts(name string, d decision.Decision) {
	for _, f := range d.Forecasts {
		c.send(now, f.Now, name, f.Signal, f.Subject, f.Unit)
		for q, v := range f.Quantiles {
			c.send(foreseen, v, name, f.Signal, f.Subject, q)
		}
		if f.Capacity > 0 {
			c.send(carries, f.Capacity, name, f.Signal, f.Subject)
		}
		yes := 0.0
		if f.Trusted {
			yes = 1
		}
		c.send(trusted, yes, name, f.Signal, f.Subject)
	}
	for _, a := range d.Accuracy {
		c.send(wape, float64(a.WAPE), name, a.Signal, a.Subject)
		c.send(coverage, float64(a.Coverage), name, a.Signal, a.Subject)
		c.send(nominal, float64(a.Nominal), name, a.Signal, a.Subject)
	}
}

// people sends what was said from outside and what people should know, at
// zero for the kinds that are not there, so that alerts can resolve.
func (c *collector) people(name string, d decision.Decision) {
	said := map[string]float64{
		decision.EffectHold:       0,
		decision.EffectFreeze:     0,
		decision.EffectUplift:     0,
		decision.EffectBrokerDown: 0,
		decision.EffectCheck:      0,
	}
	for _, o := range d.Seen.Observations {
		said[o.Effect]++
	}
	for e, n := range said {
		c.send(observations, n, name, e)
	}
	known := map[decision.ConcernKind]float64{}
	for _, k := range decision.ConcernKinds {
		known[k] = 0
	}
	for _, k := range decision.Concerns(d) {
		known[k.Kind]++
	}
	for k, n := range known {
		c.send(concerns, n, name, string(k))
	}
}
