package simulations

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/simulations/scenario"
)

func TestExportedDecisionsReplayAsAScenario(t *testing.T) {
	var decisions []controller.Decision
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var values []float64
	for i := range 180 {
		d := controller.Decision{Time: at.Add(time.Duration(i) * time.Minute), Policy: "claims"}
		d.Seen = controller.Seen{Brokers: 6, AliveBrokers: 6, Partitions: 36, BytesIn: 20e6, DiskBytes: 20e6 * 3 * 3600}
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
		t.Errorf("%d brokers of %v cores, retention %s, %v records/s a replica", len(c.Brokers), cpu, c.Topics[0].Retention, c.Groups[0].PerReplica)
	}
	p.Policies = []string{"reactive"}
	if _, err := Compare(context.Background(), p, Options{}); err != nil {
		t.Error(err)
	}
	if err := Export(Recorded{Decisions: decisions[:1]}, &trace, &doc); err == nil {
		t.Error("one decision was exported as a scenario")
	}
}
