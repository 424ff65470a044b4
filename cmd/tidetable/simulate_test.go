package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const simulateTestScenario = `version: 1
name: small
seed: 3
duration: 3h
history: 1h
cluster: {brokers: {count: 3}, throttle: 40MB/s}
loads: [{name: web, generate: {base: 12MB/s, day: 0.6, noise: 0.03}}]
topics: [{name: orders, partitions: 24, retention: 1h}]
groups: [{name: billing, topics: [orders], perReplica: 2000, replicas: 4}]
policies: [static, reactive, oracle]
monteCarlo: {growth: {mean: 0.1, sd: 0.1}}
`

// simulateRun runs the command and gives its exit code and output.
func simulateRun(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestSimulateShowsEveryPolicyBesideTheOracle(t *testing.T) {
	report := filepath.Join(t.TempDir(), "out.html")
	code, stdout, stderr := simulateRun(t, simulateTestScenario, "simulate", "-", "--report", report, "--output", "json")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var r struct {
		Policies []map[string]any `json:"policies"`
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Policies) != 3 {
		t.Fatalf("%d policies, want 3", len(r.Policies))
	}
	for _, p := range r.Policies {
		for _, field := range []string{"brokerHours", "replicaHours", "sloViolationMinutes", "overloadMinutes", "scaleActions", "bytesMoved", "cost", "oracle"} {
			if p[field] == nil {
				t.Errorf("%v has no %s", p["policy"], field)
			}
		}
	}
	page, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("Policies compared")) {
		t.Error("the report has no comparison")
	}
	if _, again, _ := simulateRun(t, simulateTestScenario, "simulate", "-", "--output", "json"); again != stdout {
		t.Error("the same scenario and seed gave other bytes")
	}
}

func TestSimulateShardsMergeToTheWhole(t *testing.T) {
	_, whole, _ := simulateRun(t, simulateTestScenario, "simulate", "-", "--runs", "5", "--output", "json")
	dir := t.TempDir()
	args := []string{"simulate", "merge", "--output", "json"}
	for _, s := range []string{"1/2", "0/2"} {
		code, out, stderr := simulateRun(t, simulateTestScenario, "simulate", "-", "--runs", "5", "--shard", s, "--output", "json")
		if code != exitDone {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		path := filepath.Join(dir, strings.ReplaceAll(s, "/", "-")+".json")
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	code, merged, stderr := simulateRun(t, "", args...)
	if code != exitDone || merged != whole {
		t.Errorf("exit %d (%s); the merged shards are %d bytes, the whole %d", code, stderr, len(merged), len(whole))
	}
	if code, _, stderr := simulateRun(t, "", args[:len(args)-1]...); code != exitBadInput ||
		!strings.Contains(stderr, "is in none of them") {
		t.Errorf("a missing shard: exit %d, %s", code, stderr)
	}
}

func TestSimulateRefusesBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"mistakes together": {strings.ReplaceAll(simulateTestScenario, "throttle: 40MB/s", "throttle: fast, speed: 3"), []string{"simulate", "-"}, "2 mistakes"},
		"no such file":      {"", []string{"simulate", "missing.yaml"}, "missing.yaml"},
		"shard":             {simulateTestScenario, []string{"simulate", "-", "--runs", "4", "--shard", "4/4"}, "i of i/n is 0 to n−1"},
		"shard of nothing":  {simulateTestScenario, []string{"simulate", "-", "--shard", "0/4"}, "nothing to share out"},
		"report of many":    {simulateTestScenario, []string{"simulate", "-", "--runs", "4", "--report", "x.html"}, "--report shows one run"},
		"trace":             {"", []string{"simulate", "replay", "missing.csv"}, "missing.csv"},
		"journal":           {"", []string{"simulate", "export", "missing.jsonl"}, "missing.jsonl"},
	} {
		code, _, stderr := simulateRun(t, c.stdin, c.args...)
		if code != exitBadInput || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q; want 2 and %q", name, code, stderr, c.want)
		}
	}
}

func TestDemoPrintsAScenarioThatReads(t *testing.T) {
	_, doc, _ := simulateRun(t, "", "demo", "--scenario")
	doc = strings.Replace(doc, "duration: 3d", "duration: 1h\npolicies: [static]", 1)
	doc = doc[:strings.Index(doc, "changes:")]
	if code, _, stderr := simulateRun(t, doc, "simulate", "-"); code != exitDone {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// The demo is the first thing that people see of tidetable. Static is sized for
// its peak by somebody who knew it.
func TestTheDemoHoldsItsObjectivesForLessThanStatic(t *testing.T) {
	_, doc, _ := simulateRun(t, "", "demo", "--scenario")
	doc = strings.Replace(doc, "duration: 3d", "duration: 3d\npolicies: [static, tidetable]", 1)
	code, stdout, stderr := simulateRun(t, doc, "simulate", "-", "--output", "json")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var r struct {
		Policies []struct {
			Policy              string
			SLOViolationMinutes float64
			Cost                float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Policies) != 2 || r.Policies[0].Policy != "static" || r.Policies[1].Policy != "tidetable" {
		t.Fatalf("policies %+v", r.Policies)
	}
	static, ours := r.Policies[0], r.Policies[1]
	if ours.SLOViolationMinutes > 5 {
		t.Errorf("objectives were missed for %.0f minutes of three days, want at most 5", ours.SLOViolationMinutes)
	}
	if ours.Cost >= static.Cost {
		t.Errorf("it costs %.0f, and static %.0f", ours.Cost, static.Cost)
	}
	t.Logf("%+v", r.Policies)
}
