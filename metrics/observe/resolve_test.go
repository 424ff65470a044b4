package observe

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

func brokersAt(hosts map[int]string) []cluster.Broker {
	out := []cluster.Broker{}
	for id, host := range hosts {
		out = append(out, cluster.Broker{ID: id, Host: host, State: cluster.BrokerAlive})
	}
	slices.SortFunc(out, func(a, b cluster.Broker) int { return a.ID - b.ID })
	return out
}

func pods(names ...string) []scraped {
	var out []scraped
	for _, n := range names {
		out = append(out, scraped{n, []string{n}})
	}
	return out
}

func TestABrokerIsTheOneThatAdvertisesItsName(t *testing.T) {
	for _, c := range []struct {
		name    string
		scraped []scraped
		hosts   map[int]string
		want    map[string]int
		unknown string
		foreign string
	}{
		{"ids begin at 1: a pod's number is its neighbour's id", pods("kafka-0", "kafka-1"),
			map[int]string{1: "kafka-0.kafka.data.svc", 2: "kafka-1.kafka.data.svc"}, map[string]int{"kafka-0": 1, "kafka-1": 2}, "", ""},
		{"two StatefulSets", pods("kafka-a-0", "kafka-b-0"),
			map[int]string{0: "kafka-a-0.kafka", 100: "kafka-b-0.kafka"}, map[string]int{"kafka-a-0": 0, "kafka-b-0": 100}, "", ""},
		{"a label with the id stands", []scraped{{"5", nil}}, map[int]string{5: "elsewhere"}, map[string]int{"5": 5}, "", ""},
		{"behind load balancers, numbers that are all the ids", pods("kafka-0", "kafka-1"),
			map[int]string{0: "lb-a.example.org", 1: "lb-b.example.org"}, map[string]int{"kafka-0": 0, "kafka-1": 1}, "", ""},
		{"behind load balancers, numbers that are not all the ids", pods("kafka-1", "kafka-2"),
			map[int]string{1: "lb-a.example.org", 2: "lb-b.example.org", 3: "lb-c.example.org"}, nil, "not the brokers' ids", ""},
		{"one host for all says nothing", pods("kafka-0", "kafka-1"),
			map[int]string{0: "localhost", 1: "localhost"}, map[string]int{"kafka-0": 0, "kafka-1": 1}, "", ""},
		{"another cluster's broker", pods("kafka-0", "other-0"), map[int]string{0: "kafka-0.kafka"}, map[string]int{"kafka-0": 0}, "", "other-0"},
		{"two that are one", []scraped{{"a", []string{"10.0.0.1"}}, {"b", []string{"10.0.0.1"}}},
			map[int]string{4: "10.0.0.1"}, nil, "a, b are all reached where broker 4", ""},
		{"an address is no number", []scraped{{"10.0.0.3:9404", []string{"10.0.0.3"}}}, map[int]string{3: "lb"}, nil, "told by no label", ""},
		{"a machine's name that holds its address is no number", pods("ip-10-0-0-3"), map[int]string{3: "lb"}, nil, "told by no label", ""},
		{"a host with more of its domain", pods("kafka-a.example.internal"), map[int]string{9: "kafka-a"},
			map[string]int{"kafka-a.example.internal": 9}, "", ""},
		{"a name that begins like another", pods("kafka-1"), map[int]string{1: "kafka-10.kafka", 10: "kafka-1.kafka"},
			map[string]int{"kafka-1": 10}, "", ""},
	} {
		w := identify(c.scraped, brokersAt(c.hosts))
		if len(w.id) != len(c.want) || !strings.Contains(w.unknown, c.unknown) || (c.unknown == "") != (w.unknown == "") ||
			strings.Join(w.foreign, " ") != c.foreign {
			t.Errorf("%s: %+v; want %v, unknown %q, foreign %q", c.name, w, c.want, c.unknown, c.foreign)
		}
		for label, id := range c.want {
			if got, ok := w.id[label]; !ok || got != id {
				t.Errorf("%s: %s is broker %d (%v), want %d", c.name, label, got, ok, id)
			}
		}
	}
}

func TestWithoutKafkaOnlyNumbersThatDifferAreIds(t *testing.T) {
	w := identify(pods("kafka-a-0", "kafka-b-0"), nil)
	if len(w.id) > 0 || !strings.Contains(w.unknown, "kafka-a-0 and kafka-b-0 both end in 0") {
		t.Errorf("%+v", w)
	}
	if w = identify(pods("kafka-0", "kafka-1"), nil); w.id["kafka-1"] != 1 || w.unknown != "" {
		t.Errorf("%+v", w)
	}
}

func TestASumThatHoldsAnotherClustersShareIsUnknown(t *testing.T) {
	m := everything()
	other := point(1000, "broker", "other-0")
	other.Names = []string{"other-0"}
	ours := threeBrokers()
	for i := range ours.Brokers {
		ours.Brokers[i].Host = "kafka-" + string(rune('0'+i)) + ".kafka"
		m[metrics.BrokerBytesIn][i].Labels["broker"] = "kafka-" + string(rune('0'+i))
		m[metrics.BrokerBytesIn][i].Names = []string{"kafka-" + string(rune('0'+i))}
	}
	m[metrics.BrokerBytesIn] = append(m[metrics.BrokerBytesIn], other)
	s := observe(t, &Observer{Kafka: &fakeKafka{s: ours}, Metrics: m, Now: clock})
	if got := reason(s, metrics.TopicBytesIn); !strings.Contains(got, "the share of other-0, which is no broker of this cluster") {
		t.Errorf("reason %q", got)
	}
	if got := s.Brokers[2].Usage.NetworkInBytesPerSecond; got != 1010 {
		t.Errorf("broker 2 takes %v B/s, want 1010", got)
	}
}

func TestASumOverMoreThanTheBrokersIsUnknown(t *testing.T) {
	m := everything()
	m[metrics.BrokerBytesIn] = nil
	for _, address := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.0.1"} {
		p := point(1000, "broker", address+":9404")
		p.Names = []string{address}
		m[metrics.BrokerBytesIn] = append(m[metrics.BrokerBytesIn], p)
	}
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock})
	if got := reason(s, metrics.TopicBytesIn); !strings.Contains(got, "over 4 that are scraped, and the cluster has 3 brokers") {
		t.Errorf("reason %q", got)
	}
	m[metrics.BrokerBytesIn] = m[metrics.BrokerBytesIn][:3]
	s = observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock})
	if got := reason(s, metrics.TopicBytesIn); got != "" {
		t.Errorf("a sum over as many as there are brokers is unknown: %q", got)
	}
	if got := reason(s, metrics.BrokerBytesIn); !strings.Contains(got, "10.0.0.1:9404") {
		t.Errorf("reason %q", got)
	}
}

func TestAFoldedTopicNameIsUnfoldedAndAStrayShareIsNoZero(t *testing.T) {
	ours := threeBrokers()
	ours.Topics[0].Name = "pay.v1"
	m := everything()
	m[metrics.TopicBytesIn] = []metrics.Point{point(4000, "topic", "pay_v1")}
	s := observe(t, &Observer{Kafka: &fakeKafka{s: ours}, Metrics: m, Now: clock})
	if got := s.Topics[0].Partitions[0].Load.BytesInPerSecond + s.Topics[0].Partitions[1].Load.BytesInPerSecond; got != 4000 {
		t.Errorf("pay.v1 takes %v B/s, want 4000", got)
	}
	m[metrics.TopicBytesIn] = append(m[metrics.TopicBytesIn], point(1000, "topic", "elsewhere"))
	s = observe(t, &Observer{Kafka: &fakeKafka{s: ours}, Metrics: m, Now: clock})
	if got := reason(s, metrics.TopicBytesIn); !strings.Contains(got, "20 % of it is of topics that are not in this cluster (elsewhere)") {
		t.Errorf("reason %q", got)
	}
}

func TestTheMoverReadsTheBrokersThatTheObserverKnows(t *testing.T) {
	ours := threeBrokers()
	m := lockedMetrics{metrics.BrokerRequestHandlerIdle: {point(0.1, "broker", "kafka-0")}}
	m[metrics.BrokerRequestHandlerIdle][0].Names = []string{"kafka-0"}
	ours.Brokers[1].Host = "kafka-0.kafka" // ids begin at 1
	o := &Observer{Kafka: &fakeKafka{s: ours}, Metrics: m, Now: clock}
	if got, err := o.Read(t.Context(), metrics.BrokerRequestHandlerIdle, noon); err != nil || len(got) != 0 {
		t.Errorf("before Kafka was read: %v, %v", got, err)
	}
	observe(t, o)
	got, err := o.Read(t.Context(), metrics.BrokerRequestHandlerIdle, noon)
	if err != nil || len(got) != 1 || got[0].Labels["broker"] != "1" {
		t.Errorf("read %v, %v; want it of broker 1", got, err)
	}
}
