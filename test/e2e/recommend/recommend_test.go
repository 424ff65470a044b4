package recommend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// TestLoop runs its parts on one testbed, in this order: the last one takes
// Prometheus away.
func TestLoop(t *testing.T) {
	testbed.Require(t)
	b := newBed(t)
	t.Run("a snapshot of live systems has what both know", func(t *testing.T) { testSnapshot(t, b) })
	t.Run("the brokers that a doubling load needs are recommended", func(t *testing.T) { testRecommendation(t, b) })
	t.Run("a TSDB folder and the live server give the same plan", func(t *testing.T) { testSamePlan(t, b) })
	t.Run("a Prometheus that stops half way is named signal by signal", func(t *testing.T) { testPrometheusStops(t, b) })
}

func testSnapshot(t *testing.T, b *bed) {
	b.t = t
	path := filepath.Join(b.Dir, "snapshot.json")
	r := b.Run(b.ctx, t, "snapshot", "--prometheus", b.Prometheus.URL, "--bootstrap", strings.Join(b.Kafka.Bootstrap(), ","), "--lookback", "3d", "-o", path)
	if r.Exit != 0 {
		t.Fatalf("snapshot exits %d; stderr:\n%s", r.Exit, r.Stderr)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s cluster.Snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if s.ClusterID != b.Kafka.ClusterID {
		t.Errorf("the cluster id is %q, want %q", s.ClusterID, b.Kafka.ClusterID)
	}
	var zones []string
	for _, broker := range s.Brokers {
		zones = append(zones, fmt.Sprintf("%d:%s:%s", broker.ID, broker.Zone, broker.State))
	}
	if want := []string{"0:a:alive", "1:b:alive", "2:c:alive"}; !slices.Equal(zones, want) {
		t.Errorf("the brokers are %v, want %v", zones, want)
	}
	orders := slices.IndexFunc(s.Topics, func(topic cluster.Topic) bool { return topic.Name == "orders" })
	if orders < 0 {
		t.Fatalf("there is no topic orders in the snapshot")
	}
	produced, consumed := 0.0, 0.0
	for _, p := range s.Topics[orders].Partitions {
		produced += float64(p.Load.BytesInPerSecond)
		consumed += float64(p.Load.BytesOutPerSecond)
		if len(p.Replicas) != replicas || p.Leader < 0 || p.Load.SizeBytes <= 0 {
			t.Errorf("partition %d has replicas %v, leader %d, %v bytes", p.Partition, p.Replicas, p.Leader, p.Load.SizeBytes)
		}
	}
	if n := len(s.Topics[orders].Partitions); n != 12 {
		t.Errorf("topic orders has %d partitions, want 12", n)
	}
	if produced < 0.4*low || produced > 1.5*low {
		t.Errorf("the partitions' produced bytes sum up to %.0f/s, want about %.0f", produced, low)
	}
	if consumed < 0.4*low {
		t.Errorf("the partitions' consumed bytes sum up to %.0f/s, want about %.0f", consumed, low)
	}
	if !slices.ContainsFunc(s.Groups, func(g cluster.Group) bool { return g.Name == "billing" && len(g.Partitions) == 12 }) {
		t.Errorf("group billing with 12 partitions is missing: %+v", s.Groups)
	}
}

func testRecommendation(t *testing.T, b *bed) {
	b.t = t
	d := b.once(b.policy(""))
	want := brokersByHand(peak)
	if now := brokersByHand(low); now >= want {
		t.Fatalf("the test proves nothing: %d brokers are enough now, %d at the peak", now, want)
	}
	if d.Requirement.Brokers != want || d.Requirement.Bottleneck != "networkIn" {
		t.Errorf("the requirement is %d brokers by %q, want %d by networkIn", d.Requirement.Brokers, d.Requirement.Bottleneck, want)
		for _, c := range d.Requirement.Constraints {
			t.Logf("%s: %d brokers, %s %s", c.Name, c.Brokers, c.Formula, c.Unknown)
		}
	}
	if !slices.ContainsFunc(d.Proposals, func(p decision.Proposal) bool {
		return p.Kind == decision.ScaleBrokers && p.From == 3 && p.To == want
	}) {
		t.Errorf("the proposals are %+v, want one from 3 to %d brokers", d.Proposals, want)
	}
	if d.Seen.AliveBrokers != 3 || float64(d.Seen.BytesIn) < 0.4*low || float64(d.Seen.BytesIn) > 1.5*low {
		t.Errorf("%d brokers alive and %.0f B/s produced were seen, want 3 and about %.0f", d.Seen.AliveBrokers, float64(d.Seen.BytesIn), low)
	}
	for _, a := range d.Actions {
		if !a.DryRun {
			t.Errorf("mode Recommend did something: %+v", a)
		}
	}
}

// testSamePlan plans from what the live server says of an instant, and from
// what a copy of its data folder says of the same instant.
func testSamePlan(t *testing.T, b *bed) {
	b.t = t
	at := time.Now().UTC().Truncate(time.Second).Add(-5 * time.Second).Format(time.RFC3339)
	folder, err := b.Prometheus.Snapshot(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	plan := func(name string, source ...string) string {
		t.Helper()
		path := filepath.Join(b.Dir, name+".json")
		args := append([]string{"snapshot", "--at", at, "--lookback", fmt.Sprintf("%dd", days), "-o", path}, source...)
		if r := b.Run(b.ctx, t, args...); r.Exit != 0 {
			t.Fatalf("%v exits %d; stderr:\n%s", args, r.Exit, r.Stderr)
		}
		r := b.Run(b.ctx, t, "plan", "--policy", b.policy(""), "--input", path, "--trace", filepath.Join(b.Dir, name+".traces.csv"), "--output", "json")
		if r.Exit > 1 {
			t.Fatalf("plan from %s exits %d; stderr:\n%s", name, r.Exit, r.Stderr)
		}
		return string(r.Stdout)
	}
	live := plan("live", "--prometheus", b.Prometheus.URL)
	copied := plan("copied", "--tsdb", folder)
	if live != copied {
		t.Errorf("the plans differ; from the live server:\n%s\nfrom the folder:\n%s", live, copied)
	}
	var answer struct {
		BrokersNow        int
		BindingConstraint string
		Trend             struct{ PeakBytesInPerSecond float64 }
	}
	if err := json.Unmarshal([]byte(live), &answer); err != nil {
		t.Fatalf("reading the plan: %v\n%.500s", err, live)
	}
	if p := answer.Trend.PeakBytesInPerSecond; p < 0.9*peak || p > 1.1*peak || answer.BrokersNow != 3 || answer.BindingConstraint != "networkIn" {
		t.Errorf("the plan sees %d brokers and a daily peak of %.0f B/s and binds at %q, want 3, about %.0f and networkIn",
			answer.BrokersNow, p, answer.BindingConstraint, peak)
	}
}

// testPrometheusStops runs the ticking loop, takes Prometheus away, and reads
// every decision from the journal.
func testPrometheusStops(t *testing.T, b *bed) {
	b.t = t
	journal := filepath.Join(b.Dir, "journal.jsonl")
	policy := b.policy("  gates: {staleAfter: 10s}\n  journal: {path: " + journal + "}\n")
	p := b.Tidetable(t, "controller", nil, "controller", "--policy", policy, "--listen", "127.0.0.1:0")
	decisions := func() []decision.Decision {
		t.Helper()
		raw, err := os.ReadFile(journal)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		var out []decision.Decision
		for line := range bytes.Lines(raw) {
			var entry struct {
				Kind string
				Data decision.Decision
			}
			// The last line may be half written yet; other kinds have other data.
			if json.Unmarshal(line, &entry) == nil && entry.Kind == "decision" {
				out = append(out, entry.Data)
			}
		}
		return out
	}
	wait := func(what string, check func(decision.Decision) error) decision.Decision {
		t.Helper()
		var last decision.Decision
		if err := testbed.Poll(b.ctx, what, 500*time.Millisecond, func(context.Context) error {
			if !p.Running() {
				return &testbed.Fatal{Err: fmt.Errorf("the controller ended with %d, see %s", p.ExitCode(), p.Log)}
			}
			all := decisions()
			if len(all) == 0 {
				return errors.New("no decision yet")
			}
			last = all[len(all)-1]
			return check(last)
		}); err != nil {
			t.Fatal(err)
		}
		return last
	}
	before := wait("a decision with Prometheus", func(d decision.Decision) error {
		if d.Requirement.Brokers != brokersByHand(peak) {
			return fmt.Errorf("it requires %d brokers", d.Requirement.Brokers)
		}
		return nil
	})
	if err := b.Prometheus.Process().Kill(); err != nil {
		t.Fatal(err)
	}
	// What only Prometheus knows is missing now, each by its name.
	missing := []string{
		"broker_bytes_in", "broker_bytes_out", "broker_cpu", "broker_replication_in", "broker_replication_out",
		"broker_request_handler_idle", "topic_bytes_in", "topic_bytes_out",
	}
	after := wait("a decision that names the missing signals", func(d decision.Decision) error {
		for _, name := range missing {
			if !slices.ContainsFunc(d.Seen.Stale, func(s cluster.StaleSignal) bool { return string(s.Signal) == name && s.Reason != "" }) {
				return fmt.Errorf("%s is not among the stale signals %+v", name, d.Seen.Stale)
			}
		}
		return nil
	})
	for _, d := range decisions() {
		if d.Requirement.Brokers < 3 {
			t.Errorf("the decision at %s requires %d brokers, fewer than there are", d.Time, d.Requirement.Brokers)
		}
		for _, p := range d.Proposals {
			if p.ScaleIn() {
				t.Errorf("the decision at %s proposes a scale-in: %+v", d.Time, p)
			}
		}
	}
	if after.Requirement.Brokers < 3 || before.ID == after.ID {
		t.Errorf("the requirement is %d brokers at the end", after.Requirement.Brokers)
	}
	// Ten seconds are promised; a starved machine is given more.
	stopping, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := p.Stop(stopping); err != nil {
		t.Errorf("the controller does not stop: %v", err)
	}
	if code := p.ExitCode(); code != 0 {
		t.Errorf("the controller exits with %d, want 0; see %s", code, p.Log)
	}
	if raw, err := os.ReadFile(p.Log); err != nil || bytes.Contains(raw, []byte("goroutine ")) {
		t.Errorf("the controller's log has a stack trace, or is not there: %v", err)
	}

	// A process that never saw Prometheus knows no load, and says so.
	r := b.Run(b.ctx, t, "controller", "--once", "--policy", policy, "--output", "json")
	if r.Exit > 1 || bytes.Contains(r.Stderr, []byte("goroutine ")) {
		t.Fatalf("controller --once without Prometheus exits %d; stderr:\n%s", r.Exit, r.Stderr)
	}
	if d := b.decision(r.Stdout); d.Requirement.Brokers < 3 || d.Requirement.Complete || len(d.Seen.Stale) < len(missing) {
		t.Errorf("without Prometheus %d brokers are required (complete: %v), %d signals stale", d.Requirement.Brokers, d.Requirement.Complete, len(d.Seen.Stale))
	}
}
