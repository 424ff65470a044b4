package promtest

import (
	"fmt"
	"strings"
	"testing"
)

// SetUp is one widely used way in which Kafka is exported to Prometheus.
type SetUp struct {
	Name  string
	What  string // for people
	World World
	write func(w writer)
}

// Serve starts a server that holds the set-up's series.
func (s SetUp) Serve(t testing.TB) *Server {
	t.Helper()
	server := New(t)
	s.write(writer{t, server})
	return server
}

// SetUps are the ways in which Kafka is exported. The names and labels follow from the
// rules that each exporter, operator or service publishes.
func SetUps() []SetUp {
	return []SetUp{
		{"strimzi", "Strimzi, JMX exporter, PodMonitor", strimziWorld, func(w writer) { strimzi(w, strimziLabels) }},
		{"strimzi-controllers", "the same, with a pool of controllers", strimziWorld, strimziControllers},
		{"strimzi-twice", "the same, each pod scraped by two jobs", strimziWorld, strimziTwice},
		{"strimzi-ha", "the same, a pair of Prometheus servers that nobody deduplicates", strimziWorld, strimziHA},
		{"strimzi-two-clusters", "the same, two clusters in one Prometheus", strimziWorld, strimziTwoClusters},
		{"strimzi-reporter", "Strimzi Metrics Reporter with its default allow list", strimziWorld, func(w writer) { reporter(w, false) }},
		{"strimzi-reporter-all", "Strimzi Metrics Reporter with the request handlers allowed", strimziWorld,
			func(w writer) { reporter(w, true) }},
		{"jmx-static", "the JMX exporter's own Kafka rules, static targets", staticWorld("kafka-%c.example.internal", "abc"), jmxStatic},
		{"confluent-jmx", "Confluent's JMX stacks", staticWorld("kafka%c.example.internal", "123"), confluentStacks},
		{"confluent-kubernetes", "Confluent for Kubernetes, the exporter's default format",
			podWorld("kafka-%d.kafka.confluent.svc.cluster.local", 0), confluentKubernetes},
		{"cp-helm", "cp-helm-charts' JMX sidecar", podWorld("cp-kafka-%d.cp-kafka-headless.kafka", 0), cpHelm},
		{"bitnami", "Bitnami's chart, JMX exporter in a sidecar",
			podWorld("kafka-broker-%d.kafka-broker-headless.kafka.svc.cluster.local", 100), bitnami},
		{"koperator", "koperator", koperatorWorld, koperator},
		{"msk", "Amazon MSK's open monitoring", mskWorld, msk},
		{"confluent-gauges", "rules that export OneMinuteRate under the count's name",
			staticWorld("kafka%c.example.internal", "123"), rateGauges},
		{"aiven", "Aiven for Apache Kafka", aivenWorld, aiven},
		{"statefulset-offset", "a plain StatefulSet whose ids begin at 1", podWorld("kafka-%d.kafka.data.svc.cluster.local", 1), statefulSet},
		{"two-statefulsets", "two StatefulSets of one cluster", twoSetsWorld, twoSets},
		{"kafka-exporter", "kafka_exporter alone", strimziWorld, kafkaExporter},
		{"kminion", "kminion alone", strimziWorld, kminion},
		{"burrow", "Burrow alone", strimziWorld, burrow},
	}
}

var (
	strimziWorld   = podWorld("my-cluster-broker-%d.my-cluster-kafka-brokers.kafka.svc", 0)
	koperatorWorld = podWorld("kafka-%d.kafka.svc.cluster.local", 0)
	mskWorld       = World{IDs: []int{1, 2, 3}, Hosts: []string{mskHost(0), mskHost(1), mskHost(2)}}
	aivenWorld     = World{IDs: []int{1, 2, 3}, Hosts: []string{"10.1.0.11", "10.1.0.12", "10.1.0.13"}}
	twoSetsWorld   = World{IDs: []int{0, 1, 100}, Hosts: []string{
		"kafka-a-0.kafka.data.svc", "kafka-a-1.kafka.data.svc", "kafka-b-0.kafka.data.svc"}}
)

func mskHost(b int) string {
	return fmt.Sprintf("b-%d.demo.x1y2z3.c4.kafka.eu-west-1.amazonaws.com", b+1)
}

// podWorld is brokers in pods that are numbered from zero, with ids from offset on.
func podWorld(host string, offset int) World {
	var w World
	for b := range 3 {
		w.IDs, w.Hosts = append(w.IDs, b+offset), append(w.Hosts, fmt.Sprintf(host, b))
	}
	return w
}

// staticWorld is brokers on machines whose names tell no id that can be relied on.
func staticWorld(host, names string) World {
	var w World
	for b, c := range names {
		w.IDs, w.Hosts = append(w.IDs, 7+b), append(w.Hosts, fmt.Sprintf(host, c))
	}
	return w
}

// strimziLabels are what Strimzi's own PodMonitor gives a broker's series.
func strimziLabels(b int) map[string]string {
	return podMonitor("kafka", "my-cluster", fmt.Sprintf("my-cluster-broker-%d", b), fmt.Sprintf("10.0.0.%d:9404", b))
}

func podMonitor(namespace, cluster, pod, instance string) map[string]string {
	return map[string]string{
		"job": "monitoring/kafka-resources-metrics", "instance": instance, "namespace": namespace, "pod": pod, "container": "kafka",
		"endpoint": "tcp-prometheus", "kubernetes_pod_name": pod, "node_name": "node-1", "strimzi_io_cluster": cluster,
		"strimzi_io_kind": "Kafka", "strimzi_io_pool_name": "broker",
	}
}

// lower is how the JMX exporter names a meter's counter by its own Kafka rules, which
// Strimzi's follow.
func lower(meter string) string {
	return "kafka_server_brokertopicmetrics_" + strings.ToLower(meter) + "_total"
}

// jmx is a broker under the JMX exporter's own rules for Kafka.
func jmx(w writer, b int, l map[string]string) {
	for _, m := range meters {
		w.rated(b, l, m.of, func(string) string { return lower(m.name) })
	}
	in, out := replication(b)
	w.counter(lower("ReplicationBytesIn"), l, in)
	w.counter(lower("ReplicationBytesOut"), l, out)
	w.gauge("kafka_server_replicamanager_partitioncount", l, 2*Partitions)
	w.gauge("kafka_server_replicamanager_underreplicatedpartitions", l, 0)
	// A percentage that is a meter is exported by its mean since the start, beside its count.
	w.gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", l, IdleSinceStart[b])
	w.counter("kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_count", l, Idle[b]*1e9)
	w.logs(b, l, "kafka_log_log_size", "kafka_log_log_logendoffset", "kafka_cluster_partition_replicascount")
	w.jvm(l, CPU[b])
}

func strimzi(w writer, labelsOf func(b int) map[string]string) {
	for b := range 3 {
		l := labelsOf(b)
		jmx(w, b, l)
		w.kubernetes(l["namespace"], l["pod"], "kafka", CPULimit[b], CPU[b])
	}
	// Other workloads of the same Kubernetes cluster have the same names.
	w.jvm(map[string]string{"job": "shop", "instance": "10.0.9.1:8080", "namespace": "shop", "pod": "shop-0"}, 3)
	w.kubernetes("shop", "shop-0", "kafka", 2, 3)
}

func strimziControllers(w writer) {
	strimzi(w, strimziLabels)
	for c := 3; c < 6; c++ {
		pod := fmt.Sprintf("my-cluster-controller-%d", c)
		l := with(podMonitor("kafka", "my-cluster", pod, fmt.Sprintf("10.0.0.%d:9404", c)), "strimzi_io_pool_name", "controller")
		w.jvm(l, 0.1)
		w.gauge("kafka_controller_kafkacontroller_activecontrollercount", l, 0)
		w.kubernetes("kafka", pod, "kafka", 1, 0.1)
	}
}

func strimziTwice(w writer) {
	strimzi(w, strimziLabels)
	for b := range 3 {
		jmx(w, b, with(strimziLabels(b), "job", "kubernetes-pods", "endpoint", ""))
	}
}

func strimziHA(w writer) {
	for _, replica := range []string{"prometheus-0", "prometheus-1"} {
		for b := range 3 {
			l := with(strimziLabels(b), "prometheus_replica", replica)
			jmx(w, b, l)
		}
	}
	for b := range 3 {
		w.kubernetes("kafka", strimziLabels(b)["pod"], "kafka", CPULimit[b], CPU[b])
	}
}

func strimziTwoClusters(w writer) {
	strimzi(w, strimziLabels)
	for b := range 3 {
		pod := fmt.Sprintf("my-cluster-broker-%d", b)
		jmx(w, b, podMonitor("staging", "my-cluster", pod, fmt.Sprintf("10.2.0.%d:9404", b)))
		w.kubernetes("staging", pod, "kafka", 2, CPU[b])
	}
}

// reporter is the Strimzi Metrics Reporter: Kafka's own names, a counter for each meter.
func reporter(w writer, handlers bool) {
	for b := range 3 {
		l := strimziLabels(b)
		name := func(meter string) string {
			return "kafka_server_brokertopicmetrics_" + strings.ToLower(meter) + "persec_total"
		}
		for _, m := range meters {
			// It takes a topic from the meter's scope, in which dots are folded.
			for _, t := range Topics {
				w.counter(name(m.name), with(l, "topic", strings.ReplaceAll(t.Name, ".", "_")), m.of(t)*share(b))
			}
		}
		for _, m := range meters {
			all := 0.0
			for _, t := range Topics {
				all += m.of(t) * share(b)
			}
			w.counter(name(m.name), l, all)
		}
		in, out := replication(b)
		w.counter(name("ReplicationBytesIn"), l, in)
		w.counter(name("ReplicationBytesOut"), l, out)
		w.gauge("kafka_server_replicamanager_partitioncount", l, 2*Partitions)
		w.gauge("kafka_server_replicamanager_underreplicatedpartitions", l, 0)
		if handlers {
			w.counter("kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total", l, Idle[b]*1e9)
		}
		w.logs(b, l, "kafka_log_log_size", "kafka_log_log_logendoffset", "kafka_cluster_partition_replicascount")
		w.jvm(l, CPU[b])
		w.kubernetes("kafka", l["pod"], "kafka", CPULimit[b], CPU[b])
	}
}

func jmxStatic(w writer) {
	for b := range 3 {
		jmx(w, b, map[string]string{"job": "kafka", "instance": staticHost("kafka-%c.example.internal", "abc", b) + ":7071"})
	}
}

func staticHost(host, names string, b int) string { return staticWorld(host, names).Hosts[b] }

// confluentStacks is Confluent's rules: the counters have no suffix, and the idle share
// of the request handlers is a gauge whose name ends like a counter's.
func confluentStacks(w writer) {
	for b := range 3 {
		host := staticHost("kafka%c.example.internal", "123", b)
		l := map[string]string{"job": "kafka-broker", "instance": host + ":1234", "hostname": fmt.Sprintf("kafka%d", b+1), "env": "dev"}
		name := func(meter string) string {
			return "kafka_server_brokertopicmetrics_" + strings.ToLower(meter) + "persec"
		}
		for _, m := range meters {
			w.rated(b, l, m.of, func(string) string { return name(m.name) })
		}
		in, out := replication(b)
		w.counter(name("ReplicationBytesIn"), l, in)
		w.counter(name("ReplicationBytesOut"), l, out)
		w.gauge("kafka_server_replicamanager_partitioncount", l, 2*Partitions)
		w.gauge("kafka_server_replicamanager_underreplicatedpartitions", l, 0)
		w.counter("kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent", l, Idle[b]*1e9)
		w.gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total", l, Idle[b])
		w.logs(b, l, "kafka_log_log_size", "kafka_log_log_logendoffset", "kafka_cluster_partition_replicascount")
		w.jvm(l, CPU[b])
	}
}

// rateGauges is rules that export a meter's OneMinuteRate under the name that others give
// its count.
func rateGauges(w writer) {
	for b := range 3 {
		host := staticHost("kafka%c.example.internal", "123", b)
		l := map[string]string{"job": "kafka-broker", "instance": host + ":1234"}
		for _, m := range meters {
			name := "kafka_server_brokertopicmetrics_" + strings.ToLower(m.name) + "persec"
			w.add(name, l, func(i int) float64 { return 1e6 * float64(3+i%4) })
			w.add(name, with(l, "topic", "orders"), func(i int) float64 { return 1e6 * float64(3+i%4) })
		}
	}
}

// defaultFormat is the JMX exporter without any rule: domain, type and attribute make the
// name, and the rest of the bean's name its labels.
func defaultFormat(w writer, b int, l map[string]string, spelt func(string) string) {
	for _, m := range meters {
		named := with(l, "name", m.name+"PerSec")
		w.rated(b, named, m.of, func(string) string { return spelt("kafka_server_BrokerTopicMetrics_Count") })
		for _, t := range Topics {
			w.gauge(spelt("kafka_server_BrokerTopicMetrics_OneMinuteRate"), with(named, "topic", t.Name), m.of(t)*share(b))
		}
	}
	in, out := replication(b)
	w.counter(spelt("kafka_server_BrokerTopicMetrics_Count"), with(l, "name", "ReplicationBytesInPerSec"), in)
	w.counter(spelt("kafka_server_BrokerTopicMetrics_Count"), with(l, "name", "ReplicationBytesOutPerSec"), out)
	w.gauge(spelt("kafka_server_ReplicaManager_Value"), with(l, "name", "PartitionCount"), 2*Partitions)
	w.gauge(spelt("kafka_server_ReplicaManager_Value"), with(l, "name", "UnderReplicatedPartitions"), 0)
	idle := with(l, "name", "RequestHandlerAvgIdlePercent")
	w.gauge(spelt("kafka_server_KafkaRequestHandlerPool_OneMinuteRate"), idle, Idle[b])
	w.gauge(spelt("kafka_server_KafkaRequestHandlerPool_MeanRate"), idle, IdleSinceStart[b])
	w.counter(spelt("kafka_server_KafkaRequestHandlerPool_Count"), idle, Idle[b]*1e9)
	w.logs(b, l, spelt("kafka_log_Log_Value"), "", "", "name", "Size")
	w.logs(b, l, "", spelt("kafka_log_Log_Value"), "", "name", "LogEndOffset")
	w.logs(b, l, "", "", spelt("kafka_cluster_Partition_Value"), "name", "ReplicasCount")
	w.jvm(l, CPU[b])
}

func confluentKubernetes(w writer) {
	for b := range 3 {
		pod := fmt.Sprintf("kafka-%d", b)
		l := map[string]string{"job": "kubernetes-pods", "instance": fmt.Sprintf("10.0.0.%d:7778", b), "namespace": "confluent",
			"pod": pod, "app": "kafka"}
		defaultFormat(w, b, l, strings.ToLower)
		w.kubernetes("confluent", pod, "kafka", CPULimit[b], CPU[b])
	}
}

func msk(w writer) {
	for b := range 3 {
		defaultFormat(w, b, map[string]string{"job": "jmx", "instance": mskHost(b) + ":11001"}, func(s string) string { return s })
		node := map[string]string{"job": "node", "instance": mskHost(b) + ":11002", "cpu": "0"}
		w.counter("node_cpu_seconds_total", with(node, "mode", "user"), 0.3)
		w.counter("node_cpu_seconds_total", with(node, "mode", "idle"), 1.7)
	}
}

// cpHelm is the rules of cp-helm-charts: brokers' totals only, by their one-minute rates.
func cpHelm(w writer) {
	for b := range 3 {
		l := map[string]string{"job": "cp-kafka", "instance": fmt.Sprintf("10.0.0.%d:5556", b), "namespace": "kafka",
			"pod": fmt.Sprintf("cp-kafka-%d", b), "container": "prometheus-jmx-exporter"}
		for _, m := range meters {
			all := 0.0
			for _, t := range Topics {
				all += m.of(t) * share(b)
			}
			w.gauge("cp_kafka_server_brokertopicmetrics_"+strings.ToLower(m.name)+"persec", l, all)
		}
		in, out := replication(b)
		w.gauge("cp_kafka_server_brokertopicmetrics_replicationbytesinpersec", l, in)
		w.gauge("cp_kafka_server_brokertopicmetrics_replicationbytesoutpersec", l, out)
		w.gauge("cp_kafka_server_replicamanager_partitioncount", l, 2*Partitions)
		w.gauge("cp_kafka_server_replicamanager_underreplicatedpartitions", l, 0)
		w.gauge("cp_kafka_kafkarequesthandlerpool_requesthandleravgidlepercent", l, Idle[b])
		w.kubernetes("kafka", l["pod"], "cp-kafka-broker", CPULimit[b], CPU[b])
	}
}

// bitnami is Bitnami's chart: the exporter runs beside the broker, so that the process it
// measures is its own.
func bitnami(w writer) {
	for b := range 3 {
		l := map[string]string{"job": "kafka-jmx-metrics", "instance": fmt.Sprintf("10.0.0.%d:5556", b), "namespace": "kafka",
			"pod": fmt.Sprintf("kafka-broker-%d", b), "container": "jmx-exporter", "service": "kafka-jmx-metrics", "endpoint": "http-metrics"}
		const meter = "kafka_server_brokertopicmetrics_"
		for _, m := range meters {
			name := strings.ToLower(m.name) + "persec_"
			w.rated(b, l, m.of, func(topic string) string {
				if topic == "" {
					return meter + "total_" + name + "count"
				}
				return meter + name + "count"
			})
			for _, t := range Topics {
				w.gauge(meter+name+"oneminuterate", with(l, "topic", t.Name), m.of(t)*share(b))
			}
		}
		in, out := replication(b)
		w.counter(meter+"total_replicationbytesinpersec_count", l, in)
		w.counter(meter+"total_replicationbytesoutpersec_count", l, out)
		w.gauge("kafka_server_replicamanager_total_partitioncount_value", l, 2*Partitions)
		w.gauge("kafka_server_replicamanager_total_underreplicatedpartitions_value", l, 0)
		w.counter("kafka_server_kafkarequesthandlerpool_total_requesthandleravgidlepercent_count", l, Idle[b]*1e9)
		w.logs(b, l, "kafka_log_log_size", "kafka_log_log_logendoffset", "")
		w.jvm(l, 0.02)
		w.kubernetes("kafka", l["pod"], "kafka", CPULimit[b], CPU[b])
		w.container("kafka", l["pod"], "jmx-exporter", 0.5, 0.02)
		controller := fmt.Sprintf("kafka-controller-%d", b)
		w.kubernetes("kafka", controller, "kafka", 1, 0.1)
	}
}

func koperator(w writer) {
	suffix := [3]string{"x7k2f", "q9wzt", "c4h8v"}
	for b := range 3 {
		pod := fmt.Sprintf("kafka-%d-%s", b, suffix[b])
		jmx(w, b, map[string]string{"job": "kafka-kafka-metrics", "instance": fmt.Sprintf("10.0.0.%d:9020", b), "namespace": "kafka",
			"pod": pod, "pod_ip": fmt.Sprintf("10.0.0.%d", b), "container": "kafka", "brokerId": fmt.Sprint(b), "kafka_cr": "kafka"})
		w.kubernetes("kafka", pod, "kafka", CPULimit[b], CPU[b])
	}
}

// aiven is Aiven's Prometheus integration: JMX and the machine by Telegraf.
func aiven(w writer) {
	for b := range 3 {
		l := map[string]string{"job": "aiven", "instance": fmt.Sprintf("demo-%d.aivencloud.com:9273", b),
			"host":    fmt.Sprintf("demo-kafka-%d", b+1),
			"service": "demo-kafka", "project": "p", "cloud": "aws-eu-west-1", "service_type": "kafka"}
		for _, m := range meters {
			w.rated(b, l, m.of, func(string) string { return "kafka_server_BrokerTopicMetrics_" + m.name + "PerSec_Count" })
		}
		in, out := replication(b)
		w.counter("kafka_server_BrokerTopicMetrics_ReplicationBytesInPerSec_Count", l, in)
		w.counter("kafka_server_BrokerTopicMetrics_ReplicationBytesOutPerSec_Count", l, out)
		w.gauge("kafka_server_ReplicaManager_PartitionCount_Value", l, 2*Partitions)
		w.gauge("kafka_server_ReplicaManager_UnderReplicatedPartitions_Value", l, 0)
		w.gauge("kafka_server_KafkaRequestHandlerPool_RequestHandlerAvgIdlePercent_OneMinuteRate", l, Idle[b])
		w.logs(b, l, "kafka_log_Log_Size_Value", "kafka_log_Log_LogEndOffset_Value", "")
		cores := 2.0
		w.gauge("system_n_cpus", l, cores)
		cpu := with(l, "cpu", "cpu-total")
		w.gauge("cpu_usage_idle", cpu, 100-100*CPU[b]/cores)
		w.gauge("cpu_usage_user", cpu, 80*CPU[b]/cores)
		w.gauge("cpu_usage_system", cpu, 20*CPU[b]/cores)
	}
}

func statefulSet(w writer) {
	strimzi(w, func(b int) map[string]string {
		pod := fmt.Sprintf("kafka-%d", b)
		return podOfSet(b, pod)
	})
}

func podOfSet(b int, pod string) map[string]string {
	return map[string]string{"job": "kafka", "instance": fmt.Sprintf("10.0.0.%d:9404", b), "namespace": "data", "pod": pod,
		"container": "kafka"}
}

func twoSets(w writer) {
	strimzi(w, func(b int) map[string]string {
		pod := []string{"kafka-a-0", "kafka-a-1", "kafka-b-0"}[b]
		return podOfSet(b, pod)
	})
}

func kafkaExporter(w writer) {
	l := map[string]string{"job": "kafka-exporter", "instance": "kafka-exporter:9308"}
	for b := range 3 {
		w.gauge("kafka_broker_info", with(l, "id", fmt.Sprint(b), "address", fmt.Sprintf("kafka-%d:9092", b)), 1)
	}
	for _, t := range Topics {
		for p := range Partitions {
			at := with(l, "topic", t.Name, "partition", fmt.Sprint(p))
			w.counter("kafka_topic_partition_current_offset", at, t.Messages/Partitions)
			w.gauge("kafka_topic_partition_leader", at, float64(Leader(p)))
			w.counter("kafka_consumergroup_current_offset", with(at, "consumergroup", Group), t.Messages/Partitions)
			w.gauge("kafka_consumergroup_lag", with(at, "consumergroup", Group), Lag)
		}
	}
}

func kminion(w writer) {
	l := map[string]string{"job": "kminion", "instance": "kminion:8080"}
	for b := range 3 {
		at := with(l, "broker_id", fmt.Sprint(b), "address", fmt.Sprintf("kafka-%d", b), "port", "9092", "rack_id", string(rune('a'+b)))
		w.gauge("kminion_kafka_broker_info", with(at, "is_controller", "false"), 1)
		w.gauge("kminion_kafka_broker_log_dir_size_total_bytes", at, 75e9)
	}
	for _, t := range Topics {
		at := with(l, "topic_name", t.Name)
		w.counter("kminion_kafka_topic_high_water_mark_sum", at, t.Messages)
		w.gauge("kminion_kafka_topic_log_dir_size_total_bytes", at, 3*t.Bytes)
		w.counter("kminion_kafka_consumer_group_topic_offset_sum", with(at, "group_id", Group), t.Messages)
		for p := range Partitions {
			of := with(at, "partition_id", fmt.Sprint(p))
			w.counter("kminion_kafka_topic_partition_high_water_mark", of, t.Messages/Partitions)
			w.gauge("kminion_kafka_consumer_group_topic_partition_lag", with(of, "group_id", Group), Lag)
		}
	}
}

func burrow(w writer) {
	l := map[string]string{"job": "burrow", "instance": "burrow:8000", "cluster": "local"}
	for _, t := range Topics {
		for p := range Partitions {
			at := with(l, "topic", t.Name, "partition", fmt.Sprint(p))
			w.counter("burrow_kafka_topic_partition_offset", at, t.Messages/Partitions)
			of := with(at, "consumer_group", Group)
			w.gauge("burrow_kafka_consumer_partition_lag", of, Lag)
			w.counter("burrow_kafka_consumer_current_offset", with(of, "owner", "10.0.0.9"), t.Messages/Partitions)
		}
	}
}
