package observe

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

func TestWhatNoMachineCanDoIsUnknownAndNoLoad(t *testing.T) {
	link := cluster.Capacity{NetworkInBytesPerSecond: 300e6, NetworkOutBytesPerSecond: 300e6, CPUCores: 8}
	for _, c := range []struct {
		name   string
		change func(m lockedMetrics, s *cluster.Snapshot)
		signal metrics.Signal
		want   string
	}{
		{"a false reset of a counter", func(m lockedMetrics, _ *cluster.Snapshot) { m[metrics.BrokerBytesIn][1].Value = 8e9 },
			metrics.TopicBytesIn, "broker 1 reads 8e+09 B/s, and has 1.2e+09 at most"},
		{"far beyond the others", func(m lockedMetrics, _ *cluster.Snapshot) { m[metrics.BrokerBytesOut][2].Value = 900e6 },
			metrics.BrokerBytesOut, "more than 50 times what the others do"},
		{"more cores than there are", func(m lockedMetrics, _ *cluster.Snapshot) { m[metrics.BrokerCPU][0].Value = 17 },
			metrics.BrokerCPU, "broker 0 reads 17 cores, and has 16 at most"},
		{"records larger than a topic takes", func(m lockedMetrics, s *cluster.Snapshot) {
			s.Topics[0].Config["max.message.bytes"] = "5"
		}, metrics.TopicBytesIn, "a record is of 5 bytes at most"},
	} {
		m, s := everything(), threeBrokers()
		c.change(m, &s)
		got := observe(t, &Observer{Kafka: &fakeKafka{s: s}, Metrics: m, Now: clock, Capacity: link})
		if why := reason(got, c.signal); !strings.Contains(why, c.want) {
			t.Errorf("%s: %s is unknown because %q, want %q", c.name, c.signal, why, c.want)
		}
		for _, x := range got.Stale {
			if x.Signal == c.signal && x.Cause != cluster.CauseImpossible {
				t.Errorf("%s: cause %s", c.name, x.Cause)
			}
		}
		if c.signal == metrics.TopicBytesIn && got.Topics[0].Partitions[0].Load.BytesInPerSecond != 0 {
			t.Errorf("%s: it is a load still", c.name)
		}
	}
}

func TestAHighLoadIsNoError(t *testing.T) {
	link := cluster.Capacity{NetworkInBytesPerSecond: 300e6, NetworkOutBytesPerSecond: 300e6, CPUCores: 8}
	m := everything()
	for b := range 3 {
		m[metrics.BrokerBytesIn][b].Value = 600e6 // over the baseline: the link's burst
	}
	m[metrics.BrokerCPU][0].Value = 8.5
	m[metrics.BrokerBytesOut][0].Value = 40e6 // beside two that rest
	s := observe(t, &Observer{Kafka: &fakeKafka{s: threeBrokers()}, Metrics: m, Now: clock, Capacity: link})
	for _, x := range s.Stale {
		if x.Cause == cluster.CauseImpossible {
			t.Errorf("%s: %s", x.Signal, x.Reason)
		}
	}
}

func TestRecordsFarBeyondKafkasOffsetsAreNotTaken(t *testing.T) {
	ours := threeBrokers()
	ours.Topics[0].Partitions[0].Load.MessagesInPerSecond = 3
	s := observe(t, &Observer{Kafka: &fakeKafka{s: ours}, Metrics: everything(), Now: clock})
	if got := s.Topics[0].Partitions[0].Load.MessagesInPerSecond; got != 3 {
		t.Errorf("%v records/s, want the 3 that offsets count", got)
	}
}
