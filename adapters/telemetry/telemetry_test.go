package telemetry

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/rebalance"
)

func sample() decision.Decision {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return decision.Decision{
		Policy: "claims", Time: at, Mode: "Act", Reason: decision.ReasonHeld, Recommended: 7,
		Limits: decision.Limits{MinBrokers: 3, MaxBrokers: 12},
		Seen: decision.Seen{
			AliveBrokers: 6,
			Stale:        []cluster.StaleSignal{{Signal: "cpu"}},
			Observations: []decision.Observation{{Effect: decision.EffectHold}},
			BrokerLoads: []decision.BrokerLoad{
				{ID: 1, Zone: "a", Utilisation: map[cluster.Resource]cluster.Ratio{cluster.CPU: 0.5}},
				{ID: 1, Zone: "a", Utilisation: map[cluster.Resource]cluster.Ratio{cluster.CPU: 0.6}},
			},
		},
		Forecasts: []decision.ForecastSummary{
			{Signal: "bytesIn", Subject: "\xff", Now: 5, Unit: "B/s", Capacity: 9, Quantiles: map[string]float64{"0.95": 8}, Trusted: true},
		},
		Requirement: capacity.Requirement{Brokers: 7, Bottleneck: "cpu", LeadTimeSeconds: 3600,
			Constraints: []capacity.Constraint{{Name: "cpu", Brokers: 7, Utilisation: 0.6}, {Name: "storage", Unknown: "no sizes"}},
			Consumers:   []capacity.ConsumerRequirement{{Group: "billing", Replicas: 4, Lag: 10}}},
		Proposals: []decision.Proposal{{Kind: decision.ScaleBrokers, Target: "kafka", From: 6, To: 7}},
		Verdicts:  []decision.Verdict{{Gate: "cooldown"}, {Gate: "windows", Ruling: decision.Allow}},
		Actions:   []decision.Action{{Error: "refused"}, {DryRun: true}, {}},
		Accuracy:  []decision.Accuracy{{Signal: "bytesIn", WAPE: 0.1, Coverage: 0.9, Nominal: 0.95}},
		Operation: &decision.Operation{Kind: decision.ScaleBrokers, Phase: decision.Filling, PhaseSince: at},
		Moving:    &rebalance.Progress{State: rebalance.Moving, BytesMoved: 1, BytesTotal: 4},
	}
}

func TestADecisionBecomesSeries(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := New(reg, "test")
	m.Expect("claims")
	m.Publish(sample())
	m.Publish(sample())
	m.Tick("claims", 20*time.Millisecond)
	m.Journal("claims", func() (uint64, string) { return 42, "abc" })
	m.Recorded(nil)
	m.Recorded(errors.New("disk full"))
	want := `
# HELP tidetable_brokers_required Brokers that the forecast at the lead time needs.
# TYPE tidetable_brokers_required gauge
tidetable_brokers_required{policy="claims"} 7
# HELP tidetable_actions_total Actions, by what became of them.
# TYPE tidetable_actions_total counter
tidetable_actions_total{policy="claims",result="done"} 2
tidetable_actions_total{policy="claims",result="dry_run"} 2
tidetable_actions_total{policy="claims",result="failed"} 2
# HELP tidetable_verdicts_total Gates' rulings.
# TYPE tidetable_verdicts_total counter
tidetable_verdicts_total{gate="cooldown",policy="claims",ruling="Undecided"} 2
tidetable_verdicts_total{gate="windows",policy="claims",ruling="Allow"} 2
# HELP tidetable_journal_anchor_info 1, labelled by the journal's last entry: its anchor.
# TYPE tidetable_journal_anchor_info gauge
tidetable_journal_anchor_info{hash="abc",policy="claims",sequence="42"} 1
# HELP tidetable_constraint_brokers Brokers that each constraint needs.
# TYPE tidetable_constraint_brokers gauge
tidetable_constraint_brokers{constraint="cpu",policy="claims"} 7
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "tidetable_brokers_required", "tidetable_actions_total", "tidetable_verdicts_total", "tidetable_journal_anchor_info", "tidetable_constraint_brokers"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "tidetable_concerns"); err != nil || n != len(decision.ConcernKinds) {
		t.Errorf("%d kinds of concerns, %v: those that are not there must be at zero", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func TestCountersAreThereFromTheStartAndGoWithTheirPolicy(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := New(reg, "test")
	m.Expect("claims")
	if n, err := testutil.GatherAndCount(reg, "tidetable_decisions_total"); err != nil || n != len(decision.Reasons) {
		t.Errorf("%d reasons at zero, want %d, %v", n, len(decision.Reasons), err)
	}
	m.Publish(sample())
	m.Forget("claims")
	if n, err := testutil.GatherAndCount(reg, "tidetable_brokers_alive", "tidetable_decisions_total"); err != nil || n != 0 {
		t.Errorf("%d series of a policy that is no more, %v", n, err)
	}
}

func TestEveryMetricIsInTheDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	m := New(reg, "test")
	m.Publish(sample())
	m.Tick("claims", time.Second)
	m.Journal("claims", func() (uint64, string) { return 1, "x" })
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.Contains(string(doc), "`"+f.GetName()+"`") {
			t.Errorf("%s is not in docs/metrics.md", f.GetName())
		}
	}
}
