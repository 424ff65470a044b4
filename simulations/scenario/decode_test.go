package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

const good = `
version: 1
name: good
duration: 1d
history: 1d
cluster:
  brokers: {count: 3, zones: [a, b, c]}
loads:
  - name: web
    generate: {base: 1MB/s}
topics:
  - {name: orders, partitions: 6}
groups:
  - {name: billing, topics: [orders], perReplica: 100}
`

func problems(t *testing.T, doc string, in Sources) []string {
	t.Helper()
	_, err := Decode([]byte(doc), "scenario.yaml", in)
	var inv *Invalid
	if !errors.As(err, &inv) {
		t.Fatalf("got %v, want the scenario's mistakes", err)
	}
	var out []string
	for _, p := range inv.Problems {
		out = append(out, p.String())
	}
	return out
}

func TestGoodScenarioIsRead(t *testing.T) {
	p, err := Decode([]byte(good), "good", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.World(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Brokers) != 3 || len(c.Topics) != 1 || len(c.Groups) != 1 || c.Topics[0].ReplicationFactor != 3 {
		t.Errorf("the world is not what the scenario says: %+v", c)
	}
}

func TestTenMistakesAreReportedTogether(t *testing.T) {
	doc := `version: 2
name: bad
duration: 1d
tick: 2h
polices: [static]
policies: [static, magic]
cluster:
  brokers: {count: 0, zones: [a]}
  throttle: fast
loads:
  - name: web
  - name: web
    generate: {base: 1MB/s, day: 3}
topics:
  - {name: orders, partitions: 0, load: nowhere, replicationFactor: 2, minInsyncReplicas: 3}
groups:
  - {name: billing, topics: [missing], perReplica: 0}
monteCarlo: {planner: magic}
`
	got := problems(t, doc, Sources{})
	all := strings.Join(got, "\n")
	for _, want := range []string{
		"version (line 1): must be 1, not 2",
		"tick (line 4)",
		"polices (line 5): unknown key; did you mean policies?",
		`policies[1] (line 6): must be one of`,
		"cluster.brokers.count (line 8)",
		"cluster.throttle (line 9)",
		"loads[0] (line 11): must have exactly one of csv, blocks and generate",
		"loads[1].name (line 12)",
		"loads[1].generate.day (line 13)",
		`topics[0].load (line 15): no load is called "nowhere"`,
		"topics[0].minInsyncReplicas (line 15): is 3, more than the 2 replicas",
		`groups[0].topics[0] (line 17): no topic is called "missing"`,
		"groups[0].perReplica (line 17)",
		`monteCarlo.planner (line 18): must be one of greedy, production, not "magic"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("not told: %s\ntold:\n%s", want, all)
		}
	}
}

func TestContradictoryFaultsAreRefused(t *testing.T) {
	for _, c := range []struct{ faults, want string }{
		{"[{kind: broker, broker: 1, at: 1h, for: 2h}, {kind: broker, broker: 1, at: 2h, for: 1h}]",
			"contradicts faults[0]: the same broker fault"},
		{"[{kind: broker, broker: 1, at: 1h, for: 2h}, {kind: slow-disk, broker: 1, at: 2h, for: 1h, factor: 0.1}]", "broker 1 is dead at 2h"},
		{"[{kind: broker, broker: 7, at: 1h}]", "the brokers are 0 to 2"},
		{"[{kind: zone, zone: z, at: 1h}]", `no zone is called "z"`},
		{"[{kind: slow-disk, broker: 0, at: 1h}]", "factor (line 15): is missing"},
		{"[{kind: prometheus, broker: 0, at: 1h}]", "does not belong to a prometheus fault"},
		{"[{kind: prometheus, at: 9d}]", "after the scenario's end"},
		{"[{kind: fire, at: 1h}]", "must be one of broker, zone"},
	} {
		got := strings.Join(problems(t, good+"faults: "+c.faults+"\n", Sources{}), "\n")
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want it to say %q", c.faults, got, c.want)
		}
	}
}

func TestTraceShorterThanTheScenarioIsRefused(t *testing.T) {
	trace := metrics.Series{Labels: metrics.Labels{"column": "value"}, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Step: time.Hour,
		Values: make([]float64, 30)}
	for i := range trace.Values {
		trace.Values[i] = float64(1 + i)
	}
	in := Sources{Trace: func(string) ([]metrics.Series, error) { return []metrics.Series{trace}, nil }}
	doc := strings.Replace(good, "generate: {base: 1MB/s}", "csv: t.csv", 1)
	got := problems(t, doc, in)
	if len(got) != 1 || !strings.Contains(got[0],
		"loads[0].csv (line 10): the trace is shorter than the scenario: it has 1d5h, and history + duration are 2d") {
		t.Errorf("got %q", got)
	}
	p, err := Decode([]byte(strings.Replace(doc, "csv: t.csv", "csv: t.csv\n    repeat: true", 1)), "s", in)
	if err != nil {
		t.Fatalf("repeat: %v", err)
	}
	if want := trace.Start.Add(24 * time.Hour); !p.StartTime().Equal(want) {
		t.Errorf("the scenario starts at %s, want the trace's start and the history: %s", p.StartTime(), want)
	}
	doc = strings.Replace(doc, "csv: t.csv", "csv: t.csv\n    column: other", 1)
	if got := problems(t, doc, in); !strings.Contains(got[0], `the trace has no column "other"; it has [value]`) {
		t.Errorf("got %q", got)
	}
}

func TestPriceFileWithoutTheShapeIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "prices.yaml"), []byte("brokerHour: {small: 0.2, large: 0.8}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	doc := strings.Replace(good, "zones: [a, b, c]", "zones: [a, b, c], shape: {name: huge}", 1) + "prices: prices.yaml\n"
	got := problems(t, doc, Sources{Dir: dir})
	if len(got) != 1 || !strings.Contains(got[0],
		`cluster.brokers.shape.name (line 7): shape "huge" has no price in prices.yaml; it has: large, small`) {
		t.Errorf("got %q", got)
	}
	if _, err := Decode([]byte(strings.Replace(doc, "huge", "large", 1)), "s", Sources{Dir: dir}); err != nil {
		t.Error(err)
	}
}

func TestPolicyMistakesKeepTheirLines(t *testing.T) {
	doc := good + "policy:\n  spec:\n    mode: Sometimes\n    brokers: {min: 5, max: 2}\n"
	all := strings.Join(problems(t, doc, Sources{}), "\n")
	for _, want := range []string{"policy.spec.mode (line 17)", "policy.spec.brokers"} {
		if !strings.Contains(all, want) {
			t.Errorf("not told: %s\ntold:\n%s", want, all)
		}
	}
}

func TestSnapshotBecomesTheWorld(t *testing.T) {
	snap := cluster.Snapshot{
		Brokers: []cluster.Broker{{ID: 10, Zone: "a", State: cluster.BrokerAlive}, {ID: 11, Zone: "b", State: cluster.BrokerAlive}},
		Topics: []cluster.Topic{{Name: "orders", Config: map[string]string{"retention.ms": "3600000"}, Partitions: []cluster.Partition{
			{Partition: 0, Replicas: []int{10, 11}, Leader: 10, Load: cluster.Load{BytesInPerSecond: 3e6, MessagesInPerSecond: 3e3, SizeBytes: 9e9}},
			{Partition: 1, Replicas: []int{11, 10}, Leader: 11, Load: cluster.Load{BytesInPerSecond: 1e6, MessagesInPerSecond: 1e3, SizeBytes: 3e9}},
		}}},
		Groups: []cluster.Group{{Name: "billing", Members: 2, Partitions: []cluster.GroupPartition{{Topic: "orders", Partition: 0},
			{Topic: "orders", Partition: 1}}}},
	}
	doc := "version: 1\nduration: 1d\nhistory: 1d\ncluster: {snapshot: s.json, load: web}\n" +
		"loads: [{name: web, generate: {base: 1MB/s, day: 0.5}}]\n"
	p, err := Decode([]byte(doc), "s", Sources{Snapshot: func(string) (cluster.Snapshot, error) { return snap, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.World(0)
	if err != nil {
		t.Fatal(err)
	}
	topic := c.Topics[0]
	if len(c.Brokers) != 2 || topic.Shares[0] != 0.75 || topic.Replicas[1][0] != 1 || topic.SizeBytes != 12e9 ||
		topic.Retention != time.Hour || topic.MessageBytes != 1000 {
		t.Errorf("topic is %+v", topic)
	}
	q := c.Profiles[topic.Profile]
	if m := topic.Scale * q.Mean(q.Start, q.End()); m < 3.9e6 || m > 4.1e6 {
		t.Errorf("the topic's mean load is %.3g, want the snapshot's 4e6", m)
	}
	if g := c.Groups[0]; g.Replicas != 2 || g.PerReplica < 2800 || g.PerReplica > 2900 {
		t.Errorf("group is %+v, want 2 replicas at seven tenths of what they can do", g)
	}
	doc = strings.Replace(doc, ", load: web", "", 1)
	if got := problems(t, doc, Sources{Snapshot: func(string) (cluster.Snapshot, error) { return snap, nil }}); !strings.Contains(got[0],
		"cluster.load (line 4): is missing: topic orders") {
		t.Errorf("got %q", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(good)
	f.Add("version: 1\nloads: [{name: a, generate: {base: 1}}]\ntopics: [{name: a}]\ncluster: {brokers: {count: 3}}\nduration: 1h\nhistory: 0")
	f.Add("faults: [{kind: broker}]\nchanges: [{kind: growth}]\nmonteCarlo: {runs: -1}")
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := Decode([]byte(doc), "fuzz", Sources{})
		if err != nil {
			if !IsInvalid(err) {
				t.Fatalf("error is not the scenario's mistakes: %v", err)
			}
			return
		}
		if p.Cluster.Brokers.Count > 20 || len(p.Topics) > 5 || p.Duration > p.Tick*1000 || p.History.D() > 100*24*time.Hour {
			return
		}
		for _, x := range p.Topics {
			if x.Partitions*x.Count > 1000 {
				return
			}
		}
		_, _ = p.World(1) // must not panic
	})
}

func TestAPolicysPricesCountWhereNoPriceFileIsNamed(t *testing.T) {
	doc := "version: 1\nname: priced\nduration: 1h\ncluster:\n  brokers: {count: 3}\n" +
		"loads:\n  - {name: web, generate: {base: 1MB/s}}\ntopics:\n  - {name: orders, partitions: 3}\n" +
		"policy:\n  spec: {mode: Recommend, cost: {brokerHour: 2, crossZoneGigabyte: 0.5, currency: EUR}}\n"
	p, err := Decode([]byte(doc), "priced", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Cost(3, 0, 0, 4e9); got != 8 || p.Currency() != "EUR" {
		t.Errorf("3 broker hours and 4 GB between zones cost %v %s, want 8 EUR", got, p.Currency())
	}
	if got := p.Cost(0, 10, 0, 0); got != 10*DefaultPrices.ReplicaHour {
		t.Errorf("what the policy does not price costs %v", got)
	}
}

func TestAPolicysShapePricesItsBrokersAsInProduction(t *testing.T) {
	doc := "version: 1\nname: priced\nduration: 1h\ncluster:\n  brokers: {count: 3}\n" +
		"loads:\n  - {name: web, generate: {base: 1MB/s}}\ntopics:\n  - {name: orders, partitions: 3}\n" +
		"policy:\n  spec: {mode: Recommend, brokers: {shape: generic-small}}\n"
	p, err := Decode([]byte(doc), "priced", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	shape, err := capacity.ShapeNamed("generic-small")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Cost(3, 0, 0, 0); got != 3*shape.HourlyPrice {
		t.Errorf("3 broker hours cost %v, want %v", got, 3*shape.HourlyPrice)
	}
}
