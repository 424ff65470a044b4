package observe_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/metrics/observe"
	"github.com/tidetable/tidetable/metrics/prometheus"
)

var update = flag.Bool("update", false, "write the table of docs/exporters.md")

// store is a VictoriaMetrics to read through instead of Prometheus' own engine.
var store = flag.String("store", "", "a victoria-metrics binary; the table is then held to the page, and not written")

const exportersPage = "../../docs/exporters.md"

// placed is what Kafka's metadata says of a world.
type placed struct{ w promtest.World }

func (p placed) Placement(context.Context) (cluster.Snapshot, error) {
	s := cluster.Snapshot{ClusterID: "world"}
	for i, id := range p.w.IDs {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: id, Host: p.w.Hosts[i], Zone: string(rune('a' + i)), State: cluster.BrokerAlive})
	}
	for _, t := range promtest.Topics {
		topic := cluster.Topic{Name: t.Name, Config: map[string]string{}}
		for n := range promtest.Partitions {
			lead := promtest.Leader(n)
			all := []int{p.w.IDs[lead], p.w.IDs[(lead+1)%3], p.w.IDs[(lead+2)%3]}
			topic.Partitions = append(topic.Partitions, cluster.Partition{Partition: n, Replicas: all, ISR: all, Leader: all[0],
				Load: cluster.Load{SizeBytes: cluster.Bytes(t.Bytes / promtest.Partitions)}})
		}
		s.Topics = append(s.Topics, topic)
	}
	return s, nil
}

// column is one thing that the table asks of every set-up: its values, each with what
// it must be, and the signals without which it is not known.
type column struct {
	name    string
	signals []cluster.Signal
	alone   bool // Kafka itself tells it: asked without Kafka
	values  values
}

type values = func(cluster.Snapshot, promtest.World) (got, want []float64)

func byTopic(of func(cluster.Load) float64, truth func(promtest.Topic) float64) values {
	return func(s cluster.Snapshot, _ promtest.World) (got, want []float64) {
		for _, t := range promtest.Topics {
			sum := 0.0
			for _, x := range s.Topics {
				for _, p := range x.Partitions {
					if x.Name == t.Name {
						sum += of(p.Load)
					}
				}
			}
			got, want = append(got, sum), append(want, truth(t))
		}
		return got, want
	}
}

func byBroker(of func(b cluster.Broker) float64, truth func(i int) float64) values {
	return func(s cluster.Snapshot, w promtest.World) (got, want []float64) {
		for i, id := range w.IDs {
			k := slices.IndexFunc(s.Brokers, func(b cluster.Broker) bool { return b.ID == id })
			v := math.NaN()
			if k >= 0 {
				b := s.Brokers[k]
				if b.Usage == nil {
					b.Usage = &cluster.Usage{}
				}
				v = of(b)
			}
			got, want = append(got, v), append(want, truth(i))
		}
		return got, want
	}
}

var columns = []column{
	{"topic in", []cluster.Signal{metrics.TopicBytesIn}, false,
		byTopic(func(l cluster.Load) float64 { return float64(l.BytesInPerSecond) }, func(t promtest.Topic) float64 { return t.In })},
	{"topic out", []cluster.Signal{metrics.TopicBytesOut}, false,
		byTopic(func(l cluster.Load) float64 { return float64(l.BytesOutPerSecond) }, func(t promtest.Topic) float64 { return t.Out })},
	{"records in", []cluster.Signal{metrics.TopicMessagesIn}, false,
		byTopic(func(l cluster.Load) float64 { return float64(l.MessagesInPerSecond) }, func(t promtest.Topic) float64 { return t.Messages })},
	{"network in", []cluster.Signal{metrics.BrokerBytesIn, metrics.BrokerReplicationIn}, false,
		byBroker(func(b cluster.Broker) float64 { return float64(b.Usage.NetworkInBytesPerSecond) },
			func(i int) float64 { in, _ := promtest.NetworkOf(i); return in })},
	{"network out", []cluster.Signal{metrics.BrokerBytesOut, metrics.BrokerReplicationOut}, false,
		byBroker(func(b cluster.Broker) float64 { return float64(b.Usage.NetworkOutBytesPerSecond) },
			func(i int) float64 { _, out := promtest.NetworkOf(i); return out })},
	{"CPU", []cluster.Signal{metrics.BrokerCPU}, false,
		byBroker(func(b cluster.Broker) float64 { return float64(b.Usage.CPUCores) }, func(i int) float64 { return promtest.CPU[i] })},
	{"idle handlers", []cluster.Signal{metrics.BrokerRequestHandlerIdle}, false,
		byBroker(func(b cluster.Broker) float64 { return float64(b.Usage.RequestHandlerIdle) }, func(i int) float64 { return promtest.Idle[i] })},
	{"CPU limit", []cluster.Signal{metrics.BrokerContainerCPULimit}, false,
		byBroker(func(b cluster.Broker) float64 { return float64(b.Capacity.CPUCores) }, func(i int) float64 { return promtest.CPULimit[i] })},
	{"sizes", []cluster.Signal{metrics.PartitionSize, metrics.ReplicaSize}, true,
		byTopic(func(l cluster.Load) float64 { return float64(l.SizeBytes) }, func(t promtest.Topic) float64 { return t.Bytes })},
	{"lag", []cluster.Signal{metrics.GroupLag}, true, func(s cluster.Snapshot, _ promtest.World) (got, want []float64) {
		lag := 0.0
		for _, g := range s.Groups {
			for _, p := range g.Partitions {
				lag += float64(p.Lag)
			}
		}
		return []float64{lag}, []float64{promtest.Lag * promtest.Partitions * 2}
	}},
}

// The cells of the table.
const (
	right  = "right"
	absent = "–"
	wrong  = "WRONG"
)

// judge is a cell: right within 1 %, unknown with its cause, or wrong.
func judge(c column, s cluster.Snapshot, w promtest.World) (cell, why string) {
	for _, signal := range c.signals {
		for _, x := range s.Stale {
			if x.Signal != signal {
				continue
			}
			if x.Cause == cluster.CauseNotExported {
				return absent, ""
			}
			return "unknown", fmt.Sprintf("%s: %s", x.Signal, x.Reason)
		}
	}
	got, want := c.values(s, w)
	nothing := true
	for i := range got {
		nothing = nothing && (got[i] == 0 || math.IsNaN(got[i]))
		if !(math.Abs(got[i]-want[i]) <= 0.01*want[i]) {
			why = fmt.Sprintf("got %.4g, want %.4g", got, want)
		}
	}
	switch {
	case why == "":
		return right, ""
	case nothing && c.signals[0] == metrics.BrokerContainerCPULimit:
		return absent, "" // a capacity that nobody says is no reading
	}
	return wrong, why
}

// TestEverySetUpIsRightOrSaysWhyNot reads the same small cluster as every widely used
// exporter, operator and service exports it. No value may be wrong, and none doubled.
func TestEverySetUpIsRightOrSaysWhyNot(t *testing.T) {
	var table, notes strings.Builder
	table.WriteString("| set-up |")
	for _, c := range columns {
		fmt.Fprintf(&table, " %s |", c.name)
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, setUp := range promtest.SetUps() {
		fmt.Fprintf(&table, "| %s |", setUp.What)
		with, alone := readSetUp(t, setUp)
		said := map[string]bool{}
		for _, c := range columns {
			s := with
			if c.alone {
				s = alone
			}
			cell, why := judge(c, s, setUp.World)
			if cell == wrong {
				t.Errorf("%s: %s: %s", setUp.Name, c.name, why)
			}
			fmt.Fprintf(&table, " %s |", cell)
			if cell == "unknown" && !said[why] {
				said[why] = true
				fmt.Fprintf(&notes, "- %s, %s: %s\n", setUp.What, c.name, why)
			}
		}
		table.WriteString("\n")
	}
	compareTable(t, table.String()+"\nWhy what is unknown is unknown, in the words of the program:\n\n"+notes.String())
}

// readSetUp is the snapshot of a set-up with Kafka's metadata, and without.
func readSetUp(t *testing.T, setUp promtest.SetUp) (with, alone cluster.Snapshot) {
	t.Helper()
	server := setUp.Serve(t)
	url := server.URL
	if *store != "" {
		url = imported(t, server)
	}
	for _, kafka := range []observe.Placement{placed{setUp.World}, nil} {
		c, err := catalogue.Load("")
		if err != nil {
			t.Fatal(err)
		}
		r, err := prometheus.New(prometheus.Config{URL: url, Catalogue: c})
		if err != nil {
			t.Fatal(err)
		}
		o := &observe.Observer{Kafka: kafka, Metrics: r, Now: promtest.WorldEnd}
		s, err := o.Observe(t.Context())
		if err != nil && kafka != nil {
			t.Fatalf("%s: %v", setUp.Name, err)
		}
		switch {
		case kafka != nil:
			with = s
		case err != nil:
			for signal := range metrics.Signals {
				alone.Stale = append(alone.Stale, cluster.StaleSignal{Signal: signal, Cause: cluster.CauseNotRead, Reason: err.Error()})
			}
		default:
			alone = s
		}
	}
	server.DB.Close()
	return with, alone
}

// imported starts the store with a server's samples.
func imported(t *testing.T, server *promtest.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(*store, "-storageDataPath="+t.TempDir(), "-httpListenAddr="+address, "-retentionPeriod=100y", "-loggerLevel=ERROR")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var text bytes.Buffer
	server.Dump(t, &text)
	url := "http://" + address
	for try := 0; ; try++ {
		resp, err := http.Post(url+"/api/v1/import/prometheus", "text/plain", bytes.NewReader(text.Bytes()))
		if err == nil {
			resp.Body.Close()
			break
		}
		if try > 100 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	resp, err := http.Get(url + "/internal/force_flush")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return url
}

const tableBegins, tableEnds = "<!-- table begins -->\n", "<!-- table ends -->\n"

func compareTable(t *testing.T, table string) {
	t.Helper()
	table = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).ReplaceAllString(table, "http://prometheus:9090")
	text, err := os.ReadFile(exportersPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	old, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	if *update {
		if err := os.WriteFile(exportersPage, []byte(before+tableBegins+table+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("the table differs; run make docs-exporters\n%s", table)
	}
}
