package metrics

import (
	"errors"

	"github.com/tidetable/tidetable/cluster"
)

// Signal is what a series measures, independent of which exporter says it.
type Signal = cluster.Signal

// The signals tidetable knows, each with its unit and the labels that tell
// its series apart in Signals.
const (
	TopicBytesIn    Signal = "topic_bytes_in"
	TopicBytesOut   Signal = "topic_bytes_out"
	TopicMessagesIn Signal = "topic_messages_in"
	// Kafka exports no bytes by partition; the records written to each tell
	// how a topic's bytes are shared among its partitions.
	PartitionBytesIn    Signal = "partition_bytes_in"
	PartitionMessagesIn Signal = "partition_messages_in"
	PartitionSize       Signal = "partition_size"
	// ReplicaSize is one series a replica, so that it tells the placement too.
	ReplicaSize Signal = "replica_size"
	// PartitionLeader is one series a partition, with its leader's id in the
	// broker label and the value one.
	PartitionLeader Signal = "partition_leader"

	// BrokerZone is one series a broker, with the value one.
	BrokerZone               Signal = "broker_zone"
	BrokerBytesIn            Signal = "broker_bytes_in"
	BrokerBytesOut           Signal = "broker_bytes_out"
	BrokerReplicationIn      Signal = "broker_replication_in"
	BrokerReplicationOut     Signal = "broker_replication_out"
	BrokerCPU                Signal = "broker_cpu"
	BrokerDiskUsed           Signal = "broker_disk_used"
	BrokerDiskCapacity       Signal = "broker_disk_capacity"
	BrokerRequestHandlerIdle Signal = "broker_request_handler_idle"
	BrokerUnderReplicated    Signal = "broker_under_replicated"
	BrokerProduceLatencyP99  Signal = "broker_produce_latency_p99"
	BrokerFetchLatencyP99    Signal = "broker_fetch_latency_p99"
	BrokerContainerCPULimit  Signal = "broker_container_cpu_limit"
	BrokerContainerMemLimit  Signal = "broker_container_memory_limit"
	GroupLag                 Signal = "group_lag"
	GroupConsumed            Signal = "group_consumed"
)

// SignalInfo describes a signal.
type SignalInfo struct {
	Unit   string   // base unit: bytes, bytes_per_second, records, records_per_second, cores, ratio, seconds, count
	Labels []string // labels that tell its series apart
}

// Signals describes every signal there is.
var Signals = map[Signal]SignalInfo{
	TopicBytesIn:             {"bytes_per_second", []string{"topic"}},
	TopicBytesOut:            {"bytes_per_second", []string{"topic"}},
	TopicMessagesIn:          {"records_per_second", []string{"topic"}},
	PartitionBytesIn:         {"bytes_per_second", []string{"topic", "partition"}},
	PartitionMessagesIn:      {"records_per_second", []string{"topic", "partition"}},
	PartitionSize:            {"bytes", []string{"topic", "partition"}},
	ReplicaSize:              {"bytes", []string{"broker", "topic", "partition"}},
	PartitionLeader:          {"count", []string{"broker", "topic", "partition"}},
	BrokerZone:               {"count", []string{"broker", "zone"}},
	BrokerBytesIn:            {"bytes_per_second", []string{"broker"}},
	BrokerBytesOut:           {"bytes_per_second", []string{"broker"}},
	BrokerReplicationIn:      {"bytes_per_second", []string{"broker"}},
	BrokerReplicationOut:     {"bytes_per_second", []string{"broker"}},
	BrokerCPU:                {"cores", []string{"broker"}},
	BrokerDiskUsed:           {"bytes", []string{"broker"}},
	BrokerDiskCapacity:       {"bytes", []string{"broker"}},
	BrokerRequestHandlerIdle: {"ratio", []string{"broker"}},
	BrokerUnderReplicated:    {"count", []string{"broker"}},
	BrokerProduceLatencyP99:  {"seconds", []string{"broker"}},
	BrokerFetchLatencyP99:    {"seconds", []string{"broker"}},
	BrokerContainerCPULimit:  {"cores", []string{"broker"}},
	BrokerContainerMemLimit:  {"bytes", []string{"broker"}},
	GroupLag:                 {"records", []string{"group", "topic", "partition"}},
	GroupConsumed:            {"records_per_second", []string{"group", "topic", "partition"}},
}

// ErrSource says that the source of a signal failed, not the signal's query:
// it could not be reached, did not answer in time, or refused the credentials.
// Whoever asks for many signals need not ask for the others.
var ErrSource = errors.New("source failed")

// ErrPartial says that an answer is known to lack a part of what it should hold. It is
// stale, and asked again.
var ErrPartial = errors.New("the answer is partial")
