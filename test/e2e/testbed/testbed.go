// Package testbed starts the real parts that judge tidetable: Apache Kafka in
// KRaft mode, Prometheus with the JMX exporter, and a Kubernetes control
// plane. Everything runs as child processes of the test, on free ports, with
// its data in a temporary folder, and dies with the test, however that ends.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Options say what to start. The zero value is a Kafka cluster of one
// controller and three brokers in the zones a, b and c, without Prometheus.
type Options struct {
	// Brokers is how many brokers to start; 3 when zero. With Kubernetes it is
	// how many there will be at first: internal topics have up to three replicas.
	Brokers int
	// Zones are given to the brokers in turn; a, b, c when empty.
	Zones []string
	// NoRacks leaves every broker without a rack.
	NoRacks bool
	// Voters are the ids of brokers that are the cluster's controllers too; a
	// controller of its own where there are none.
	Voters []int
	// OldestKafka runs the oldest Kafka that the testbed has instead of the newest.
	OldestKafka bool
	// BrokerConfig is added to every broker's configuration, last word.
	BrokerConfig map[string]string
	// HeapMiB is each broker's maximum heap; 160 when zero.
	HeapMiB int
	// Prometheus starts a Prometheus server that scrapes the brokers.
	Prometheus bool
	// ScrapeInterval is Prometheus's; two seconds when zero.
	ScrapeInterval time.Duration
	// History is put into Prometheus, as TSDB blocks, before it starts. It is
	// asked when Kafka is up, because the series name the brokers.
	History func(*Kafka) []History
	// VolumeBytes is the size of each broker's volume as the kubelet's metrics
	// would give it; the size of the real file system when zero.
	VolumeBytes float64
	// VolumeMiB makes the volumes of brokers' pods file systems of that size, so
	// that the brokers themselves report it; parts of the machine's when zero.
	// It needs the right to mount: see MountRefused.
	VolumeMiB int
	// CPULimit is each broker's limit in cores as kube-state-metrics would
	// give it; no limit is exported when zero.
	CPULimit float64
	// Kubernetes starts a control plane and a node agent. Kafka then starts
	// with its controller only; its brokers come as pods (see DeployKafka).
	Kubernetes bool
	// NoKafka leaves Kafka out, for tests that bring it up in pods.
	NoKafka bool
	// StartTimeout bounds the start of all parts; five minutes when zero.
	StartTimeout time.Duration
	// Log receives one line for each step; nothing when nil.
	Log func(format string, args ...any)
	// LogDir keeps every process's output; a folder under Dir when empty.
	LogDir string
}

func (o Options) withDefaults() Options {
	if o.Brokers == 0 {
		o.Brokers = 3
	}
	if len(o.Zones) == 0 {
		o.Zones = []string{"a", "b", "c"}
	}
	if o.HeapMiB == 0 {
		o.HeapMiB = 160
	}
	if o.ScrapeInterval == 0 {
		o.ScrapeInterval = 2 * time.Second
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 5 * time.Minute
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return o
}

// rack is what a broker in a zone calls its rack.
func (tb *Testbed) rack(zone string) string {
	if tb.options.NoRacks {
		return ""
	}
	return zone
}

// Testbed is what was started.
type Testbed struct {
	// Dir holds the data of all parts; it is removed by Close.
	Dir string
	// LogDir holds one log file per process.
	LogDir string
	// Kafka is nil when the options leave it out.
	Kafka *Kafka
	// Prometheus is nil unless the options ask for it.
	Prometheus *Prometheus
	// Kubernetes is nil unless the options ask for it.
	Kubernetes *Kubernetes

	operators []interface{ close() }
	options   Options
	artifacts Artifacts
	ports     *portPool
	processes *processTable
}

// Start starts the parts for a test and stops them when it ends. Logs are
// kept, and their folder printed, when the test fails.
func Start(t testing.TB, o Options) *Testbed {
	t.Helper()
	Require(t)
	if o.Log == nil {
		o.Log = t.Logf
	}
	if o.LogDir == "" {
		o.LogDir = newLogDir(t)
	}
	tb, err := New(t.Context(), o)
	if tb != nil {
		t.Cleanup(func() {
			if err := tb.Close(); err != nil {
				t.Errorf("closing the testbed: %v", err)
			}
		})
	}
	if err != nil {
		t.Fatalf("starting the testbed: %v", err)
	}
	return tb
}

// New starts the parts. It returns the testbed even beside an error, so that
// the caller can close what did start.
func New(ctx context.Context, o Options) (*Testbed, error) {
	o = o.withDefaults()
	artifacts, err := FindArtifacts()
	if err != nil {
		return nil, err
	}
	sweepAbandoned()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("creating the data folder: %w", err)
	}
	if o.LogDir == "" {
		o.LogDir = filepath.Join(dir, "logs")
	}
	if err := os.MkdirAll(o.LogDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the log folder: %w", err)
	}
	tb := &Testbed{
		Dir: dir, LogDir: o.LogDir, options: o, artifacts: artifacts,
		ports: newPortPool(), processes: newProcessTable(o.LogDir),
	}
	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	if !o.NoKafka {
		if err := tb.startKafka(ctx); err != nil {
			return tb, err
		}
	}
	if o.Kubernetes {
		if err := tb.startKubernetes(ctx); err != nil {
			return tb, err
		}
		if err := tb.startNodeAgent(ctx); err != nil {
			return tb, err
		}
	}
	if o.Prometheus {
		if err := tb.StartPrometheus(ctx, o.History); err != nil {
			return tb, err
		}
	}
	return tb, nil
}

// Close kills every process at once and removes the data. It may be called
// more than once.
func (tb *Testbed) Close() error {
	if tb.Kafka != nil {
		tb.Kafka.closeClients()
	}
	for _, o := range tb.operators {
		o.close()
	}
	if tb.Kubernetes != nil && tb.Kubernetes.Agent != nil {
		tb.Kubernetes.Agent.close()
	}
	err := tb.processes.killAll()
	if tb.Prometheus != nil {
		tb.Prometheus.node.close()
	}
	tb.ports.release()
	return errors.Join(err, unmountUnder(tb.Dir), os.RemoveAll(tb.Dir))
}

const dirPrefix = "tidetable-testbed-"

// sweepAbandoned removes data folders whose test process is gone: a test that
// was killed could not clean up after itself.
func sweepAbandoned() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range found {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		if pid == "" {
			continue
		}
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			_ = unmountUnder(dir)
			_ = os.RemoveAll(dir)
		}
	}
}

// newLogDir makes test/e2e/logs/<test>, empty, which lives on only if the
// test fails.
func newLogDir(t testing.TB) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", " ", "_").Replace(t.Name())
	dir := filepath.Join(moduleDir(), "logs", name)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatalf("clearing the log folder: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}
