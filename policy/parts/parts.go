// Package parts turns a policy into the parts that decide by it: the capacity
// model, what the forecaster is told, when things may be done, what a plan may
// do, what things cost. The loop, plan, snapshot and the simulator all ask here,
// so that what is simulated or planned is what runs.
package parts

import (
	"fmt"
	"regexp"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
)

// Parts is a policy made ready.
type Parts struct {
	// Shape is the machine that stands in for what is not known of the brokers;
	// nil when the policy names none.
	Shape    *capacity.Shape
	Model    capacity.Model
	Forecast forecast.Options
	// Act and Move are when sizes may be changed and data may be moved.
	Act, Move policy.Windows
	// Moves is what any plan may do; who asks sets its throttle.
	Moves rebalance.Options
	// Start is what a broker takes until it is registered and alive.
	Start  time.Duration
	Prices capacity.Prices
	// cost is what the policy says beside prices.
	cost policy.Cost
}

// Of makes a policy ready. The policy has its defaults and is valid; an error
// names the field that cannot be used all the same.
func Of(s policy.Spec) (Parts, error) {
	p := Parts{
		Act:   policy.CompileWindows(s.Gates.Windows),
		Move:  policy.CompileWindows(s.Rebalance.Windows),
		Moves: movesOf(s),
		Start: s.Brokers.Startup.Pod.D() + s.Brokers.Startup.Join.D(),
		Prices: capacity.Prices{
			BrokerHour: s.Cost.BrokerHour, ReplicaHour: s.Cost.ReplicaHour,
			GigabyteMonth: s.Cost.GigabyteMonth, CrossZoneGigabyte: s.Cost.CrossZoneGigabyte,
		},
		cost: s.Cost,
	}
	if name := s.Brokers.Shape; name != "" {
		shape, err := capacity.ShapeNamed(name)
		if err != nil {
			return Parts{}, fmt.Errorf("spec.brokers.shape: %w", err)
		}
		p.Shape = &shape
		if p.Prices.BrokerHour == 0 {
			p.Prices.BrokerHour = shape.HourlyPrice
		}
	}
	p.Model = modelOf(s, p.Shape)
	options, err := forecastOptions(s)
	if err != nil {
		return Parts{}, err
	}
	p.Forecast = options
	return p, nil
}

func modelOf(s policy.Spec, shape *capacity.Shape) capacity.Model {
	b := s.Brokers
	m := capacity.Model{
		Limits: capacity.Limits{
			CPU: b.Utilisation.CPU, NetworkIn: b.Utilisation.NetworkIn, NetworkOut: b.Utilisation.NetworkOut,
			Disk: b.Utilisation.Disk, DiskBandwidth: b.Utilisation.DiskBandwidth,
		},
		Survive:              lossOf(b.Survive),
		MaxReplicasPerBroker: b.MaxReplicasPerBroker,
		CatchUp:              b.CatchUp.D(),
		MoveRate:             moveRate(s.Rebalance),
	}
	for _, g := range s.Consumers {
		m.CacheSeconds = max(m.CacheSeconds, g.Lag.MaxSeconds)
	}
	if shape != nil {
		m.StorageNetwork = shape.StorageNetworkBytesPerSecond
	}
	return m
}

// lossOf is what may be lost without overload; nothing, where that has been said.
func lossOf(s policy.Survive) capacity.Loss {
	if s.Nothing {
		return capacity.Loss{}
	}
	return capacity.Loss{Brokers: s.Brokers, Zones: s.Zones}
}

// assumedMoveRate is taken for a throttle of auto until moves have been seen.
const assumedMoveRate = cluster.BytesPerSecond(100e6)

func moveRate(r policy.Rebalance) cluster.BytesPerSecond {
	rate, auto, err := r.ThrottleRate()
	if auto || err != nil {
		return assumedMoveRate
	}
	return rate
}

func movesOf(s policy.Spec) rebalance.Options {
	r := s.Rebalance
	o := rebalance.Options{ExcludeBrokers: r.Exclude.Brokers}
	for _, e := range r.Exclude.Topics {
		if re, err := regexp.Compile(e); err == nil { // validated with the policy
			o.ExcludeTopics = append(o.ExcludeTopics, re)
		}
	}
	if most, err := r.MaxPlanBytes(); err == nil && most > 0 {
		o.Budget = &rebalance.Budget{Bytes: most}
	}
	if r.Zones.PreferConsumers {
		o.Locality = &rebalance.Locality{PricePerGigabyte: s.Cost.CrossZoneGigabyte}
	}
	return o
}

// reachLeast and reachMost bound what the forecaster is calibrated for: a day
// has to be seen whole, and a lead time beyond two days is answered with the
// last calibration widened.
const (
	reachLeast = 24 * time.Hour
	reachMost  = 48 * time.Hour
)

func forecastOptions(s policy.Spec) (forecast.Options, error) {
	o := forecast.Options{MaxAhead: min(max(2*s.Forecast.Horizon.D(), reachLeast), reachMost)}
	zone, err := time.LoadLocation(s.Forecast.TimeZone)
	if err != nil {
		return o, fmt.Errorf("spec.forecast.timeZone: %w", err)
	}
	o.Zone = zone
	c := forecast.Calendar{Holidays: s.Forecast.Holidays, Zone: zone}
	for i, e := range s.Forecast.Events {
		event, err := eventOf(e)
		if err != nil {
			return o, fmt.Errorf("spec.forecast.events[%d]: %w", i, err)
		}
		c.Events = append(c.Events, event)
	}
	if err := c.Check(); err != nil {
		return o, fmt.Errorf("spec.forecast: %w", err)
	}
	if len(c.Holidays)+len(c.Events) > 0 {
		o.Events = &c
	}
	return o, nil
}

func eventOf(e policy.Event) (forecast.Event, error) {
	out := forecast.Event{Name: e.Name, Duration: e.Duration.D(), Uplift: e.Uplift}
	if e.Schedule != "" {
		s, err := policy.ParseSchedule(e.Schedule, e.TimeZone)
		if err != nil {
			return out, err
		}
		out.Schedule = s
	}
	for _, text := range e.At {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return out, err
		}
		out.Starts = append(out.Starts, at)
	}
	return out, nil
}
