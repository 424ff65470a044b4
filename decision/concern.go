package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// Concern is something people should be told. It is a reading of one Decision;
// Alertmanager, the page and the status show the same ones.
type Concern struct {
	Kind    ConcernKind `json:"kind"`
	Subject string      `json:"subject,omitempty"` // the signal, workload, broker or group it is about
	// Gate, Constraint and By are set where the kind has them.
	Gate       string    `json:"gate,omitempty"`
	Constraint string    `json:"constraint,omitempty"`
	By         time.Time `json:"by,omitzero"`
	Severity   Severity  `json:"severity"`
	Detail     string    `json:"detail"`
}

// ConcernKind is also the name of the alert, and of its runbook.
type ConcernKind string

// The kinds of concerns.
const (
	CapacityExhaustedIn ConcernKind = "CapacityExhaustedIn" // demand will exceed what the largest allowed size carries
	PeakExpected        ConcernKind = "PeakExpected"        // a forecast, not the load itself, asks for more
	ScaleHeld           ConcernKind = "ScaleHeld"           // a gate does not let a change of size go on
	RebalanceStalled    ConcernKind = "RebalanceStalled"    // moves in flight do not get on
	ForecastUntrusted   ConcernKind = "ForecastUntrusted"   // a forecast is not used, because it did badly or has too little to go by
	HotSpot             ConcernKind = "HotSpot"             // a broker carries more than its fair share
	DrainCannotFinish   ConcernKind = "DrainCannotFinish"   // a broker that should leave cannot be emptied
	ScaleInTakenBack    ConcernKind = "ScaleInTakenBack"    // brokers that were let go are asked for again: data had landed on them
	ZoneLossNotCovered  ConcernKind = "ZoneLossNotCovered"  // what the policy wants to survive would not be survived
)

// ConcernKinds is every kind, sorted.
var ConcernKinds = []ConcernKind{
	CapacityExhaustedIn, DrainCannotFinish, ForecastUntrusted, HotSpot, PeakExpected, RebalanceStalled, ScaleHeld,
	ScaleInTakenBack, ZoneLossNotCovered,
}

// Severity is how soon somebody should look.
type Severity string

// The severities, as alert routes know them.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// hotSpotFloor keeps an idle cluster from having hot spots: below this share
// of what the broker can do, being above average hurts nobody.
const hotSpotFloor cluster.Ratio = 0.3

// Concerns reads from a decision what people should be told, sorted by kind
// and subject, each of them once.
func Concerns(d Decision) []Concern {
	all := slices.Clone(d.Concerns)
	all = append(all, sizeConcerns(d)...)
	all = append(all, forecastConcerns(d)...)
	all = append(all, gateConcerns(d)...)
	all = append(all, hotSpots(d)...)
	if m := d.Moving; m != nil && (m.State == rebalance.Holding || m.State == rebalance.Failed) {
		all = append(all, Concern{Kind: RebalanceStalled, Subject: d.ClusterID, Severity: Warning,
			Detail: fmt.Sprintf("the rebalance is %s after %d of %d moves: %s", m.State, m.MovesDone, m.MovesTotal, m.Why)})
	}
	if o := d.Operation; o != nil && (o.Phase == Draining && o.Blocked != "" || o.Phase == Proving && o.Note != "") {
		all = append(
			all,
			Concern{
				Kind:     DrainCannotFinish,
				Subject:  fmt.Sprintf("brokers %v", o.Brokers),
				Severity: Warning,
				Detail:   cmp.Or(o.Blocked, o.Note),
			},
		)
	}
	if o := d.Operation; o != nil && o.Phase == Filling && o.Blocked != "" {
		all = append(
			all,
			Concern{Kind: RebalanceStalled, Subject: fmt.Sprintf("brokers %v", o.Brokers), Severity: Warning, Detail: o.Blocked},
		)
	}
	slices.SortStableFunc(all, func(a, b Concern) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Gate, b.Gate))
	})
	return slices.CompactFunc(all, func(a, b Concern) bool {
		return a.Kind == b.Kind && a.Subject == b.Subject && a.Gate == b.Gate
	})
}

func sizeConcerns(d Decision) []Concern {
	var all []Concern
	need, limit := d.Requirement.Brokers, d.Limits.MaxBrokers
	if limit > 0 {
		limit += d.Seen.OtherBrokers
	}
	if limit > 0 && need > limit {
		all = append(
			all,
			Concern{
				Kind:       CapacityExhaustedIn,
				Subject:    d.Policy,
				Constraint: d.Requirement.Bottleneck,
				By:         d.Time.Add(d.Requirement.LeadTime()),
				Severity:   Critical,
				Detail: fmt.Sprintf(
					"%s needs %d brokers within the lead time, and the policy allows %d",
					d.Requirement.Bottleneck,
					need,
					limit,
				),
			},
		)
	}
	if (d.Limits.SurviveZones > 0 || d.Limits.SurviveBrokers > 0) && need > d.Seen.AliveBrokers && d.Seen.AliveBrokers > 0 {
		all = append(all, Concern{Kind: ZoneLossNotCovered, Subject: d.Policy, Constraint: d.Requirement.Bottleneck, Severity: Warning,
			Detail: fmt.Sprintf(
				"%d brokers are alive and %d are needed (%s): %s binds",
				d.Seen.AliveBrokers,
				need,
				d.Requirement.Headroom,
				d.Requirement.Bottleneck,
			)})
	}
	return all
}

func forecastConcerns(d Decision) []Concern {
	var all []Concern
	for _, f := range d.Forecasts {
		subject := f.Signal
		if f.Subject != "" {
			subject += "/" + f.Subject
		}
		if !f.Trusted {
			all = append(all, Concern{Kind: ForecastUntrusted, Subject: subject, Severity: Warning, Detail: f.Why})
		}
		if !f.ExhaustedAt.IsZero() {
			all = append(
				all,
				Concern{
					Kind:       CapacityExhaustedIn,
					Subject:    subject,
					Constraint: d.Requirement.Bottleneck,
					By:         f.ExhaustedAt,
					Severity:   Warning,
					Detail: fmt.Sprintf(
						"the forecast of %s exceeds what %d brokers carry at %s",
						subject,
						d.Limits.MaxBrokers,
						f.ExhaustedAt.UTC().Format(time.RFC3339),
					),
				},
			)
		}
	}
	for _, p := range d.Proposals {
		if p.Kind == ScaleBrokers && !p.Reactive && p.To > p.From {
			all = append(
				all,
				Concern{
					Kind:       PeakExpected,
					Subject:    p.Target,
					Constraint: d.Requirement.Bottleneck,
					By:         d.Time.Add(d.Requirement.LeadTime()),
					Severity:   Info,
					Detail:     fmt.Sprintf("from %d to %d brokers: %s", p.From, p.To, p.Why),
				},
			)
		}
	}
	return all
}

func gateConcerns(d Decision) []Concern {
	var all []Concern
	for _, v := range d.Verdicts {
		if v.Ruling == Allow || v.Proposal < 0 || v.Proposal >= len(d.Proposals) {
			continue
		}
		p := d.Proposals[v.Proposal]
		if p.Kind == Rebalance {
			continue
		}
		// A scale-in that waits costs money, a scale-out that waits costs an
		// outage.
		severity := Warning
		if p.ScaleIn() {
			severity = Info
		}
		ruling := v.Ruling
		if ruling == Undecided {
			ruling = "Undecided"
		}
		all = append(all, Concern{Kind: ScaleHeld, Subject: p.Target, Gate: v.Gate, Severity: severity,
			Detail: fmt.Sprintf("%s from %d to %d: gate %s says %s: %s", p.Kind, p.From, p.To, v.Gate, ruling, v.Why)})
	}
	return all
}

// hotSpots is every alive broker whose utilisation exceeds its fair share by
// more than the tolerance, by the measure of cluster.Hottest.
func hotSpots(d Decision) []Concern {
	if d.Limits.Tolerance <= 0 {
		return nil
	}
	var all []Concern
	for _, b := range d.Seen.BrokerLoads {
		if b.State != cluster.BrokerAlive {
			continue
		}
		worst, over := cluster.Resource(""), 1+d.Limits.Tolerance
		for _, r := range cluster.Balanced() {
			u, fair := b.Utilisation[r], d.Seen.Utilisation[r]
			if u >= hotSpotFloor && fair > 0 && u/fair > over {
				worst, over = r, u/fair
			}
		}
		if worst != "" {
			all = append(all, Concern{Kind: HotSpot, Subject: fmt.Sprintf("broker %d", b.ID), Constraint: string(worst), Severity: Warning,
				Detail: fmt.Sprintf(
					"%s is at %s, %.2f times its fair share of %s",
					worst,
					b.Utilisation[worst],
					float64(over),
					d.Seen.Utilisation[worst],
				)})
		}
	}
	return all
}
