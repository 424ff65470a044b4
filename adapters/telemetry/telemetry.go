// Package telemetry is the program's own metrics: readings of the latest
// Decision of each policy, and counts over all of them. Series of what is gone
// go with it: they are made at each scrape, from the latest decision.
//
// Names: docs/metrics.md. Units are base units; counters end in _total and are
// there, at zero, from a policy's first decision on.
package telemetry

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidetable/tidetable/decision"
)

// Metrics collects what the loop decides.
type Metrics struct {
	mu       sync.Mutex
	policies map[string]*policyMetrics

	ticks   *prometheus.HistogramVec
	build   prometheus.Gauge
	heads   map[string]func() (seq uint64, hash string) // by policy
	journal *prometheus.CounterVec
}

// policyMetrics is the latest decision of a policy, and counts of all.
type policyMetrics struct {
	latest    decision.Decision
	decisions map[string]float64    // by reason
	verdicts  map[[2]string]float64 // by gate and ruling
	actions   map[string]float64    // by result
	seen      bool
}

// Results of actions.
const (
	resultDone   = "done"
	resultFailed = "failed"
	resultDryRun = "dry_run"
)

// New makes the metrics and registers them.
func New(reg prometheus.Registerer, version string) *Metrics {
	m := &Metrics{
		policies: map[string]*policyMetrics{}, heads: map[string]func() (uint64, string){},
		ticks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tidetable", Name: "tick_duration_seconds", Help: "How long a tick of the loop took.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"policy"}),
		build: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "tidetable", Name: "build_info", Help: "1, labelled by what was built.",
			ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
		}),
		journal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tidetable", Subsystem: "journal", Name: "records_total",
			Help: "Decisions handed to the journal, by what became of them.",
		}, []string{"result"}),
	}
	m.build.Set(1)
	m.journal.WithLabelValues(resultDone)
	m.journal.WithLabelValues(resultFailed)
	reg.MustRegister(m, m.ticks, m.build, m.journal)
	return m
}

// Expect makes a policy's counters appear before its first decision.
func (m *Metrics) Expect(policy string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(policy)
	m.ticks.WithLabelValues(policy)
}

// Forget drops a policy that is no more.
func (m *Metrics) Forget(policy string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.policies, policy)
	delete(m.heads, policy)
	m.ticks.DeleteLabelValues(policy)
}

// of returns a policy's counts; m.mu is held.
func (m *Metrics) of(policy string) *policyMetrics {
	p := m.policies[policy]
	if p == nil {
		p = &policyMetrics{
			decisions: map[string]float64{},
			verdicts:  map[[2]string]float64{},
			actions:   map[string]float64{resultDone: 0, resultFailed: 0, resultDryRun: 0},
		}
		for _, r := range decision.Reasons {
			p.decisions[r] = 0
		}
		m.policies[policy] = p
	}
	return p
}

// Publish takes a decision in; it is one of controller.Config.Publish.
func (m *Metrics) Publish(d decision.Decision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(d.Policy)
	p.latest, p.seen = d, true
	p.decisions[d.Reason]++
	for _, v := range d.Verdicts {
		ruling := string(v.Ruling)
		if v.Ruling == decision.Undecided {
			ruling = "Undecided"
		}
		p.verdicts[[2]string{v.Gate, ruling}]++
	}
	for _, a := range d.Actions {
		switch {
		case a.DryRun:
			p.actions[resultDryRun]++
		case a.Error != "":
			p.actions[resultFailed]++
		default:
			p.actions[resultDone]++
		}
	}
}

// Tick counts how long a tick took.
func (m *Metrics) Tick(policy string, took time.Duration) {
	m.ticks.WithLabelValues(policy).Observe(took.Seconds())
}

// Journal has the last entry's sequence and hash exported, so that whoever
// stores metrics holds an anchor of the journal too.
func (m *Metrics) Journal(policy string, head func() (seq uint64, hash string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heads[policy] = head
}

// Recorded counts what became of a decision that was handed to the journal.
func (m *Metrics) Recorded(err error) {
	if err != nil {
		m.journal.WithLabelValues(resultFailed).Inc()
		return
	}
	m.journal.WithLabelValues(resultDone).Inc()
}

// series is one kind of series that is read from decisions.
type series struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) series {
	return series{prometheus.NewDesc("tidetable_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) series {
	return series{prometheus.NewDesc("tidetable_"+name, help, labels, nil), prometheus.CounterValue}
}

// Every series, in the order of docs/metrics.md.
var (
	decisions   = counter("decisions_total", "Decisions, by their reason.", "policy", "reason")
	decidedAt   = gauge("decision_timestamp_seconds", "Time of the latest decision.", "policy")
	mode        = gauge("mode_info", "1, labelled by the mode the policy runs in.", "policy", "mode")
	alive       = gauge("brokers_alive", "Brokers that are alive.", "policy")
	required    = gauge("brokers_required", "Brokers that the forecast at the lead time needs.", "policy")
	recommended = gauge("brokers_recommended", "Brokers to have now.", "policy")
	limit       = gauge("brokers_limit", "The policy's bounds.", "policy", "bound")
	constraint  = gauge("constraint_brokers", "Brokers that each constraint needs.", "policy", "constraint")
	utilisation = gauge("constraint_utilisation_ratio", "Utilisation at the present number of brokers.", "policy", "constraint")
	binds       = gauge("bottleneck_info", "1, labelled by the constraint that binds.", "policy", "constraint")
	leadTime    = gauge("lead_time_seconds", "From the decision to a broker that carries its share.", "policy")
	now         = gauge("signal_value", "What a signal is now, in its own unit.", "policy", "signal", "subject", "unit")
	foreseen    = gauge(
		"forecast_value",
		"The highest value within the horizon, by quantile, in the signal's unit.",
		"policy",
		"signal",
		"subject",
		"probability",
	)
	carries  = gauge("capacity_value", "What the present brokers carry of a signal, in its unit.", "policy", "signal", "subject")
	trusted  = gauge("forecast_trusted", "1 when the forecast is used, 0 when it is not.", "policy", "signal", "subject")
	wape     = gauge("forecast_wape_ratio", "Weighted absolute percentage error of the median lately.", "policy", "signal", "subject")
	coverage = gauge(
		"forecast_coverage_ratio",
		"Share of what came that was at or below the sizing quantile.",
		"policy",
		"signal",
		"subject",
	)
	nominal      = gauge("forecast_nominal_ratio", "What the coverage should be.", "policy", "signal", "subject")
	consumers    = gauge("consumers_required", "Replicas that a consumer group needs.", "policy", "group")
	lag          = gauge("consumer_lag_records", "Records that a group is behind.", "policy", "group")
	load         = gauge("broker_utilisation_ratio", "How full a broker is, by resource.", "policy", "broker", "zone", "resource")
	stale        = gauge("stale_signals", "Readings that are missing or too old to act on.", "policy")
	observations = gauge("observations", "What was said from outside and acts now, by effect.", "policy", "effect")
	concerns     = gauge("concerns", "What people should know, by kind.", "policy", "kind")
	verdicts     = counter("verdicts_total", "Gates' rulings.", "policy", "gate", "ruling")
	actions      = counter("actions_total", "Actions, by what became of them.", "policy", "result")
	operation    = gauge("operation_info", "1 while an operation is in flight, labelled by its kind and phase.", "policy", "kind", "phase")
	operating    = gauge("operation_phase_start_timestamp_seconds", "When the operation in flight entered its phase.", "policy")
	movedBytes   = gauge("rebalance_moved_bytes", "Bytes moved of the plan in flight.", "policy")
	plannedBytes = gauge("rebalance_planned_bytes", "Bytes to move in all of the plan in flight.", "policy")
	sequence     = gauge("journal_last_sequence", "Sequence number of the journal's last entry.", "policy")
	anchorInfo   = gauge("journal_anchor_info", "1, labelled by the journal's last entry: its anchor.", "policy", "sequence", "hash")
)

// Describe sends nothing: which series there are depends on the decisions.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect makes the series of the latest decisions.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := collector{ch: ch}
	for _, name := range slices.Sorted(maps.Keys(m.policies)) {
		p := m.policies[name]
		for r, n := range p.decisions {
			c.send(decisions, n, name, r)
		}
		for k, n := range p.verdicts {
			c.send(verdicts, n, name, k[0], k[1])
		}
		for r, n := range p.actions {
			c.send(actions, n, name, r)
		}
		if p.seen {
			c.decision(name, p.latest)
		}
	}
	for policy, head := range m.heads {
		if seq, hash := head(); seq > 0 {
			c.send(sequence, float64(seq), policy)
			c.send(anchorInfo, 1, policy, strconv.FormatUint(seq, 10), hash)
		}
	}
}
