package testbed

import (
	"context"
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
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is one broker, running or not. Its id, address and data outlive its
// process.
type Broker struct {
	ID   int
	Zone string // broker.rack; none when empty
	Host string // the address that it advertises: its own, as every pod's is
	Addr string // host:port
	// MetricsPort serves the JMX exporter's metrics under /metrics.
	MetricsPort int

	k *Kafka
	// controllerPort is where it votes as a controller too; 0 when it does not.
	controllerPort int

	mu       sync.Mutex
	dataDirs []string
	pod      string
	cpuLimit float64
	process  *Process
}

// newBroker prepares a broker. Existing folders of data are taken as they are,
// so that a volume can outlive its pod; none means a folder of the testbed's.
func (k *Kafka) newBroker(id int, zone string, dataDirs ...string) (*Broker, error) {
	port, err := k.tb.ports.take()
	if err != nil {
		return nil, err
	}
	metrics, err := k.tb.ports.take()
	if err != nil {
		return nil, err
	}
	if len(dataDirs) == 0 {
		dataDirs = []string{filepath.Join(k.tb.Dir, fmt.Sprintf("broker-%d", id))}
	}
	host := k.tb.ports.address()
	b := &Broker{
		ID: id, Zone: zone, Host: host, Addr: fmt.Sprintf("%s:%d", host, port), dataDirs: dataDirs,
		MetricsPort: metrics, k: k, pod: fmt.Sprintf("%s-%d", KafkaSetName, id), cpuLimit: k.tb.options.CPULimit,
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.brokers[id] != nil {
		return nil, fmt.Errorf("adding broker %d: the id is taken", id)
	}
	k.brokers[id] = b
	return b, nil
}

// Launch starts the broker's process and does not wait for it.
func (b *Broker) Launch(ctx context.Context) error {
	if b.Running() {
		return fmt.Errorf("starting broker %d: it is running", b.ID)
	}
	properties, err := writeProperties(filepath.Join(b.k.tb.Dir, fmt.Sprintf("broker-%d.properties", b.ID)), b.config())
	if err != nil {
		return err
	}
	if b.controllerPort > 0 { // the metadata's log is begun by Kafka's own tool
		err = b.k.format(ctx, fmt.Sprintf("broker-%d-format", b.ID), properties)
	} else {
		err = b.format()
	}
	if err != nil {
		return err
	}
	rules, err := b.k.tb.asset("jmx-exporter.yaml")
	if err != nil {
		return err
	}
	agent := fmt.Sprintf("-javaagent:%s=127.0.0.1:%d:%s", b.k.tb.artifacts.JMXAgent, b.MetricsPort, rules)
	process, err := b.k.java(fmt.Sprintf("broker-%d", b.ID), []string{agent}, "kafka.Kafka", properties)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.process = process
	b.mu.Unlock()
	return b.k.tellChanged()
}

// Start starts the broker and waits until it is unfenced.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.Launch(ctx); err != nil {
		return err
	}
	return b.WaitUnfenced(ctx)
}

// WaitUnfenced waits until the cluster's metadata lists the broker: fenced
// brokers are left out of it.
func (b *Broker) WaitUnfenced(ctx context.Context) error {
	return Poll(ctx, fmt.Sprintf("broker %d to be unfenced", b.ID), 200*time.Millisecond, func(ctx context.Context) error {
		if !b.Running() {
			return &Fatal{b.Process().died()}
		}
		return b.unfenced(ctx)
	})
}

// unfenced asks the broker itself, so that it is known to serve its port too.
func (b *Broker) unfenced(ctx context.Context) error {
	c, err := b.k.newClient([]string{b.Addr})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	response, err := c.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return fmt.Errorf("asking broker %d for metadata: %w", b.ID, err)
	}
	for _, node := range response.(*kmsg.MetadataResponse).Brokers {
		if int(node.NodeID) == b.ID {
			return nil
		}
	}
	return fmt.Errorf("broker %d is fenced", b.ID)
}

// WaitFenced waits until the cluster's metadata no longer lists the broker.
func (b *Broker) WaitFenced(ctx context.Context) error {
	return Poll(ctx, fmt.Sprintf("broker %d to be fenced", b.ID), 200*time.Millisecond, func(ctx context.Context) error {
		admin, err := b.k.Admin()
		if err != nil {
			return err
		}
		brokers, err := admin.ListBrokers(ctx)
		if err != nil {
			return fmt.Errorf("listing brokers: %w", err)
		}
		for _, node := range brokers {
			if int(node.NodeID) == b.ID {
				return fmt.Errorf("broker %d is still listed", b.ID)
			}
		}
		return nil
	})
}

// Running tells whether the broker has a process.
func (b *Broker) Running() bool {
	p := b.Process()
	return p != nil && p.Running()
}

// Process is the broker's latest process; nil before its first start.
func (b *Broker) Process() *Process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.process
}

// DataDirs are the broker's log.dirs.
func (b *Broker) DataDirs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.dataDirs)
}

// PodName is the name that the broker's pod has, or would have.
func (b *Broker) PodName() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pod
}

// housed gives the broker a pod, its place and its volumes for its next start.
func (b *Broker) housed(pod, zone string, cpuLimit float64, dirs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pod, b.dataDirs = pod, dirs
	if b.Zone != zone {
		b.Zone = zone
	}
	if cpuLimit > 0 {
		b.cpuLimit = cpuLimit
	}
}

func (b *Broker) cpu() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cpuLimit
}

// Stop shuts the broker down in Kafka's controlled way.
func (b *Broker) Stop(ctx context.Context) error {
	if !b.Running() {
		return nil
	}
	return b.Process().Stop(ctx)
}

// Kill ends the broker with SIGKILL, as a lost node would.
func (b *Broker) Kill() error {
	if !b.Running() {
		return fmt.Errorf("killing broker %d: it is not running", b.ID)
	}
	return b.Process().Kill()
}

// format writes the meta.properties that `kafka-storage format` writes for a
// broker, without starting a JVM for it.
func (b *Broker) format() error {
	for _, dir := range b.DataDirs() {
		path := filepath.Join(dir, "meta.properties")
		if existing(path) != "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("creating the folder of broker %d: %w", b.ID, err)
		}
		if _, err := writeProperties(path, map[string]string{
			"version": "1", "cluster.id": b.k.ClusterID, "node.id": fmt.Sprint(b.ID), "directory.id": newUUID(),
		}); err != nil {
			return err
		}
	}
	return nil
}

// config is a broker's configuration: Kafka's defaults, shrunk so that five of
// them live on a small machine, and quickened so that a test need not wait.
func (b *Broker) config() map[string]string {
	rf := b.k.replicationFactor()
	config := map[string]string{
		"process.roles":                  "broker",
		"node.id":                        fmt.Sprint(b.ID),
		"listeners":                      "PLAINTEXT://" + b.Addr,
		"advertised.listeners":           "PLAINTEXT://" + b.Addr,
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name":     "PLAINTEXT",
		"controller.listener.names":      "CONTROLLER",
		"controller.quorum.voters":       b.k.voters(),
		"log.dirs":                       strings.Join(b.DataDirs(), ","),

		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       fmt.Sprint(rf),
		"min.insync.replicas":                              fmt.Sprint(max(1, rf-1)),
		"offsets.topic.num.partitions":                     "3",
		"offsets.topic.replication.factor":                 fmt.Sprint(rf),
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         fmt.Sprint(rf),
		"transaction.state.log.min.isr":                    fmt.Sprint(max(1, rf-1)),
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": fmt.Sprint(rf),
		"share.coordinator.state.topic.min.isr":            fmt.Sprint(max(1, rf-1)),

		"broker.heartbeat.interval.ms":     "500",
		"broker.session.timeout.ms":        "6000",
		"group.initial.rebalance.delay.ms": "0",
		"replica.fetch.wait.max.ms":        "200",
		"replica.lag.time.max.ms":          "10000",
		"log.initial.task.delay.ms":        "500",
		"log.retention.check.interval.ms":  "5000",
		"log.segment.delete.delay.ms":      "1000",
		"log.segment.bytes":                "4194304",
		"log.index.size.max.bytes":         "1048576",
		"log.cleaner.dedupe.buffer.size":   "4194304",
		"num.network.threads":              "2",
		"num.io.threads":                   "4",
		"background.threads":               "2",
	}
	if b.controllerPort > 0 {
		config["process.roles"] = "broker,controller"
		config["listeners"] += fmt.Sprintf(",CONTROLLER://%s:%d", b.Host, b.controllerPort)
		maps.Copy(config, b.k.topicDefaults())
	}
	if b.Zone != "" {
		config["broker.rack"] = b.Zone
	}
	maps.Copy(config, b.k.tb.options.BrokerConfig)
	return config
}

// Unregister removes a stopped broker from the cluster's metadata.
func (k *Kafka) Unregister(ctx context.Context, id int) error {
	return Poll(ctx, fmt.Sprintf("broker %d to be unregistered", id), 300*time.Millisecond, func(ctx context.Context) error {
		c, err := k.Client()
		if err != nil {
			return err
		}
		request := kmsg.NewPtrUnregisterBrokerRequest()
		request.BrokerID = int32(id)
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return fmt.Errorf("unregistering broker %d: %w", id, err)
		}
		err = kerr.ErrorForCode(response.ErrorCode)
		if errors.Is(err, kerr.BrokerIDNotRegistered) {
			return nil
		}
		return err
	})
}

// CreateTopic makes a topic with an explicit placement when one is given
// (replicas by partition, preferred leader first), and waits until every
// partition has a leader.
func (k *Kafka) CreateTopic(ctx context.Context, name string, partitions, rf int, configs map[string]string, placement ...[]int32) error {
	admin, err := k.Admin()
	if err != nil {
		return err
	}
	c, err := k.Client()
	if err != nil {
		return err
	}
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), int16(rf)
	if len(placement) > 0 {
		topic.NumPartitions, topic.ReplicationFactor = -1, -1
		for i, replicas := range placement {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), replicas
			topic.ReplicaAssignment = append(topic.ReplicaAssignment, a)
		}
	}
	for key, value := range configs {
		entry := kmsg.NewCreateTopicsRequestTopicConfig()
		entry.Name, entry.Value = key, kmsg.StringPtr(value)
		topic.Configs = append(topic.Configs, entry)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, c)
	if err != nil {
		return fmt.Errorf("creating topic %s: %w", name, err)
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("creating topic %s: %w", name, err)
	}
	return Poll(ctx, "topic "+name+" to have leaders", 100*time.Millisecond, func(ctx context.Context) error {
		return haveLeaders(ctx, admin, name)
	})
}

func haveLeaders(ctx context.Context, admin *kadm.Client, topic string) error {
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("listing topic %s: %w", topic, err)
	}
	detail := topics[topic]
	if detail.Err != nil {
		return detail.Err
	}
	for _, p := range detail.Partitions {
		if p.Err != nil {
			return p.Err
		}
		if p.Leader < 0 {
			return fmt.Errorf("partition %d has no leader", p.Partition)
		}
	}
	return nil
}
