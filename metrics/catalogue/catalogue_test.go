package catalogue_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/catalogue"
)

func TestBuiltInQueriesAreValidPromQL(t *testing.T) {
	for _, name := range catalogue.Names() {
		c, err := catalogue.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range c.Queries {
			for _, selector := range []string{"", `namespace="kafka",strimzi_io_cluster="claims"`} {
				expr := q.Render(selector, 5*time.Minute, 30*time.Second)
				if strings.Contains(expr, "$") {
					t.Errorf("%s %s: %q keeps a variable", name, q.Signal, expr)
				}
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
					t.Errorf("%s %s: %q: %v", name, q.Signal, expr, err)
				}
			}
		}
	}
}

func TestDefaultCatalogueCoversWhatDecisionsNeed(t *testing.T) {
	c, err := catalogue.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []metrics.Signal{
		metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn, metrics.BrokerBytesIn, metrics.BrokerBytesOut,
		metrics.BrokerReplicationIn, metrics.BrokerReplicationOut, metrics.BrokerCPU, metrics.BrokerDiskUsed,
		metrics.BrokerRequestHandlerIdle, metrics.BrokerUnderReplicated, metrics.GroupLag, metrics.GroupConsumed,
		metrics.BrokerContainerCPULimit, metrics.BrokerContainerMemLimit,
	} {
		if len(c.For(s)) == 0 {
			t.Errorf("no query for %s", s)
		}
	}
	// The brokers' own count of records is better than an exporter's offsets.
	if q := c.For(metrics.TopicMessagesIn); len(q) < 3 || !strings.Contains(q[0].Expr, "messagesin_total") {
		t.Errorf("queries for topic_messages_in: %+v", q)
	}
}

func TestEveryMistakeOfACatalogueIsReportedAtOnceWithItsLine(t *testing.T) {
	_, err := catalogue.Read(strings.NewReader(`
name: mine
queries:
  - signal: topic_bytes_inn
    unit: bytes
    expr: x
    labels: {topic: topic}
  - signal: broker_cpu
    unit: percent
    expr: ""
    scale: -1
    labels: {broker: pod, zone: z}
    patterns: {broker: "[", other: "(a)"}
    query: up
  - signal: broker_disk_used
    unit: bytes
    expr: y
    patterns: {}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`queries[0].signal (line 4): "topic_bytes_inn" is not a signal`, `queries[1].unit (line 9): is "percent"; broker_cpu is in cores`,
		"queries[1].expr (line 10)", "queries[1].scale (line 11)", "queries[1].labels.zone (line 12)", "queries[1].patterns.broker (line 13)",
		"queries[1].patterns.other (line 13)", "queries[1].query (line 14): unknown key", "queries[2].labels",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Error("the error has more than one line")
	}
}

func TestAUsersCatalogueIsReadFromAFileAndJoined(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	text := "name: mine\nqueries:\n  - {signal: broker_cpu, unit: cores, expr: 'my_cpu{$selector}', labels: {broker: node}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := catalogue.Load(path + ", strimzi")
	if err != nil {
		t.Fatal(err)
	}
	if q := c.For(metrics.BrokerCPU); len(q) != 2 || q[0].Render(`a="b"`, time.Minute, time.Second) != `my_cpu{a="b",}` {
		t.Errorf("queries %+v", q)
	}
	if c.Name != "mine,strimzi" || !slices.Contains(c.Signals(), metrics.TopicBytesIn) {
		t.Errorf("catalogue %s with %v", c.Name, c.Signals())
	}
	_, err = catalogue.Load("strimsi")
	if err == nil || !strings.Contains(err.Error(), "kafka-exporter, kminion, kubernetes, strimzi, strimzi-reporter") {
		t.Errorf("error %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("name: a\nqueries: [{signal: broker_cpu, unit: cores, expr: x, labels: {broker: b}}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := catalogue.Read(strings.NewReader(text))
		if err == nil && len(c.Queries) == 0 {
			t.Fatal("a catalogue without queries was taken")
		}
	})
}

func TestAQueryForARetiredSignalIsPassedOver(t *testing.T) {
	c, err := catalogue.Read(strings.NewReader(`name: own
queries:
  - signal: broker_jvm_heap_used
    unit: bytes
    expr: jvm_memory_used_bytes{$selector}
    labels: {broker: pod}
  - signal: broker_cpu
    unit: cores
    expr: cpu{$selector}
    labels: {broker: pod}
`))
	if err != nil || len(c.Queries) != 1 || c.Queries[0].Signal != metrics.BrokerCPU {
		t.Errorf("read as %+v, %v; want the query for broker_cpu alone", c.Queries, err)
	}
}
