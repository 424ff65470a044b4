package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
)

var sampledFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// strimziMetrics is two hours of a small cluster as Strimzi's exporter names
// it: three brokers, one topic, a replica of each of its two partitions on two.
func strimziMetrics(t *testing.T) *promtest.Server {
	t.Helper()
	s := promtest.New(t)
	for b := range 3 {
		add := func(name string, per30s, level float64, extra ...string) {
			series := map[string]string{
				"__name__":            name,
				"kubernetes_pod_name": fmt.Sprintf("claims-kafka-%d", b),
				"job":                 "kafka",
				"instance":            fmt.Sprint(b),
				"zone":                string(rune('a' + b)),
			}
			for i := 0; i < len(extra); i += 2 {
				series[extra[i]] = extra[i+1]
			}
			values := make([]float64, 241)
			for i := range values {
				values[i] = level + per30s*float64(i)
			}
			s.Append(t, series, sampledFrom, 30*time.Second, values...)
		}
		for _, topic := range []string{"", "orders"} {
			var of []string
			if topic != "" {
				of = []string{"topic", topic}
			}
			add("kafka_server_brokertopicmetrics_bytesin_total", 3000, 0, of...)
			add("kafka_server_brokertopicmetrics_bytesout_total", 6000, 0, of...)
			add("kafka_server_brokertopicmetrics_messagesin_total", 30, 0, of...)
		}
		add("kafka_server_brokertopicmetrics_replicationbytesin_total", 3000, 0)
		add("kafka_server_brokertopicmetrics_replicationbytesout_total", 3000, 0)
		add("process_cpu_seconds_total", 15, 0)
		add("kafka_server_replicamanager_partitioncount", 0, 2)
		add("kafka_server_replicamanager_underreplicatedpartitions", 0, 0)
		add("kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_count", 27e9, 0)
		for p := range 2 {
			if b == p || b == p+1 {
				add("kafka_log_log_size", 0, 1e6, "topic", "orders", "partition", fmt.Sprint(p))
				leads := 0.0
				if b == p {
					leads = 2
				}
				add("kafka_cluster_partition_replicascount", 0, leads, "topic", "orders", "partition", fmt.Sprint(p))
			}
		}
	}
	return s
}

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*want }

func readBack(t *testing.T, path string) cluster.Snapshot {
	t.Helper()
	s, err := archive.ReadSnapshotFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readTraceBack(t *testing.T, path string) archive.Trace {
	t.Helper()
	r, err := files.Open(path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tr, err := archive.ReadTrace(r)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestSnapshotIsTheSameFromAServerAndFromItsFolder(t *testing.T) {
	s := strimziMetrics(t)
	dir := t.TempDir()
	common := []string{"snapshot", "--lookback", "90m", "--step", "5m", "--at", "2026-03-01T02:00:00Z"}
	live, folder := filepath.Join(dir, "live.json"), filepath.Join(dir, "folder.json.gz")
	code, stdout, stderr := runCommand(t, append(common, "--prometheus", s.URL, "-o", live, "--output", "json")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var said snapshotReport
	if err := json.Unmarshal([]byte(stdout), &said); err != nil {
		t.Fatal(err)
	}
	if said.Traces != filepath.Join(dir, "live.traces.csv") || said.Brokers != 3 || said.Partitions != 2 {
		t.Errorf("report %+v", said)
	}
	if code, _, stderr := runCommand(t, append(common, "--tsdb", s.Dir, "-o", folder)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	a, b := readBack(t, live), readBack(t, folder)
	if fmt.Sprintf("%+v", a.Topics) != fmt.Sprintf("%+v", b.Topics) || len(a.Brokers) != len(b.Brokers) ||
		*a.Brokers[1].Usage != *b.Brokers[1].Usage {
		t.Errorf("the server gives\n%+v, the folder\n%+v", a, b)
	}
	p := a.Topics[0].Partitions
	if fmt.Sprint(p[1].Replicas, p[1].Leader) != "[1 2] 1" || !near(float64(p[0].Load.BytesInPerSecond), 150) ||
		p[0].Load.SizeBytes != 1e6 ||
		a.Brokers[2].Zone != "c" {
		t.Errorf("snapshot %+v", a)
	}
	if !strings.Contains(stderr, "placement is not known: read off Prometheus, without Kafka") {
		t.Errorf("stderr %q", stderr)
	}
	one, err1 := os.ReadFile(filepath.Join(dir, "live.traces.csv"))
	if err1 != nil {
		t.Fatal(err1)
	}
	tr := readTraceBack(t, filepath.Join(dir, "folder.traces.csv.gz"))
	again := new(bytes.Buffer)
	if err := archive.WriteTrace(again, rename(tr)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, again.Bytes()) {
		t.Errorf("the server's traces\n%s\nthe folder's\n%s", one, again)
	}
	total, ok := tr.Column("bytes_in")
	if last, _ := total.Last(); !ok || !near(last, 300) {
		t.Errorf("bytes_in ends at %v, want 300 (%s)", last, archive.ColumnNames(tr))
	}
	if h, err := tr.History(t.Context(), metrics.BrokerCPU, metrics.Window{From: sampledFrom, To: sampledFrom.Add(2 * time.Hour), Step: 5 * time.Minute}); err != nil ||
		len(h) != 3 {
		t.Errorf("broker CPU: %v, %v", h, err)
	}
}

// rename gives a read trace's series back the shape they were written from.
func rename(tr archive.Trace) []metrics.Series {
	out := make([]metrics.Series, len(tr.Series))
	for i, s := range tr.Series {
		if signal, l, ok := archive.ParseColumn(s.Labels["column"]); ok && len(l) > 0 {
			s.Signal, s.Labels = signal, l
		}
		out[i] = s
	}
	return out
}

func TestSnapshotMergesKafkaAndPrometheusAndNamesWhatIsMissing(t *testing.T) {
	s := strimziMetrics(t)
	k, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(2, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	bootstrap := strings.Join(k.ListenAddrs(), ",")
	file := filepath.Join(t.TempDir(), "c.json")
	code, _, stderr := runCommand(
		t,
		"snapshot",
		"--prometheus",
		s.URL,
		"--rate-over",
		"0",
		"--bootstrap",
		bootstrap,
		"--at",
		"2026-03-01T02:00:00Z",
		"--lookback",
		"1h",
		"-o",
		file,
	)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	both := readBack(t, file)
	if both.Topics[0].ID == "" || !near(float64(both.Topics[0].Partitions[0].Load.BytesInPerSecond), 150) {
		t.Errorf("topics %+v", both.Topics)
	}
	for _, x := range both.Stale {
		t.Errorf("%s is stale: %s", x.Signal, x.Reason)
	}
	// Kafka alone: written, what is missing named, and no traces.
	if code, _, stderr = runCommand(t, "snapshot", "--rate-over", "0", "--bootstrap", bootstrap, "-o", file); code != 0 ||
		!strings.Contains(stderr, "topic_bytes_in is not known: no Prometheus was given") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	// A Prometheus that was given and is not there: written, named, exit 1.
	code, _, stderr = runCommand(
		t,
		"snapshot",
		"--rate-over",
		"0",
		"--bootstrap",
		bootstrap,
		"--prometheus",
		"http://127.0.0.1:1",
		"-o",
		file,
	)
	if code != 1 || !strings.Contains(stderr, "connection refused") || !strings.Contains(stderr, "broker_cpu is not known") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if alone := readBack(t, file); len(alone.Brokers) != 3 || len(alone.Stale) < 9 {
		t.Errorf("snapshot %+v", alone)
	}
}

func TestSnapshotRefusesBadUsageInOneLine(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(empty, "c.json")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--file: is missing"},
		{[]string{"-o", file}, "there is nothing to read: give --bootstrap, --prometheus or --tsdb"},
		{[]string{"-o", file, "--prometheus", "x:1"}, "not of the form http://host:9090"},
		{[]string{"-o", file, "--prometheus", "http://127.0.0.1:1", "--tsdb", "x"}, "give one of them"},
		{[]string{"-o", file, "--prometheus", "http://127.0.0.1:1"}, "connection refused"},
		{[]string{"-o", file, "--bootstrap", "127.0.0.1:1"}, "reading Kafka at 127.0.0.1:1: nobody answers"},
		{[]string{"-o", file, "--tsdb", empty}, "neither blocks nor a write-ahead log"},
		{[]string{"-o", file, "--tsdb", empty, "--catalogue", "nope"}, "neither built in"},
		{[]string{"-o", file, "--tsdb", empty, "--lookback", "soon"}, "--lookback: "},
		{[]string{"-o", file, "--tsdb", empty, "--step", "1500ms"}, "--step: "},
		{[]string{"-o", file, "--bootstrap", "b:1", "--sasl-mechanism", "MAGIC"}, `"MAGIC" is not one of PLAIN`},
	} {
		code, _, stderr := runCommand(t, append([]string{"snapshot"}, c.args...)...)
		if code != 2 || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q; want 2 and one line with %q", c.args, code, stderr, c.want)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%v: a file was written", c.args)
		}
	}
}
