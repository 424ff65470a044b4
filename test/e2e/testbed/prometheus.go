package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The labels that Prometheus gives the brokers' series in a Strimzi cluster.
const (
	Namespace   = "kafka"
	ClusterName = "tide"
)

// Prometheus is a Prometheus server that scrapes the brokers' JMX exporters
// and a stand-in for the kubelet's and kube-state-metrics' figures about them.
type Prometheus struct {
	// URL is its root, such as http://127.0.0.1:9090.
	URL string
	// DataDir is its TSDB folder.
	DataDir string

	tb      *Testbed
	process *Process
	node    *nodeMetrics
	config  string
	targets string
	listen  string
}

// StartPrometheus starts Prometheus with a past. Options do it at the start;
// where brokers come as pods, it is called when they are there. A nil history
// is an empty one.
func (tb *Testbed) StartPrometheus(ctx context.Context, history func(*Kafka) []History) error {
	dir := filepath.Join(tb.Dir, "prometheus")
	port, err := tb.ports.take()
	if err != nil {
		return err
	}
	p := &Prometheus{
		tb: tb, DataDir: filepath.Join(dir, "data"), config: filepath.Join(dir, "prometheus.yml"),
		targets: filepath.Join(dir, "targets.json"), listen: fmt.Sprintf("127.0.0.1:%d", port),
	}
	p.URL = "http://" + p.listen
	if err := os.MkdirAll(p.DataDir, 0o755); err != nil {
		return fmt.Errorf("creating prometheus's folder: %w", err)
	}
	if p.node, err = serveNodeMetrics(tb); err != nil {
		return err
	}
	tb.Prometheus = p
	if history != nil {
		for _, h := range history(tb.Kafka) {
			began := time.Now()
			samples, err := p.Backfill(ctx, h)
			if err != nil {
				return err
			}
			tb.options.Log("backfilled %d samples in %.1f s", samples, time.Since(began).Seconds())
		}
	}
	if err := p.writeConfig(); err != nil {
		return err
	}
	if tb.Kafka != nil {
		tb.Kafka.mu.Lock()
		tb.Kafka.changed = p.writeTargets
		tb.Kafka.mu.Unlock()
	}
	return p.Start(ctx)
}

// Start starts Prometheus, again after Stop, and waits until it is ready.
func (p *Prometheus) Start(ctx context.Context) error {
	if p.Running() {
		return errors.New("starting prometheus: it is running")
	}
	if err := p.writeTargets(); err != nil {
		return err
	}
	var err error
	p.process, err = p.tb.processes.start("prometheus", p.tb.Dir, nil, p.tb.artifacts.Prometheus,
		"--config.file="+p.config, "--storage.tsdb.path="+p.DataDir, "--storage.tsdb.retention.time=10y",
		"--web.listen-address="+p.listen, "--web.enable-admin-api", "--web.enable-lifecycle", "--log.level=info")
	if err != nil {
		return err
	}
	return Poll(ctx, "prometheus to be ready", 200*time.Millisecond, func(ctx context.Context) error {
		if !p.Running() {
			return &Fatal{p.process.died()}
		}
		_, err := httpGet(ctx, p.URL+"/-/ready")
		return err
	})
}

// Running tells whether Prometheus has a process.
func (p *Prometheus) Running() bool { return p.process != nil && p.process.Running() }

// Process is the latest process.
func (p *Prometheus) Process() *Process { return p.process }

// Stop ends Prometheus; its data stay.
func (p *Prometheus) Stop(ctx context.Context) error {
	if !p.Running() {
		return nil
	}
	return p.process.Stop(ctx)
}

// Snapshot has Prometheus write its data, the head too, into a folder of TSDB
// blocks that a planner could have copied away, and returns that folder.
func (p *Prometheus) Snapshot(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v1/admin/tsdb/snapshot", nil)
	if err != nil {
		return "", fmt.Errorf("asking prometheus for a snapshot: %w", err)
	}
	body, err := do(request)
	if err != nil {
		return "", err
	}
	var answer struct{ Data struct{ Name string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("reading prometheus's answer: %w", err)
	}
	return filepath.Join(p.DataDir, "snapshots", answer.Data.Name), nil
}

// WaitTargets waits until every running broker has been scraped.
func (p *Prometheus) WaitTargets(ctx context.Context) error {
	return Poll(ctx, "prometheus to scrape every broker", 500*time.Millisecond, func(ctx context.Context) error {
		body, err := httpGet(ctx, p.URL+"/api/v1/targets?state=active")
		if err != nil {
			return err
		}
		var answer struct {
			Data struct {
				ActiveTargets []struct{ ScrapeURL, Health, LastError string }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("reading prometheus's answer: %w", err)
		}
		want := 1 // the node's own
		for _, b := range p.tb.Kafka.Brokers() {
			if b.Running() {
				want++
			}
		}
		up := 0
		for _, target := range answer.Data.ActiveTargets {
			if target.Health == "up" {
				up++
			}
		}
		if up < want {
			return fmt.Errorf("%d of %d targets are up: %+v", up, want, answer.Data.ActiveTargets)
		}
		return nil
	})
}

// QueryValue is one series of an instant query.
type QueryValue struct {
	Labels map[string]string
	Value  float64
}

// Query asks for an instant vector now.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]QueryValue, error) {
	body, err := httpGet(ctx, p.URL+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading prometheus's answer: %w", err)
	}
	var out []QueryValue
	for _, r := range answer.Data.Result {
		var text string
		if err := json.Unmarshal(r.Value[1], &text); err != nil {
			return nil, fmt.Errorf("reading a value: %w", err)
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("reading a value: %w", err)
		}
		out = append(out, QueryValue{r.Metric, v})
	}
	return out, nil
}

func (p *Prometheus) writeConfig() error {
	interval := p.tb.options.ScrapeInterval
	config := fmt.Sprintf(`global:
  scrape_interval: %s
  scrape_timeout: %s
scrape_configs:
  - job_name: kafka-resources-metrics
    file_sd_configs: [{files: [%q], refresh_interval: 5s}]
  # What the kubelet and kube-state-metrics say; their own labels win.
  - job_name: kubelet
    honor_labels: true
    static_configs: [{targets: [%q]}]
`, interval, interval, p.targets, p.node.addr)
	if err := os.WriteFile(p.config, []byte(config), 0o644); err != nil {
		return fmt.Errorf("writing prometheus's configuration: %w", err)
	}
	return nil
}

// writeTargets lists the brokers for file-based discovery, as relabelling
// from pods would have them.
func (p *Prometheus) writeTargets() error {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	if p.tb.Kafka != nil {
		for _, b := range p.tb.Kafka.Brokers() {
			groups = append(groups, group{[]string{fmt.Sprintf("127.0.0.1:%d", b.MetricsPort)}, b.TargetLabels()})
		}
	}
	body, err := json.Marshal(groups)
	if err != nil {
		return fmt.Errorf("listing prometheus's targets: %w", err)
	}
	// A rename, because Prometheus watches the file.
	part := p.targets + ".part"
	if err := errors.Join(os.WriteFile(part, body, 0o644), os.Rename(part, p.targets)); err != nil {
		return fmt.Errorf("writing prometheus's targets: %w", err)
	}
	return nil
}

// TargetLabels are the labels of every series scraped from the broker, beside
// job and instance.
func (b *Broker) TargetLabels() map[string]string {
	labels := map[string]string{
		"namespace": Namespace, "pod": b.PodName(), "kubernetes_pod_name": b.PodName(),
		"strimzi_io_cluster": ClusterName, "strimzi_io_kind": "Kafka", "container": "kafka",
	}
	if b.Zone != "" {
		labels["zone"] = b.Zone
	}
	if id := strconv.Itoa(b.ID); !strings.HasSuffix(b.PodName(), "-"+id) {
		labels["broker_id"] = id // what a rule of relabelling has to say where the pod's name does not
	}
	return labels
}

func httpGet(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	return do(request)
}

func do(request *http.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(request.Context(), 10*time.Second)
	defer cancel()
	response, err := http.DefaultClient.Do(request.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", request.URL.Path, err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", request.URL.Path, err)
	}
	if response.StatusCode/100 != 2 {
		return body, fmt.Errorf("asking %s: %s: %.200s", request.URL.Path, response.Status, body)
	}
	return body, nil
}
