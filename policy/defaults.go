package policy

import (
	"time"
)

// Default is every default there is, in one place. A field that is absent, or
// zero, takes its value from here.
var Default = Spec{
	Mode:     Recommend,
	Interval: Duration(time.Minute),
	Prometheus: Prometheus{
		Catalogue: "strimzi",
		Timeout:   Duration(30 * time.Second),
	},
	Forecast: Forecast{
		Quantile: 0.95,
		History:  Duration(28 * 24 * time.Hour),
		Step:     Duration(5 * time.Minute),
		Horizon:  Duration(time.Hour),
		Refresh:  Duration(5 * time.Minute),
		TimeZone: "UTC",
		Seasons:  "auto",
	},
	Brokers: Brokers{
		Min:                  3,
		Utilisation:          Utilisation{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7},
		Survive:              Survive{Zones: 1},
		Stabilisation:        Duration(time.Hour),
		MaxReplicasPerBroker: 4000,
		Startup:              Startup{Pod: Duration(2 * time.Minute), Join: Duration(time.Minute)},
		DrainTimeout:         Duration(6 * time.Hour),
	},
	Rebalance: Rebalance{
		Tolerance: 0.10,
		MinGain:   0.05,
		Throttle:  "auto",
	},
	Gates: Gates{
		Cooldown:    Duration(30 * time.Minute),
		StaleAfter:  Duration(5 * time.Minute),
		MinZones:    1,
		DiskAfter:   0.85,
		Budget:      Budget{BrokerActions: 12, ConsumerActions: 200},
		Ineffective: Duration(30 * time.Minute),
	},
	Cost: Cost{Currency: "USD"},
}

// DefaultConsumer is what a consumer takes where it says nothing.
var DefaultConsumer = Consumer{
	Via:           "auto",
	Min:           1,
	Lag:           Lag{MaxSeconds: 60},
	Utilisation:   0.8,
	Stabilisation: Duration(15 * time.Minute),
	Startup:       Duration(time.Minute),
}

// SetDefaults fills what is absent. It changes nothing that was said.
func (p *Policy) SetDefaults() {
	if p.APIVersion == "" {
		p.APIVersion = APIVersion
	}
	if p.Kind == "" {
		p.Kind = Kind
	}
	s, d := &p.Spec, Default
	or(&s.Mode, d.Mode)
	or(&s.Interval, d.Interval)
	or(&s.Prometheus.Catalogue, d.Prometheus.Catalogue)
	or(&s.Prometheus.Timeout, d.Prometheus.Timeout)
	s.Forecast.setDefaults(d.Forecast)
	s.Brokers.setDefaults(d.Brokers)
	for i := range s.Consumers {
		s.Consumers[i].setDefaults(DefaultConsumer)
	}
	or(&s.Rebalance.Tolerance, d.Rebalance.Tolerance)
	or(&s.Rebalance.MinGain, d.Rebalance.MinGain)
	or(&s.Rebalance.Throttle, d.Rebalance.Throttle)
	s.Gates.setDefaults(d.Gates)
	or(&s.Cost.Currency, d.Cost.Currency)
}

func (f *Forecast) setDefaults(d Forecast) {
	or(&f.Quantile, d.Quantile)
	or(&f.History, d.History)
	or(&f.Step, d.Step)
	or(&f.Horizon, d.Horizon)
	or(&f.Refresh, max(d.Refresh, f.Step))
	or(&f.TimeZone, d.TimeZone)
	or(&f.Seasons, d.Seasons)
}

func (b *Brokers) setDefaults(d Brokers) {
	or(&b.Min, d.Min)
	or(&b.Utilisation.CPU, d.Utilisation.CPU)
	or(&b.Utilisation.NetworkIn, d.Utilisation.NetworkIn)
	or(&b.Utilisation.NetworkOut, d.Utilisation.NetworkOut)
	or(&b.Utilisation.Disk, d.Utilisation.Disk)
	or(&b.Utilisation.DiskBandwidth, d.Utilisation.DiskBandwidth)
	or(&b.Survive, d.Survive)
	or(&b.Stabilisation, d.Stabilisation)
	or(&b.MaxReplicasPerBroker, d.MaxReplicasPerBroker)
	or(&b.Startup.Pod, d.Startup.Pod)
	or(&b.Startup.Join, d.Startup.Join)
	or(&b.DrainTimeout, d.DrainTimeout)
}

func (c *Consumer) setDefaults(d Consumer) {
	or(&c.Via, d.Via)
	or(&c.Min, d.Min)
	or(&c.Lag.MaxSeconds, d.Lag.MaxSeconds)
	or(&c.Utilisation, d.Utilisation)
	or(&c.Stabilisation, d.Stabilisation)
	or(&c.Startup, d.Startup)
}

func (g *Gates) setDefaults(d Gates) {
	or(&g.Cooldown, d.Cooldown)
	or(&g.StaleAfter, d.StaleAfter)
	or(&g.MinZones, d.MinZones)
	or(&g.DiskAfter, d.DiskAfter)
	or(&g.Budget.BrokerActions, d.Budget.BrokerActions)
	or(&g.Budget.ConsumerActions, d.Budget.ConsumerActions)
	or(&g.Ineffective, d.Ineffective)
}

// or keeps a value that was given and takes the default otherwise.
func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
