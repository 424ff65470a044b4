package archive

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/metrics/prometheus"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// strimziServer holds three hours of two brokers' counters, the first two of
// them in a block and the last in the write-ahead log only.
func strimziServer(t *testing.T) *promtest.Server {
	t.Helper()
	s := promtest.New(t)
	write := func(from, to int) {
		for b := range 2 {
			pod := map[string]string{"kubernetes_pod_name": fmt.Sprintf("claims-pool-%d", b), "job": "kafka", "instance": fmt.Sprint(b)}
			add := func(name string, per30s float64, extra ...string) {
				series := map[string]string{"__name__": name}
				for k, v := range pod {
					series[k] = v
				}
				for i := 0; i < len(extra); i += 2 {
					series[extra[i]] = extra[i+1]
				}
				var values []float64
				for i := from; i < to; i++ {
					values = append(values, per30s*float64(i)*(1+0.3*math.Sin(float64(i)/40)/float64(i+1)))
				}
				s.Append(t, series, start.Add(time.Duration(from)*30*time.Second), 30*time.Second, values...)
			}
			for _, topic := range []string{"orders", "payments"} {
				add("kafka_server_brokertopicmetrics_bytesin_total", 3000, "topic", topic)
				add("kafka_server_brokertopicmetrics_bytesout_total", 9000, "topic", topic)
				add("kafka_server_brokertopicmetrics_messagesin_total", 30, "topic", topic)
			}
			add("kafka_server_brokertopicmetrics_bytesin_total", 6000)
			add("process_cpu_seconds_total", 15)
			add("kafka_server_replicamanager_partitioncount", 0)
		}
	}
	write(0, 240)
	if err := s.DB.CompactHead(promtest.RangeHead(s.DB)); err != nil {
		t.Fatal(err)
	}
	write(240, 361)
	return s
}

func openTSDB(t *testing.T, dir string) *TSDB {
	t.Helper()
	c, err := catalogue.Load("strimzi")
	if err != nil {
		t.Fatal(err)
	}
	db, err := OpenTSDB(dir, TSDBOptions{Catalogue: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestAFolderAnswersAsItsServerDoes(t *testing.T) {
	s := strimziServer(t)
	before := listing(t, s.Dir)
	db := openTSDB(t, s.Dir)
	c, err := catalogue.Load("strimzi")
	if err != nil {
		t.Fatal(err)
	}
	server, err := prometheus.New(prometheus.Config{URL: s.URL, Catalogue: c})
	if err != nil {
		t.Fatal(err)
	}
	w := metrics.Window{From: start.Add(10 * time.Minute), To: start.Add(3 * time.Hour), Step: 5 * time.Minute}
	for _, signal := range []metrics.Signal{metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn,
		metrics.BrokerBytesIn, metrics.BrokerCPU, metrics.GroupLag} {
		fromServer, err1 := server.History(t.Context(), signal, w)
		fromFolder, err2 := db.History(t.Context(), signal, w)
		if (err1 == nil) != (err2 == nil) || fmt.Sprint(fromServer) != fmt.Sprint(fromFolder) {
			t.Errorf("%s: the server gives\n%v %v, the folder\n%v %v", signal, fromServer, err1, fromFolder, err2)
		}
		if signal != metrics.GroupLag && (len(fromFolder) != 2 || fromFolder[0].Mended.Missing > 0) {
			t.Errorf("%s: %d series", signal, len(fromFolder))
		}
		pointsServer, err1 := server.Read(t.Context(), signal, w.To)
		pointsFolder, err2 := db.Read(t.Context(), signal, w.To)
		if err1 != nil || err2 != nil || fmt.Sprint(utc(pointsServer)) != fmt.Sprint(utc(pointsFolder)) {
			t.Errorf("%s: the server gives %v %v, the folder %v %v", signal, pointsServer, err1, pointsFolder, err2)
		}
	}
	from, to := db.Range()
	if !from.Equal(start) || !to.Equal(start.Add(3*time.Hour)) {
		t.Errorf("range %s to %s", from, to)
	}
	if after := listing(t, s.Dir); !reflect.DeepEqual(before, after) {
		t.Errorf("the folder was written to:\n%v\n%v", before, after)
	}
}

func utc(points []metrics.Point) []metrics.Point {
	for i := range points {
		points[i].Time = points[i].Time.UTC()
	}
	return points
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			out = append(out, fmt.Sprint(path, info.Size()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAFolderThatIsNoPrometheusDataIsExplained(t *testing.T) {
	empty := t.TempDir()
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Join(broken, "01JNDXM8Z4ZJQ8N2C8A8T0X7RG"), 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		empty:                           "it holds neither blocks nor a write-ahead log",
		broken:                          "block 01JNDXM8Z4ZJQ8N2C8A8T0X7RG",
		filepath.Join(empty, "nowhere"): "no such file or directory",
	} {
		_, err := OpenTSDB(dir, TSDBOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestAFolderOfAServerThatHasSeenNothingIsExplained(t *testing.T) {
	_, err := OpenTSDB(promtest.New(t).Dir, TSDBOptions{})
	if err == nil || !strings.Contains(err.Error(), "neither blocks nor") {
		t.Errorf("error %v", err)
	}
}

func TestAFoldersSeriesAreBounded(t *testing.T) {
	s := promtest.New(t)
	for i := range 30 {
		s.Append(t, map[string]string{"__name__": "bytes_in", "topic": fmt.Sprint(i)}, start, time.Minute, 1, 1)
	}
	db, err := OpenTSDB(s.Dir, TSDBOptions{MaxSeries: 20, Catalogue: metrics.Catalogue{Queries: []metrics.Query{
		{Signal: metrics.TopicBytesIn, Expr: "bytes_in", Labels: map[string]metrics.LabelRule{"topic": {From: []string{"topic"}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Read(t.Context(), metrics.TopicBytesIn, start); err == nil || !strings.Contains(err.Error(), "max-series of 20") {
		t.Errorf("error %v", err)
	}
}
