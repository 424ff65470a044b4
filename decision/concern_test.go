package decision

import (
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

func TestConcernsAreReadFromTheDecision(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	load := func(id int, u cluster.Ratio) BrokerLoad {
		return BrokerLoad{ID: id, State: cluster.BrokerAlive, Utilisation: map[cluster.Resource]cluster.Ratio{cluster.CPU: u}}
	}
	loads := func(fair cluster.Ratio, all ...BrokerLoad) Decision {
		return Decision{Limits: Limits{Tolerance: 0.1},
			Seen: Seen{BrokerLoads: all, Utilisation: map[cluster.Resource]cluster.Ratio{cluster.CPU: fair}}}
	}
	for name, c := range map[string]struct {
		d    Decision
		want []ConcernKind
	}{
		"a quiet cluster": {Decision{Seen: Seen{AliveBrokers: 6}, Requirement: capacity.Requirement{Brokers: 6}, Limits: Limits{MaxBrokers: 9, SurviveZones: 1}}, nil},
		"more than allowed": {Decision{Time: at, Seen: Seen{AliveBrokers: 9}, Requirement: capacity.Requirement{Brokers: 11, Bottleneck: "cpu"}, Limits: Limits{MaxBrokers: 9}},
			[]ConcernKind{CapacityExhaustedIn}},
		"a zone not covered": {Decision{Seen: Seen{AliveBrokers: 5}, Requirement: capacity.Requirement{Brokers: 6}, Limits: Limits{MaxBrokers: 9, SurviveZones: 1}},
			[]ConcernKind{ZoneLossNotCovered}},
		"forecasts": {Decision{Forecasts: []ForecastSummary{{Signal: "bytesIn", Why: "too short"}, {Signal: "lag", Trusted: true, ExhaustedAt: at}}},
			[]ConcernKind{CapacityExhaustedIn, ForecastUntrusted}},
		"a peak, held": {Decision{
			Proposals: []Proposal{{Kind: ScaleBrokers, Target: "kafka", From: 6, To: 7}},
			Verdicts:  []Verdict{{Gate: "cooldown", Ruling: Hold}, {Gate: "windows", Ruling: Allow}, {Gate: "stale"}, {Gate: "odd", Proposal: 9}}},
			[]ConcernKind{PeakExpected, ScaleHeld, ScaleHeld}},
		"a reactive scale-out is no forecast": {Decision{Proposals: []Proposal{{Kind: ScaleBrokers, From: 6, To: 7, Reactive: true}}}, nil},
		"a hot spot":                          {loads(0.53, load(1, 0.8), load(2, 0.4), load(3, 0.4)), []ConcernKind{HotSpot}},
		"idle brokers are not hot":            {loads(0.06, load(1, 0.08), load(2, 0.04)), nil},
		"small brokers as full as large ones": {loads(0.52, load(1, 0.55), load(2, 0.5), load(3, 0.5)), nil},
		"a fair share nobody knows":           {loads(0, load(1, 0.9), load(2, 0.1)), nil},
		"a stalled rebalance":                 {Decision{Moving: &rebalance.Progress{State: rebalance.Holding, Why: "throttle vanished"}}, []ConcernKind{RebalanceStalled}},
		"a drain that waits": {Decision{Operation: &Operation{Phase: Draining, Brokers: []int{5}, Blocked: "brokers [5] cannot be emptied"}},
			[]ConcernKind{DrainCannotFinish}},
		"a drain that goes on": {Decision{Operation: &Operation{Phase: Draining, Brokers: []int{5}, Note: "moving: 3 MB of 9 MB moved"}}, nil},
		"told once": {Decision{Concerns: []Concern{{Kind: DrainCannotFinish, Subject: "broker 3"}, {Kind: DrainCannotFinish, Subject: "broker 3"}}},
			[]ConcernKind{DrainCannotFinish}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []ConcernKind
			for _, c := range Concerns(c.d) {
				got = append(got, c.Kind)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestAHeldScaleInIsLessUrgentThanAHeldScaleOut(t *testing.T) {
	d := Decision{
		Proposals: []Proposal{
			{Kind: ScaleBrokers, Target: "out", From: 6, To: 7, Reactive: true},
			{Kind: ScaleBrokers, Target: "in", From: 6, To: 5},
		},
		Verdicts: []Verdict{{Gate: "g", Proposal: 0, Ruling: Hold}, {Gate: "g", Proposal: 1, Ruling: Refuse}},
	}
	for _, c := range Concerns(d) {
		if want := map[string]Severity{"out": Warning, "in": Info}[c.Subject]; c.Severity != want {
			t.Errorf("%s is %s, want %s", c.Subject, c.Severity, want)
		}
	}
}
