package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics/archive/promtest"
)

// blocksFolder is a Prometheus data folder as a server leaves it behind: three
// days of two topics on two brokers, each taking 1 MB/s by night and 3 by day;
// the first two days lie in a block, the last in the write-ahead log.
func blocksFolder(t *testing.T) string {
	t.Helper()
	s := promtest.New(t)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	const perDay = 24 * 60
	write := func(from, to int) {
		for broker := range 2 {
			for _, topic := range []string{"orders", "payments"} {
				sum := 0.0
				var values []float64
				for i := range to {
					if i >= from {
						values = append(values, sum)
					}
					sum += 60 * 1e6 * (2 - math.Cos(2*math.Pi*float64(i)/perDay))
				}
				s.Append(t, map[string]string{
					"__name__": "kafka_server_brokertopicmetrics_bytesin_total", "job": "kafka", "topic": topic,
					"instance": fmt.Sprint(broker), "kubernetes_pod_name": fmt.Sprintf("claims-%d", broker),
				}, start.Add(time.Duration(from)*time.Minute), time.Minute, values...)
			}
		}
	}
	write(0, 2*perDay)
	if err := s.DB.CompactHead(promtest.RangeHead(s.DB)); err != nil {
		t.Fatal(err)
	}
	write(2*perDay, 3*perDay+1)
	return s.Dir
}

const blocksScenario = `version: 1
name: from a server's folder
duration: 40h
history: 1d
cluster: {brokers: {count: 3}}
loads: [{name: seen, blocks: FOLDER}]
topics: [{name: orders, partitions: 12, retention: 1h, load: seen}]
policies: [static, oracle]
`

func TestSimulateReadsAPrometheusFolder(t *testing.T) {
	dir := blocksFolder(t)
	doc := strings.Replace(blocksScenario, "FOLDER", dir, 1)
	plan, _, err := readScenario("-", strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	c, err := plan.World(0)
	if err != nil {
		t.Fatal(err)
	}
	// Four series of a server each: 4 MB/s at midnight, 12 at noon.
	for hour, want := range map[int]float64{24: 4e6, 36: 12e6, 54: 8e6} {
		at := time.Date(2026, 3, 2, hour, 0, 0, 0, time.UTC)
		if got := c.Profiles[0].At(at); math.Abs(got-want) > 0.02*want {
			t.Errorf("%s: the load is %.3g B/s, the folder says %.3g", at, got, want)
		}
	}
	code, stdout, stderr := simulateRun(t, doc, "simulate", "-", "--output", "json")
	if code != exitDone || !strings.Contains(stdout, `"policy": "oracle"`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"no such folder": {dir, filepath.Join(dir, "nowhere"), "loads[0].blocks (line 6): the file does not exist"},
		"no such signal": {"blocks: " + dir, "blocks: " + dir + ", signal: tea", "tea"},
		"too short":      {"duration: 40h", "duration: 9d", "the trace is shorter than the scenario"},
	} {
		code, _, stderr := simulateRun(t, strings.Replace(doc, c.from, c.to, 1), "simulate", "-")
		if code != exitBadInput || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q; want 2 and %q", name, code, stderr, c.want)
		}
	}
}
