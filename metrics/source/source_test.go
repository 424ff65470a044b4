package source_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive/promtest"
	"github.com/tidetable/tidetable/metrics/catalogue"
	"github.com/tidetable/tidetable/metrics/prometheus"
	"github.com/tidetable/tidetable/metrics/source"
)

func setUp(t *testing.T, name string) *promtest.Server {
	t.Helper()
	for _, s := range promtest.SetUps() {
		if s.Name == name {
			return s.Serve(t)
		}
	}
	t.Fatalf("there is no set-up %s", name)
	return nil
}

func read(t *testing.T, s *promtest.Server, selector string) *prometheus.Reader {
	t.Helper()
	c, err := catalogue.Load("")
	if err != nil {
		t.Fatal(err)
	}
	r, err := prometheus.New(prometheus.Config{URL: s.URL, Catalogue: c, Selector: selector})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func found(t *testing.T, name, selector string) source.Found {
	t.Helper()
	f, err := read(t, setUp(t, name), selector).Found(t.Context(), promtest.WorldEnd())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func signal(f source.Found, s metrics.Signal) source.Candidate {
	return f.Signals[slices.IndexFunc(f.Signals, func(c source.Candidate) bool { return c.Signal == s })]
}

func TestWhatIsFoundSaysForEverySignalByWhatAndWhyNot(t *testing.T) {
	f := found(t, "bitnami", "")
	if c := signal(f, metrics.BrokerCPU); c.Catalogue != "kubernetes" || c.Series != 3 ||
		!strings.Contains(c.Query, `pod=~"kafka-broker-[0-9]+"`) {
		t.Errorf("broker_cpu %+v", c)
	}
	if c := signal(f, metrics.TopicBytesIn); c.Series != 2 || c.Why != "" || strings.Contains(c.Query, "$") {
		t.Errorf("topic_bytes_in %+v", c)
	}
	if c := signal(f, metrics.GroupLag); c.Why == "" || c.Query != "" {
		t.Errorf("group_lag %+v", c)
	}
	if len(f.Signals) != len(metrics.Signals) || f.Scrape != promtest.WorldStep {
		t.Errorf("%d signals, scraped every %s", len(f.Signals), f.Scrape)
	}
}

func TestCopiesAreTakenOnceAndTold(t *testing.T) {
	f := found(t, "strimzi-twice", "")
	if len(f.Exporters) != 1 || f.Exporters[0].Copies != 3 || f.Exporters[0].By != "kubernetes_pod_name" ||
		!slices.Contains(f.Exporters[0].CopiedBy, "job") {
		t.Errorf("exporters %+v", f.Exporters)
	}
	if len(f.Remarks) != 1 || !strings.Contains(f.Remarks[0], "scraped more than once, told apart by endpoint, job") {
		t.Errorf("remarks %q", f.Remarks)
	}
}

func TestTwoClustersAreRefusedUnlessTheSelectorDecides(t *testing.T) {
	f := found(t, "strimzi-two-clusters", "")
	if c := signal(f, metrics.BrokerBytesIn); !strings.Contains(c.Why, `namespace is "kafka" (3 series), "staging" (3 series)`) {
		t.Errorf("broker_bytes_in %+v", c)
	}
	f = found(t, "strimzi-two-clusters", `namespace="staging"`)
	if c := signal(f, metrics.BrokerBytesIn); c.Series != 3 || c.Why != "" {
		t.Errorf("broker_bytes_in of one %+v", c)
	}
	// Limits are of the pods that the selector leaves, though they do not carry its labels.
	if c := signal(f, metrics.BrokerContainerCPULimit); c.Series != 3 || c.Points[0].Value != 2 {
		t.Errorf("broker_container_cpu_limit of one %+v", c)
	}
}

func TestCopiesThatDoNotAgreeAreTwoClusters(t *testing.T) {
	s := promtest.New(t)
	for i, replica := range []string{"eu", "us"} {
		since := 1e9 + float64(i)*5e8
		s.Append(t, map[string]string{"__name__": "kafka_server_brokertopicmetrics_bytesin_total", "pod": "kafka-0", "namespace": "kafka",
			"instance": "10.0.0.1:9404", "monitor": replica}, promtest.WorldStart, time.Minute, since, 1e9+since, 2e9+since)
	}
	f, err := read(t, s, "").Found(t.Context(), promtest.WorldStart.Add(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if c := signal(f, metrics.BrokerBytesIn); !strings.Contains(c.Why, "do not agree") || !strings.Contains(c.Why, `monitor="eu"`) {
		t.Errorf("broker_bytes_in %+v", c)
	}
}

func TestAMeanSinceTheStartIsNoRate(t *testing.T) {
	s := promtest.New(t)
	for _, name := range []string{"kafka_server_brokertopicmetrics_bytesin_total",
		"kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent"} {
		s.Append(t, map[string]string{"__name__": name, "pod": "kafka-0", "instance": "a"}, promtest.WorldStart, time.Minute, 0.9, 0.9, 0.9)
	}
	f, err := read(t, s, "").Found(t.Context(), promtest.WorldStart.Add(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if c := signal(f, metrics.BrokerRequestHandlerIdle); c.Series != 0 || !strings.Contains(c.Why, "mean since the broker started") {
		t.Errorf("broker_request_handler_idle %+v", c)
	}
}

func TestTwoExportersOfOneClusterAgreeAndOfTwoDoNot(t *testing.T) {
	for name, c := range map[string]struct {
		second float64
		want   string
	}{"a pair": {1e9, ""}, "two clusters": {5e8, "2 exporters answer, and do not agree"}} {
		s := promtest.New(t)
		for i, v := range []float64{1e9, c.second} {
			s.Append(t, map[string]string{"__name__": "kafka_topic_partition_current_offset", "topic": "orders", "partition": "0",
				"instance": string(rune('a' + i))}, promtest.WorldStart, 30*time.Second, v, v+3000, v+6000)
		}
		f, err := read(t, s, "").Found(t.Context(), promtest.WorldStart.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		got := signal(f, metrics.TopicMessagesIn)
		if (c.want == "") != (got.Why == "") || !strings.Contains(got.Why, c.want) || c.want == "" && got.Series != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatIsReadIsToldByCatalogue(t *testing.T) {
	r := read(t, setUp(t, "strimzi"), "")
	for _, s := range []metrics.Signal{metrics.TopicBytesIn, metrics.BrokerCPU, metrics.GroupLag} {
		if _, err := r.Read(t.Context(), s, promtest.WorldEnd()); err != nil {
			t.Fatal(err)
		}
	}
	got := r.Sources()
	if len(got) != 2 || got[0].Catalogue != "kubernetes" || !slices.Equal(got[0].Signals, []metrics.Signal{metrics.BrokerCPU}) ||
		got[1].Catalogue != "strimzi" || !slices.Equal(got[1].Signals, []metrics.Signal{metrics.TopicBytesIn}) {
		t.Errorf("sources %+v", got)
	}
}

func TestAQueryThatMisreadsItsMetricIsToldAndNotRead(t *testing.T) {
	s := promtest.New(t)
	const hours = 26
	grows := make([]float64, hours*120)
	for i := range grows {
		grows[i] = 1e6 + 3e8*float64(i)
	}
	for _, name := range []string{"bytes_in_total", "bytes_in"} {
		s.Append(t, map[string]string{"__name__": name, "topic": "orders"}, promtest.WorldStart, promtest.WorldStep, grows...)
	}
	for expr, want := range map[string]string{
		"bytes_in_total{$selector}":                          "bytes_in_total is a counter by its name",
		"bytes_in{$selector}":                                "bytes_in only ever grows",
		"sum by (topic) (rate(bytes_in{$selector}[30s]))":    "its rate looks back 30s, and brokers are scraped every 30s",
		"sum by (topic) (rate(bytes_in{$selector}[2m]))":     "",
		"sum by (topic) (rate(bytes_in{$selector}[$range]))": "",
	} {
		c, err := catalogue.Read(strings.NewReader("name: mine\nqueries:\n  - {signal: topic_bytes_in, unit: bytes_per_second, expr: '" +
			expr + "', labels: {topic: topic}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := prometheus.New(prometheus.Config{URL: s.URL, Catalogue: c})
		if err != nil {
			t.Fatal(err)
		}
		from := promtest.WorldStart.Add(10 * time.Minute)
		w := metrics.Window{From: from, To: from.Add((hours - 1) * time.Hour), Step: 10 * time.Minute}
		got, err := r.History(t.Context(), metrics.TopicBytesIn, w)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) || want == "" && len(got) != 1 {
			t.Errorf("%s: %d series, %v; want %q", expr, len(got), err, want)
		}
	}
}

// silent is a store that takes questions and never answers.
type silent struct{ asked chan struct{} }

func (s silent) Instant(ctx context.Context, _ string, _ time.Time) ([]metrics.Point, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s silent) Range(ctx context.Context, _ metrics.Query, _ metrics.Window) ([]metrics.Series, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Whoever waits for a store that another has asked what it has waits no longer than
// he likes, and what was found before can be told meanwhile.
func TestAStoreThatNeverAnswersKeepsNobodyLongerThanHeLikes(t *testing.T) {
	store := silent{asked: make(chan struct{})}
	s := source.New(store, source.Config{Catalogue: metrics.Catalogue{Probes: []metrics.Probe{{Catalogue: "c", Expr: "m{$selector}"}}}})
	first, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := s.Plan(first, time.Unix(1, 0)); err == nil {
			t.Error("a plan was made of nothing")
		}
	}()
	<-store.asked
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Plan(impatient, time.Unix(1, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("he who does not wait is told %v", err)
	}
	if n := len(s.Sources()); n != 0 {
		t.Errorf("%d sources", n)
	}
	end()
	<-ended
}
