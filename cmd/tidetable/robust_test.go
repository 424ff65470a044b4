package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/shareddata"
)

var robustPolicy = `apiVersion: tidetable.io/v1alpha1
kind: KafkaCapacityPolicy
metadata: {name: robust}
spec:
  mode: Recommend
  brokers: {target: {kind: StatefulSet, name: kafka}, min: 3, max: 60, survive: {nothing: true}}
`

// robustInputs writes a policy, a snapshot of three brokers that carry 20 MB/s,
// and a trace of four weeks around that.
func robustInputs(t *testing.T, harm func([]float64)) (policy, snapshot, trace string) {
	t.Helper()
	end := time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
	s := cluster.Snapshot{Version: 1, ClusterID: "c", TakenAt: end}
	top := cluster.Topic{Name: "orders", Config: map[string]string{"retention.ms": "21600000"}}
	for i := range 3 {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: i, State: cluster.BrokerAlive, Capacity: cluster.Capacity{
			CPUCores: 32, NetworkInBytesPerSecond: 125e6, NetworkOutBytesPerSecond: 125e6, DiskBytes: 2e12, DiskBytesPerSecond: 5e8,
		}})
		top.Partitions = append(top.Partitions, cluster.Partition{
			Partition: i, Leader: i, Replicas: []int{i, (i + 1) % 3}, ISR: []int{i, (i + 1) % 3},
			Load: cluster.Load{BytesInPerSecond: 20e6 / 3, BytesOutPerSecond: 20e6 / 3, MessagesInPerSecond: 20e3 / 3, SizeBytes: 144e9},
		})
	}
	s.Topics = []cluster.Topic{top}
	values := make([]float64, 28*288)
	for i := range values {
		values[i] = 20e6 + 4e6*math.Sin(2*math.Pi*float64(i)/288) + 1e5*math.Sin(float64(i*i))
	}
	harm(values)
	var b strings.Builder
	b.WriteString("timestamp,bytes_in\n")
	for i, v := range values {
		fmt.Fprintf(&b, "%s,%.0f\n", end.Add(time.Duration(i-len(values))*5*time.Minute).Format(time.RFC3339), v)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("policy.yaml", robustPolicy), write("snapshot.json", string(text)), write("trace.csv", b.String())
}

func harmless([]float64) {}

func TestOneFalseCounterResetChangesNoPlan(t *testing.T) {
	plan := func(harm func([]float64)) (o outlook.Outlook) {
		p, s, tr := robustInputs(t, harm)
		code, stdout, stderr := tidetable("plan", "--policy", p, "--input", s, "--trace", tr, "--horizon", "90d", "--output", "json")
		if code != 0 {
			t.Fatal(stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	want, got := plan(harmless), plan(func(v []float64) { v[20*288+100] *= 5600 })
	for i, m := range want.Months {
		if g := got.Months[i]; g.Brokers != m.Brokers || g.PeakBytesIn.High > 1.1*m.PeakBytesIn.High {
			t.Errorf("month %d: %+v of brokers for %+v, without the reset %+v for %+v", i, g.Brokers, g.PeakBytesIn, m.Brokers, m.PeakBytesIn)
		}
	}
}

func TestOneFalseCounterResetInTheHistoryProposesNothing(t *testing.T) {
	decide := func(harm func([]float64)) (d decision.Decision) {
		p, s, tr := robustInputs(t, harm)
		code, stdout, stderr := tidetable("controller", "--once", "--policy", p, "--input", s, "--trace", tr, "--output", "json")
		if code != 0 {
			t.Fatal(stderr)
		}
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := decide(harmless)
	for name, at := range map[string]int{"in the last hour": 28*288 - 5, "the last sample": 28*288 - 1, "a day ago": 27*288 + 3} {
		got := decide(func(v []float64) { v[at] *= 5600 })
		if got.Recommended != want.Recommended || got.Requirement.Brokers != want.Requirement.Brokers {
			t.Errorf("%s: recommends %d brokers of %d needed (%s), without it %d of %d", name, got.Recommended,
				got.Requirement.Brokers, got.Requirement.Explain(), want.Recommended, want.Requirement.Brokers)
		}
	}
}

// The shared cases stand for their kinds: what each is to give is in the README
// beside them.
func TestSharedSeriesGiveTheirRightValues(t *testing.T) {
	dir := shareddata.Path(t, "cases", "series")
	for file, most := range map[string]float64{"plan-clean": 25e6, "false-reset-23h40": 25e6, "spike100x-last.bytes": 25e6} {
		code, stdout, stderr := tidetable("controller", "--once", "--policy", filepath.Join(dir, "policy-basic.yaml"),
			"--input", filepath.Join(dir, "snap-20MBs.json"), "--trace", filepath.Join(dir, file+".csv.gz"), "--output", "json")
		if code != 0 {
			t.Fatalf("%s: %s", file, stderr)
		}
		var d decision.Decision
		if err := json.Unmarshal([]byte(stdout), &d); err != nil {
			t.Fatal(err)
		}
		if up := d.Forecasts[0].Quantiles["0.95"]; up > most || d.Requirement.Brokers != 3 {
			t.Errorf("%s: the 0.95 quantile is %.3g, %d brokers (%s)", file, up, d.Requirement.Brokers, d.Requirement.Explain())
		}
	}
}

func TestSharedTracesAreForecastToTheirRightValues(t *testing.T) {
	dir := shareddata.Path(t, "cases", "series")
	for name, c := range map[string]struct {
		file, from, to string
		low, high      float64
	}{
		"the clock changed this morning": {"dst-berlin-until-sunday-20h", "2026-03-30T06:00:00Z", "2026-03-30T06:10:00Z", 98e6, 115e6},
		"an outage yesterday":            {"outage-2h-yesterday-zero", "2026-03-30T14:00:00Z", "2026-03-30T15:55:00Z", 100, 115},
	} {
		code, stdout, stderr := tidetable("forecast", "--input", filepath.Join(dir, c.file+".csv.gz"), "--output", "json")
		if code != 0 {
			t.Fatalf("%s: %s", name, stderr)
		}
		var p struct {
			Points []struct {
				Time      time.Time
				Quantiles map[string]float64
			}
		}
		if err := json.Unmarshal([]byte(stdout), &p); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, pt := range p.Points {
			if at := pt.Time.UTC().Format(time.RFC3339); at < c.from || at > c.to {
				continue
			}
			seen++
			if v := pt.Quantiles["0.95"]; v < c.low || v > c.high {
				t.Errorf("%s, %v: the 0.95 quantile is %.4g", name, pt.Time, v)
			}
		}
		if seen == 0 {
			t.Errorf("%s: nothing is forecast from %s to %s", name, c.from, c.to)
		}
	}
}

func TestACounterIsNotForecastAsALoad(t *testing.T) {
	p, s, tr := robustInputs(t, func(v []float64) {
		for i := 1; i < len(v); i++ {
			v[i] = v[i-1] + 300*v[i]
		}
	})
	for name, args := range map[string][]string{
		"forecast": {"forecast", "--input", tr}, "backtest": {"backtest", "--input", tr},
		"plan": {"plan", "--policy", p, "--input", s, "--trace", tr},
	} {
		if code, _, stderr := tidetable(args...); code != 2 || !strings.Contains(stderr, "is a counter and not a load") {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}
