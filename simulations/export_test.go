package simulations

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/scenario"
)

func TestExportedDecisionsReplayAsAScenario(t *testing.T) {
	var decisions []decision.Decision
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var values []float64
	for i := range 180 {
		d := decision.Decision{Time: at.Add(time.Duration(i) * time.Minute), Policy: "claims"}
		d.Seen = decision.Seen{Brokers: 6, AliveBrokers: 6, Partitions: 36, BytesIn: 20e6, DiskBytes: 20e6 * 3 * 3600}
		d.Requirement.Constraints = []capacity.Constraint{{Name: "cpu", Demand: 24, Utilisation: 0.5}}
		d.Requirement.Consumers = []capacity.ConsumerRequirement{{Group: "billing", Replicas: 4, PerReplica: 500, Demand: 1000}}
		decisions = append(decisions, d)
		values = append(values, 20e6)
	}
	var trace, doc bytes.Buffer
	if err := Export(Recorded{Decisions: decisions}, &trace, &doc); err != nil {
		t.Fatal(err)
	}
	if want := "timestamp,bytesInPerSecond\n2026-03-02T00:00:00Z,2e+07\n"; !bytes.HasPrefix(trace.Bytes(), []byte(want)) {
		t.Errorf("the trace begins %q", trace.String()[:60])
	}
	in := scenario.Sources{Trace: func(string) ([]metrics.Series, error) {
		return []metrics.Series{{Labels: metrics.Labels{"column": "bytesInPerSecond"}, Start: at, Step: time.Minute, Values: values}}, nil
	}}
	p, err := scenario.Decode(doc.Bytes(), "exported", in)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc.String())
	}
	c, err := p.World(0)
	if err != nil {
		t.Fatal(err)
	}
	if cpu := c.NewShape.CPUCores; len(c.Brokers) != 6 || cpu != 8 || c.Topics[0].Retention != time.Hour || c.Groups[0].PerReplica != 10000 {
		t.Errorf("%d brokers of %v cores, retention %s, %v records/s a replica", len(c.Brokers), cpu, c.Topics[0].Retention,
			c.Groups[0].PerReplica)
	}
	p.Policies = []string{"reactive"}
	if _, err := Compare(context.Background(), p, Options{}); err != nil {
		t.Error(err)
	}
	if err := Export(Recorded{Decisions: decisions[:1]}, &trace, &doc); err == nil {
		t.Error("one decision was exported as a scenario")
	}
}

// What was measured is exported so that the simulated loop measures it again:
// rates at the time that they were, records beside bytes, the brokers' start.
func TestAnExportWithSnapshotAndTracesIsMeasuredAsItWas(t *testing.T) {
	at := time.Date(2026, 3, 2, 0, 0, 0, 584e6, time.UTC)
	var decisions []decision.Decision
	for i := range 40 {
		d := decision.Decision{Time: at.Add(time.Duration(i) * 3 * time.Second), Policy: "claims",
			Seen: decision.Seen{Brokers: 3, AliveBrokers: 3, BytesIn: 1000}}
		d.Requirement.Consumers = []capacity.ConsumerRequirement{{Group: "billing", Replicas: 2, PerReplica: 75, Demand: 100, Lag: 80}}
		op := decision.Operation{Kind: decision.ScaleBrokers, From: 3, To: 4, Phase: decision.Joining, Started: at.Add(30 * time.Second)}
		switch {
		case i >= 12 && i < 15:
			d.Operation = &op
		case i >= 15 && i < 20:
			op.Phase, op.PhaseSince = decision.Filling, at.Add(45*time.Second)
			d.Operation = &op
		}
		decisions = append(decisions, d)
	}
	series := func(signal metrics.Signal, topic string, factor float64) metrics.Series {
		s := metrics.Series{Signal: signal, Labels: metrics.Labels{"topic": topic}, Start: at.Add(-time.Hour).Truncate(time.Second),
			Step: time.Second}
		for i := range 3800 {
			s.Values = append(s.Values, factor*float64(i))
			if i < 100 {
				s.Values[i] = math.NaN() // the traces reach further back than what was measured
			}
		}
		return s
	}
	doc := policy.Policy{Spec: policy.Spec{Prometheus: policy.Prometheus{ScrapeInterval: policy.Duration(2 * time.Second)}}}
	doc.Spec.Consumers = []policy.Consumer{{Group: "billing", Min: 2, Max: 12, Lag: policy.Lag{MaxSeconds: 20}}}
	snapshot := cluster.Snapshot{Version: 1, TakenAt: at, Brokers: []cluster.Broker{{ID: 0, State: cluster.BrokerAlive}},
		Topics: []cluster.Topic{{Name: "orders",
			Partitions: []cluster.Partition{{Replicas: []int{0}, ISR: []int{0}, Load: cluster.Load{SizeBytes: 5e4, BytesInPerSecond: 1000}}}}},
		Groups: []cluster.Group{{Name: "billing", Partitions: []cluster.GroupPartition{{Topic: "orders"}}}}}
	r := Recorded{Decisions: decisions, Snapshot: &snapshot, SnapshotFile: "cluster.json", Policy: &doc, PolicyFile: "policy.yaml",
		Traces: []metrics.Series{series(metrics.TopicBytesIn, "orders", 10), series(metrics.TopicMessagesIn, "orders", 0.01)}}
	var trace, text bytes.Buffer
	if err := Export(r, &trace, &text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"start: 2026-03-02T00:00:00.584Z\n", "tick: 1s\n", "startup: {pod: 6.75s, join: 6.75s}",
		"scrapeInterval: 2s",
		`{name: "billing", topics: ["orders"], perReplica: 75, replicas: 2, min: 2, max: 12, maxLag: 20s, commitInterval: 1.6s}`,
		`policy: {file: "policy.yaml"}`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing in\n%s", want, text.String())
		}
	}
	rows := strings.Split(trace.String(), "\n")
	// Rates over eight seconds are four seconds behind.
	if want := "2026-03-01T23:01:36Z,1000,1000,1"; rows[0] != `timestamp,bytesInPerSecond,"orders","orders records"` || rows[1] != want {
		t.Errorf("the trace begins\n%s\n%s\nwant\n%s", rows[0], rows[1], want)
	}
	if err := Export(Recorded{Decisions: decisions, Traces: []metrics.Series{{Labels: metrics.Labels{"column": "load"}}}}, &trace,
		&text); err == nil {
		t.Error("traces without a topic's bytes in were taken")
	}
}
