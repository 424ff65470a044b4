package metrics

// Signal is what a series measures, independent of which exporter says it.
type Signal string

// The signals tidetable knows, each with its unit and the labels that tell
// its series apart in Signals.
const (
	TopicBytesIn     Signal = "topic_bytes_in"
	TopicBytesOut    Signal = "topic_bytes_out"
	TopicMessagesIn  Signal = "topic_messages_in"
	PartitionBytesIn Signal = "partition_bytes_in"
	PartitionSize    Signal = "partition_size"

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
	BrokerJVMHeapUsed        Signal = "broker_jvm_heap_used"
	BrokerContainerCPULimit  Signal = "broker_container_cpu_limit"
	BrokerContainerMemory    Signal = "broker_container_memory"
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
	PartitionSize:            {"bytes", []string{"topic", "partition"}},
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
	BrokerJVMHeapUsed:        {"bytes", []string{"broker"}},
	BrokerContainerCPULimit:  {"cores", []string{"broker"}},
	BrokerContainerMemory:    {"bytes", []string{"broker"}},
	BrokerContainerMemLimit:  {"bytes", []string{"broker"}},
	GroupLag:                 {"records", []string{"group", "topic", "partition"}},
	GroupConsumed:            {"records_per_second", []string{"group", "topic", "partition"}},
}

// Catalogue says how one exporter is asked for each signal. The YAML form is
// in docs/formats/catalogue.md.
type Catalogue struct {
	Name    string  `yaml:"name"`
	Queries []Query `yaml:"queries"`
}

// Query asks for one signal. Labels maps the signal's label to the label the
// exporter uses; a pattern takes the broker's id out of a pod name.
type Query struct {
	Signal Signal            `yaml:"signal"`
	Unit   string            `yaml:"unit"`
	Expr   string            `yaml:"expr"`
	Labels map[string]string `yaml:"labels"`
}
