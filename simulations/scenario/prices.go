package scenario

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/policy/parts"
)

// DefaultPrices stand in where a scenario names no price file: round numbers of
// the order of on-demand prices of 2026, so that a cost can be compared, not
// booked.
var DefaultPrices = capacity.PriceFile{Currency: "USD", ReplicaHour: 0.05, GigabyteMonth: 0.08, CrossZoneGigabyte: 0.01}

const defaultBrokerHour = 0.8

func (p *Experiment) readPrices(c *checker) {
	p.prices = DefaultPrices
	if p.Prices == "" {
		p.policyPrices(c)
		return
	}
	f, err := files.Open(p.in.path(p.Prices), nil, 1<<20)
	if err != nil {
		c.failf("prices", "%v", plain(err))
		return
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		c.failf("prices", "%v", err)
		return
	}
	prices, err := capacity.ReadPrices(data)
	if err != nil {
		c.failf("prices", "%s: %v", p.Prices, err)
		return
	}
	p.prices = prices
	p.priceOf(c, "cluster.brokers.shape.name", p.Cluster.Brokers.Shape)
	for i, x := range p.Changes {
		if x.Shape != nil {
			p.priceOf(c, fmt.Sprintf("changes[%d].shape.name", i), *x.Shape)
		}
	}
}

// policyPrices takes what the policy says things cost, where it does: a broker
// by its hour, or by the shape that it names, as in production.
func (p *Experiment) policyPrices(c *checker) {
	if p.policy == nil {
		return
	}
	ready, err := parts.Of(p.policy.Spec)
	if err != nil {
		c.failf("policy", "%v", err)
		return
	}
	said := ready.Prices
	p.policyHour = said.BrokerHour
	p.prices.Currency = cmp.Or(p.policy.Spec.Cost.Currency, p.prices.Currency)
	p.prices.ReplicaHour = cmp.Or(said.ReplicaHour, p.prices.ReplicaHour)
	p.prices.GigabyteMonth = cmp.Or(said.GigabyteMonth, p.prices.GigabyteMonth)
	p.prices.CrossZoneGigabyte = cmp.Or(said.CrossZoneGigabyte, p.prices.CrossZoneGigabyte)
}

func (p *Experiment) priceOf(c *checker, path string, s Shape) {
	if s.PerHr > 0 {
		return
	}
	if _, ok := p.prices.BrokerHour[s.Name]; !ok {
		c.failf(path, "shape %q has no price in %s; it has: %s", s.Name, p.Prices, strings.Join(p.prices.Shapes(), ", "))
	}
}

// brokerHour is the price of one broker for one hour.
func (p *Experiment) brokerHour() float64 {
	s := p.Cluster.Brokers.Shape
	for _, x := range p.Changes {
		if x.Kind == MachineShape && x.At == 0 && x.Shape != nil {
			s = *x.Shape
		}
	}
	if s.PerHr > 0 {
		return s.PerHr
	}
	if v, ok := p.prices.BrokerHour[s.Name]; ok {
		return v
	}
	return cmp.Or(p.policyHour, defaultBrokerHour)
}

// Cost prices what a run used.
func (p *Experiment) Cost(brokerHours, replicaHours, diskByteSeconds, crossZoneBytes float64) float64 {
	const month = capacity.HoursPerMonth * 3600
	return brokerHours*p.brokerHour() + replicaHours*p.prices.ReplicaHour +
		diskByteSeconds/1e9/month*p.prices.GigabyteMonth + crossZoneBytes/1e9*p.prices.CrossZoneGigabyte
}

// MovePrices are what sizes and the moves between them cost.
func (p *Experiment) MovePrices() capacity.Prices {
	return capacity.Prices{
		BrokerHour: p.brokerHour(), ReplicaHour: p.prices.ReplicaHour, GigabyteMonth: p.prices.GigabyteMonth,
		CrossZoneGigabyte: p.prices.CrossZoneGigabyte,
	}
}

// Currency is what Cost is in.
func (p *Experiment) Currency() string {
	if p.prices.Currency == "" {
		return "USD"
	}
	return p.prices.Currency
}

// Reprice makes it a price for a GB between zones, whatever the scenario says.
func (p *Experiment) Reprice(crossZoneGigabyte float64) {
	p.prices.CrossZoneGigabyte = crossZoneGigabyte
}
