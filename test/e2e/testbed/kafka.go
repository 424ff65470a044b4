package testbed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// controllerID is far from every broker's id, as Strimzi and others keep
// controllers apart.
const controllerID = 3000

// Kafka is one cluster in KRaft mode: one controller and its brokers.
type Kafka struct {
	ClusterID  string
	Controller *Process

	tb             *Testbed
	controllerPort int

	mu      sync.Mutex
	brokers map[int]*Broker
	client  *kgo.Client
	changed func() error // told when brokers come or go; may be nil
}

func (tb *Testbed) startKafka(ctx context.Context) error {
	port, err := tb.ports.take()
	if err != nil {
		return err
	}
	k := &Kafka{ClusterID: newUUID(), tb: tb, controllerPort: port, brokers: map[int]*Broker{}}
	tb.Kafka = k
	began := time.Now()
	if len(tb.options.Voters) > 0 {
		err = k.prepareVoters()
	} else {
		err = k.startController(ctx)
	}
	if err != nil {
		return err
	}
	// Brokers wait for the controller by themselves, so all start together.
	g, gctx := errgroup.WithContext(ctx)
	for i := range tb.options.Brokers {
		if tb.options.Kubernetes {
			break // they come as pods
		}
		b, err := k.newBroker(i, tb.rack(tb.options.Zones[i%len(tb.options.Zones)]))
		if err != nil {
			return err
		}
		g.Go(func() error { return b.Start(gctx) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("starting kafka: %w", err)
	}
	tb.options.Log("kafka %s is up after %.1f s with %d brokers: %s",
		tb.artifacts.KafkaVersion, time.Since(began).Seconds(), len(k.brokers), strings.Join(k.Bootstrap(), ","))
	return nil
}

func (k *Kafka) startController(ctx context.Context) error {
	dir := filepath.Join(k.tb.Dir, "controller")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the controller's folder: %w", err)
	}
	config := map[string]string{
		"process.roles":                  "controller",
		"node.id":                        fmt.Sprint(controllerID),
		"listeners":                      fmt.Sprintf("CONTROLLER://127.0.0.1:%d", k.controllerPort),
		"log.dirs":                       filepath.Join(dir, "data"),
		"broker.session.timeout.ms":      "6000",
		"controller.quorum.voters":       k.voters(),
		"controller.listener.names":      "CONTROLLER",
		"auto.leader.rebalance.enable":   "true",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
	}
	maps.Copy(config, k.topicDefaults())
	maps.Copy(config, k.tb.options.BrokerConfig)
	properties, err := writeProperties(filepath.Join(dir, "controller.properties"), config)
	if err != nil {
		return err
	}
	if err := k.format(ctx, "controller-format", properties); err != nil {
		return err
	}
	k.Controller, err = k.java("controller", nil, "kafka.Kafka", properties)
	return err
}

// topicDefaults are a cluster's defaults for topics, which are the controller's:
// it makes them.
func (k *Kafka) topicDefaults() map[string]string {
	return map[string]string{
		"default.replication.factor": fmt.Sprint(k.replicationFactor()),
		"min.insync.replicas":        fmt.Sprint(max(1, k.replicationFactor()-1)),
	}
}

// format prepares a controller's storage with Kafka's own tool, unless it was
// prepared before.
func (k *Kafka) format(ctx context.Context, name, properties string) error {
	format, err := k.java(name, nil, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", k.ClusterID, "-c", properties)
	if err != nil {
		return err
	}
	select {
	case <-format.Done():
	case <-ctx.Done():
		return fmt.Errorf("formatting the controller's storage: %w", context.Cause(ctx))
	}
	if format.err != nil {
		return fmt.Errorf("formatting the controller's storage: %w", format.died())
	}
	return nil
}

// prepareVoters gives the brokers that vote their addresses, which every node's
// configuration names before any of them runs.
func (k *Kafka) prepareVoters() error {
	for _, id := range k.tb.options.Voters {
		b, err := k.newBroker(id, "")
		if err != nil {
			return err
		}
		if b.controllerPort, err = k.tb.ports.take(); err != nil {
			return err
		}
	}
	return nil
}

// RestartController starts the controller again after it was killed or
// stopped; its quorum comes back by itself.
func (k *Kafka) RestartController() error {
	if k.Controller.Running() {
		return errors.New("restarting the controller: it is still running")
	}
	var err error
	k.Controller, err = k.java("controller", nil, "kafka.Kafka", filepath.Join(k.tb.Dir, "controller", "controller.properties"))
	return err
}

func (k *Kafka) voters() string {
	var voters []string
	for _, b := range k.Brokers() {
		if b.controllerPort > 0 {
			voters = append(voters, fmt.Sprintf("%d@%s:%d", b.ID, b.Host, b.controllerPort))
		}
	}
	if len(voters) > 0 {
		return strings.Join(voters, ",")
	}
	return fmt.Sprintf("%d@127.0.0.1:%d", controllerID, k.controllerPort)
}

// replicationFactor of internal and new topics: three where there are enough
// brokers from the start.
func (k *Kafka) replicationFactor() int { return min(3, k.tb.options.Brokers) }

// java starts a main class of Kafka's with a small heap and cheap compilation:
// many of them share two cores.
func (k *Kafka) java(name string, jvm []string, main string, args ...string) (*Process, error) {
	logging, libs := "log4j2.configurationFile", k.tb.artifacts.KafkaLibs
	asset := "log4j2.properties"
	if k.tb.options.OldestKafka {
		logging, libs, asset = "log4j.configuration", k.tb.artifacts.OldestKafkaLibs, "log4j.properties"
	}
	log4j, err := k.tb.asset(asset)
	if err != nil {
		return nil, err
	}
	if k.tb.options.OldestKafka {
		log4j = "file:" + log4j
	}
	line := []string{
		fmt.Sprintf("-Xmx%dm", k.tb.options.HeapMiB), "-Xms32m",
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
		"-Djava.awt.headless=true", "-D" + logging + "=" + log4j,
	}
	line = append(line, jvm...)
	line = append(line, "-cp", filepath.Join(libs, "*"), main)
	return k.tb.processes.start(name, k.tb.Dir, nil, k.tb.artifacts.Java, append(line, args...)...)
}

// asset writes an embedded file where a child can read it.
func (tb *Testbed) asset(name string) (string, error) {
	path := filepath.Join(tb.Dir, name)
	if existing(path) != "" {
		return path, nil
	}
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "", fmt.Errorf("reading the embedded %s: %w", name, err)
	}
	temporary, err := os.CreateTemp(tb.Dir, name)
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close(), os.Rename(temporary.Name(), path)); err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	return path, nil
}

// Bootstrap lists the addresses of all brokers that were started, by id.
func (k *Kafka) Bootstrap() []string {
	var out []string
	for _, b := range k.Brokers() {
		out = append(out, b.Addr)
	}
	return out
}

// Brokers lists all brokers, running or not, by id.
func (k *Kafka) Brokers() []*Broker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.brokers), func(a, b *Broker) int { return a.ID - b.ID })
}

// Broker is the broker of that id; nil when there is none.
func (k *Kafka) Broker(id int) *Broker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.brokers[id]
}

// AddBroker starts one more broker with the lowest free id and waits until it
// is unfenced.
func (k *Kafka) AddBroker(ctx context.Context, zone string) (*Broker, error) {
	id := 0
	for k.Broker(id) != nil {
		id++
	}
	b, err := k.newBroker(id, zone)
	if err != nil {
		return nil, err
	}
	return b, b.Start(ctx)
}

// RemoveBroker stops a broker, unregisters it and deletes its data. It does
// not ask whether the broker was empty: that is what tests are about.
func (k *Kafka) RemoveBroker(ctx context.Context, id int) error {
	b := k.Broker(id)
	if b == nil {
		return fmt.Errorf("removing broker %d: there is none", id)
	}
	if err := b.Stop(ctx); err != nil {
		return err
	}
	if err := k.Unregister(ctx, id); err != nil {
		return err
	}
	k.mu.Lock()
	delete(k.brokers, id)
	k.mu.Unlock()
	errs := []error{k.tellChanged()}
	for _, dir := range b.DataDirs() {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

func (k *Kafka) tellChanged() error {
	k.mu.Lock()
	changed := k.changed
	k.mu.Unlock()
	if changed == nil {
		return nil
	}
	return changed()
}

// Client is a shared client without a consumer; the testbed closes it.
func (k *Kafka) Client() (*kgo.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		return k.client, nil
	}
	var seeds []string
	for _, b := range k.brokers {
		seeds = append(seeds, b.Addr)
	}
	if len(seeds) == 0 {
		return nil, errors.New("connecting to kafka: there is no broker yet")
	}
	c, err := k.newClient(seeds)
	k.client = c
	return c, err
}

func (k *Kafka) newClient(seeds []string, more ...kgo.Opt) (*kgo.Client, error) {
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.MetadataMaxAge(5 * time.Second),
		kgo.RetryTimeout(20 * time.Second),
	}, more...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to kafka: %w", err)
	}
	return c, nil
}

// Admin is a kadm client over Client.
func (k *Kafka) Admin() (*kadm.Client, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(c), nil
}

func (k *Kafka) closeClients() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		k.client.Close()
		k.client = nil
	}
}

// writeProperties writes a Java properties file, keys sorted.
func writeProperties(path string, config map[string]string) (string, error) {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(config)) {
		fmt.Fprintf(&b, "%s=%s\n", key, config[key])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	return path, nil
}

// newUUID is a random id in Kafka's notation, which must not start with a
// dash because it is given on command lines.
func newUUID() string {
	for {
		var raw [16]byte
		_, _ = rand.Read(raw[:]) // never fails
		if s := base64.RawURLEncoding.EncodeToString(raw[:]); s[0] != '-' {
			return s
		}
	}
}
