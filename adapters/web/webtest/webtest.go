// Package webtest is a day of decisions for tests of the page.
package webtest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

// Epoch is the time of the first decision.
var Epoch = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

// HostileNames are what a page must show as text and nothing else.
var HostileNames = []string{
	`<script>window.pwned = 1</script>`,
	`"><img src=x onerror="window.pwned = 1">`,
	`{a|b}</title><svg onload=window.pwned=1>`,
	strings.Repeat("a", 249),
	"Übergröße-\u202egnp.exe-日本語-\U0001F30A",
}

// load is a day's tide in bytes per second.
func load(t time.Time) float64 {
	h := float64(t.Unix()%86400) / 3600
	return 6e7 + 4e7*math.Sin(2*math.Pi*(h-9)/24) + 1.2e7*math.Sin(4*math.Pi*(h-2)/24)
}

// Decisions is a day of decisions, one every half hour, in mode Approve: a peak
// is coming, a rebalance is under way and one gate holds.
func Decisions(hostile bool) []decision.Decision {
	group := "billing"
	if hostile {
		group = HostileNames[0]
	}
	var all []decision.Decision
	for i := range 48 {
		at := Epoch.Add(time.Duration(i) * 30 * time.Minute)
		brokers := 6
		if i > 30 {
			brokers = 7
		}
		d := decision.Decision{
			Version: 1, ID: at.Format(time.RFC3339) + "/claims", Time: at, Policy: "claims", ClusterID: "fixture", Mode: "Approve",
			Limits:  decision.Limits{MinBrokers: 3, MaxBrokers: 12, Tolerance: 0.1, SurviveZones: 1},
			Outcome: "the size is right", Reason: "Steady",
		}
		d.Seen = decision.Seen{
			Brokers:      brokers,
			AliveBrokers: brokers,
			Topics:       84,
			Partitions:   1260,
			BytesIn:      cluster.BytesPerSecond(load(at)),
			BytesOut:     cluster.BytesPerSecond(2.4 * load(at)),
			DiskBytes:    5.1e12,
		}
		for id := range brokers {
			zone := string(rune('a' + id%3))
			u := cluster.Ratio(load(at) / 1e8 / float64(brokers) * 3.2)
			d.Seen.BrokerLoads = append(
				d.Seen.BrokerLoads,
				decision.BrokerLoad{ID: id, Zone: zone, State: cluster.BrokerAlive, Utilisation: map[cluster.Resource]cluster.Ratio{
					cluster.CPU: u * 0.9, cluster.NetworkIn: u * 0.7, cluster.NetworkOut: u * cluster.Ratio(1+0.3*float64(id%2)), cluster.Disk: 0.45 + 0.03*cluster.Ratio(id)}},
			)
		}
		d.Forecasts = []decision.ForecastSummary{
			forecastOf(at, "bytesIn", "", "B/s", 1, 1.35e8),
			forecastOf(at, "recordsIn", group, "/s", 1e-3, 0),
		}
		d.Requirement = requirement(brokers, group)
		d.Accuracy = []decision.Accuracy{
			{Signal: "bytesIn", Since: at.AddDate(0, 0, -7), Points: 336, WAPE: 0.061, Coverage: 0.944, Nominal: 0.95},
			{Signal: "recordsIn", Subject: group, Since: at.AddDate(0, 0, -7), Points: 336, WAPE: 0.142, Coverage: 0.79, Nominal: 0.95},
		}
		all = append(all, d)
	}
	scaled := &all[31]
	scaled.Outcome, scaled.Reason = "scaled kafka from 6 to 7 brokers, 3 h before the peak", "Scaled"
	scaled.Proposals = []decision.Proposal{
		{Kind: decision.ScaleBrokers, Target: "StatefulSet/kafka", From: 6, To: 7, Why: "networkOut needs 7 at 17:00"},
	}
	scaled.Verdicts = []decision.Verdict{
		{Gate: "cooldown", Ruling: decision.Allow},
		{Gate: "forecast", Ruling: decision.Allow},
		{Gate: "windows", Ruling: decision.Allow},
	}
	scaled.Actions = []decision.Action{{At: scaled.Time, Done: "StatefulSet/kafka: replicas 6 → 7"}}

	last := &all[len(all)-1]
	last.Outcome, last.Reason = "a scale-out of billing waits for approval", "Held"
	last.Requirement.Consumers[0].Replicas = 9
	last.Proposals = []decision.Proposal{
		{Kind: decision.ScaleConsumers, Target: "Deployment/" + group, From: 6, To: 9, Why: "the backlog would take 40 min to drain"},
	}
	last.Proposals[0] = last.Proposals[0].Named(last.Policy, last.Time)
	last.Verdicts = []decision.Verdict{
		{Gate: "approval", Ruling: decision.Hold, Why: "nobody has approved it"},
		{Gate: "cooldown", Ruling: decision.Allow},
	}
	last.Moving = &rebalance.Progress{
		State:      rebalance.Moving,
		BytesTotal: 8.4e11,
		BytesMoved: 3.1e11,
		MovesTotal: 212,
		MovesDone:  77,
		Rate:       9.5e7,
		ETASeconds: 93 * 60,
	}
	last.Schedule = schedule(last.Time)
	last.Seen.Stale = []cluster.StaleSignal{{Signal: "cpu broker 3", Reason: "no sample for 4m", LastSeen: last.Time.Add(-4 * time.Minute)}}
	last.Seen.Observations = []decision.Observation{
		{Source: "alertmanager/NodeMaintenance/00000000000000a1", Effect: decision.EffectHold, Until: last.Time.Add(time.Hour)},
	}
	if hostile {
		for i, n := range HostileNames {
			last.Proposals = append(last.Proposals, decision.Proposal{Kind: decision.Rebalance, Target: n, Why: n}.Named("claims", last.Time))
			last.Seen.Stale = append(last.Seen.Stale, cluster.StaleSignal{Signal: cluster.Signal(n), Reason: n})
			last.Forecasts = append(last.Forecasts, forecastOf(last.Time, fmt.Sprintf("s%d", i), n, n, 1, 0))
			last.Concerns = append(
				last.Concerns,
				decision.Concern{Kind: decision.HotSpot, Subject: n, Severity: decision.Warning, Detail: n},
			)
			last.Actions = append(last.Actions, decision.Action{At: last.Time, Done: n, Error: n})
		}
		last.Schedule.Unit = HostileNames[0]
		last.Outcome, last.Reason, last.Seen.BrokerLoads[0].Zone = HostileNames[0]+HostileNames[1], HostileNames[1], HostileNames[0]
	}
	return all
}

// schedule is two brokers more for a peak, and one fewer that does not pay.
func schedule(at time.Time) *decision.Schedule {
	return &decision.Schedule{
		Until: at.Add(72 * time.Hour), Unit: "USD", Needed: 7,
		Changes: []decision.ScheduledChange{{
			From: 7, To: 9, At: at.Add(8 * time.Hour), Ready: at.Add(9 * time.Hour), For: at.Add(10 * time.Hour), Moved: 1.1e12, Cost: 13.9,
		}},
		Cost: decision.ScheduleCost{Brokers: 460.8, Moves: 13.9, BrokerHour: 0.8},
		Waived: &decision.WaivedChange{
			ScheduledChange: decision.ScheduledChange{From: 7, To: 6, At: at.Add(time.Hour), Ready: at.Add(2 * time.Hour), Moved: 7e11},
			Saves:           14.2, Costs: 22.1,
		},
	}
}

func forecastOf(at time.Time, signal, subject, unit string, scale, carries float64) decision.ForecastSummary {
	f := decision.ForecastSummary{
		Signal:          signal,
		Subject:         subject,
		Unit:            unit,
		Now:             scale * load(at),
		LeadTimeSeconds: 3 * 3600,
		Model:           "ensemble",
		Trusted:         true,
		Capacity:        carries,
		Quantiles:       map[string]float64{},
	}
	for k := range 96 {
		t := at.Add(time.Duration(k+1) * 30 * time.Minute)
		mid := scale * load(t)
		width := mid * (0.04 + 0.002*float64(k))
		f.Curve = append(f.Curve, decision.CurvePoint{Time: t, Low: mid - width, Mid: mid, High: mid + width})
		if mid+width > f.Quantiles["0.95"] {
			f.Quantiles["0.95"], f.Quantiles["0.5"], f.PeakAt = mid+width, mid, t
		}
	}
	return f
}

func requirement(brokers int, group string) capacity.Requirement {
	row := func(name string, n int, demand, each float64, unit string, u cluster.Ratio) capacity.Constraint {
		return capacity.Constraint{Name: name, Brokers: n, Demand: demand, PerBroker: each, Unit: unit, Utilisation: u,
			Formula: fmt.Sprintf("%.3g %s ÷ %.3g = %d", demand, unit, each, n)}
	}
	return capacity.Requirement{
		Brokers: brokers, Bottleneck: "networkOut", Headroom: "a zone may be lost", LeadTimeSeconds: 11400, Complete: true,
		Constraints: []capacity.Constraint{
			row("cpu", brokers-1, 21, 4.8, "cores", 0.52), row("networkIn", 4, 3.6e8, 8.75e8, "B/s", 0.31),
			row("networkOut", brokers, 5.1e9, 8.75e8, "B/s", 0.64), row("disk", 5, 5.1e12, 1.4e12, "B", 0.49),
		},
		Consumers: []capacity.ConsumerRequirement{
			{Group: group, Replicas: 6, Partitions: 24, Demand: 9.4e4, PerReplica: 1.8e4, Lag: 1200, Why: "demand"},
		},
	}
}
