package promtest

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// World is the small cluster that every set-up of exporters below exports: three
// brokers of unequal load, two topics of ten partitions, three replicas each. What
// is read of it must be these numbers, whatever the exporter calls them.
type World struct {
	// IDs and Hosts are what Kafka's metadata says of the brokers.
	IDs   []int
	Hosts []string
}

// When the samples of a set-up begin, how far apart they are, and how many.
var WorldStart = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// The grid of a set-up's samples.
const (
	WorldStep    = 30 * time.Second
	WorldSamples = 31
)

// WorldEnd is the time of the last sample.
func WorldEnd() time.Time { return WorldStart.Add((WorldSamples - 1) * WorldStep) }

// Topic is what one topic of the world does, per second.
type Topic struct {
	Name              string
	In, Out, Messages float64
	Bytes             float64 // of one copy
}

// Topics are the world's. The second has a dot in its name, which some exporters fold.
var Topics = []Topic{
	{"orders", 8e6, 16e6, 8000, 50e9},
	{"pay.v1", 4e6, 8e6, 4000, 25e9},
}

// Partitions are those of each topic.
const Partitions = 10

// leaders is how many partitions of each topic the three brokers lead.
var leaders = [3]int{5, 3, 2}

// What the brokers use and have.
var (
	CPU      = [3]float64{1.2, 0.9, 0.6}  // cores used
	CPULimit = [3]float64{8, 6, 4}        // cores
	Idle     = [3]float64{0.8, 0.7, 0.55} // of the request handlers, over the last minutes
	// IdleSinceStart is the mean since the brokers started: what the same meter's
	// MeanRate says, and not what they do now.
	IdleSinceStart = [3]float64{0.95, 0.94, 0.93}
)

// Group is the world's one consumer group, and Lag what it is behind in each partition.
const (
	Group = "billing"
	Lag   = 20
)

// Leader is the index of the broker that leads a partition; the others follow it.
func Leader(partition int) int {
	for b, n := range leaders {
		if partition < n {
			return b
		}
		partition -= n
	}
	return len(leaders) - 1
}

// share is the part of all traffic whose partitions a broker leads.
func share(broker int) float64 { return float64(leaders[broker]) / Partitions }

// Totals are the world's rates: produced and consumed bytes, and records.
func Totals() (in, out, messages float64) {
	for _, t := range Topics {
		in, out, messages = in+t.In, out+t.Out, messages+t.Messages
	}
	return in, out, messages
}

// NetworkOf is what a broker receives and sends, replication with it.
func NetworkOf(broker int) (in, out float64) {
	allIn, allOut, _ := Totals()
	lead := share(broker)
	return allIn*lead + allIn*(1-lead), allOut*lead + 2*allIn*lead
}

// writer appends series of the world to a server.
type writer struct {
	t testing.TB
	s *Server
}

// with is a copy of l with more of them: names and values in turn. An empty value
// leaves the label out.
func with(l map[string]string, more ...string) map[string]string {
	out := make(map[string]string, len(l)+len(more)/2)
	maps.Copy(out, l)
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(out, more[i])
		}
	}
	return out
}

func (w writer) counter(name string, l map[string]string, perSecond float64) {
	w.add(name, l, func(i int) float64 { return 1e9 + perSecond*WorldStep.Seconds()*float64(i) })
}

func (w writer) gauge(name string, l map[string]string, v float64) {
	w.add(name, l, func(int) float64 { return v })
}

func (w writer) add(name string, l map[string]string, at func(i int) float64) {
	w.t.Helper()
	values := make([]float64, WorldSamples)
	for i := range values {
		values[i] = at(i)
	}
	w.s.Append(w.t, with(l, "__name__", name), WorldStart, WorldStep, values...)
}

// rated writes one meter of traffic as a broker has it: a series a topic it leads, and
// one for all of them. name gives a series' name for a topic, or "" for all.
func (w writer) rated(broker int, l map[string]string, of func(Topic) float64, name func(topic string) string) {
	all := 0.0
	for _, t := range Topics {
		v := of(t) * share(broker)
		w.counter(name(t.Name), with(l, "topic", t.Name), v)
		all += v
	}
	w.counter(name(""), l, all)
}

func topicIn(t Topic) float64       { return t.In }
func topicOut(t Topic) float64      { return t.Out }
func topicMessages(t Topic) float64 { return t.Messages }

// meters are Kafka's own meters of traffic by topic.
var meters = []struct {
	name string
	of   func(Topic) float64
}{{"BytesIn", topicIn}, {"BytesOut", topicOut}, {"MessagesIn", topicMessages}}

// replication is what a broker receives from and sends to others.
func replication(broker int) (in, out float64) {
	allIn, _, _ := Totals()
	return allIn * (1 - share(broker)), 2 * allIn * share(broker)
}

// logs writes what a broker holds of each partition; a name that is "" is left out.
func (w writer) logs(broker int, l map[string]string, size, end, replicas string, more ...string) {
	for _, t := range Topics {
		for p := range Partitions {
			at := with(l, append([]string{"topic", t.Name, "partition", fmt.Sprint(p)}, more...)...)
			if size != "" {
				w.gauge(size, at, t.Bytes/Partitions)
			}
			if end != "" {
				w.counter(end, at, t.Messages/Partitions)
			}
			if replicas != "" {
				n := 0.0
				if Leader(p) == broker {
					n = 3
				}
				w.gauge(replicas, at, n)
			}
		}
	}
}

// jvm is what every Java process exports.
func (w writer) jvm(l map[string]string, cores float64) {
	w.counter("process_cpu_seconds_total", l, cores)
	w.gauge("jvm_memory_used_bytes", with(l, "area", "heap"), 3e9)
}

// kubernetes is what kube-state-metrics and the kubelet export of a pod of Kafka's.
func (w writer) kubernetes(namespace, pod, container string, limit, cores float64) {
	w.container(namespace, pod, container, limit, cores)
	// The kubelet exports the whole pod, too, and the pause container.
	w.cAdvisor(namespace, pod, "", cores+0.01)
	w.cAdvisor(namespace, pod, "POD", 0.01)
}

func (w writer) container(namespace, pod, container string, limit, cores float64) {
	state := map[string]string{"job": "kube-state-metrics", "instance": "ksm:8080", "namespace": namespace, "pod": pod, "container": container}
	w.gauge("kube_pod_container_resource_limits", with(state, "resource", "cpu", "unit", "core"), limit)
	w.gauge("kube_pod_container_resource_limits", with(state, "resource", "memory", "unit", "byte"), 16e9)
	w.cAdvisor(namespace, pod, container, cores)
}

func (w writer) cAdvisor(namespace, pod, container string, cores float64) {
	kubelet := map[string]string{"job": "kubelet", "instance": "node-1", "namespace": namespace, "pod": pod, "cpu": "total"}
	w.counter("container_cpu_usage_seconds_total", with(kubelet, "container", container), cores)
}
