package source

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/metrics"
)

// seriesOf reads one series a line: labels as name=value by commas.
func seriesOf(text string) []metrics.Point {
	var out []metrics.Point
	for line := range strings.SplitSeq(text, "\n") {
		p := metrics.Point{Labels: metrics.Labels{}, Value: 1e9}
		for part := range strings.SplitSeq(line, ",") {
			if name, v, ok := strings.Cut(part, "="); ok && name != "" && v != "" {
				p.Labels[name] = v
			}
		}
		out = append(out, p)
	}
	return out
}

func TestBrokersAreToldApartByTheFirstLabelThatNeverMixesTwo(t *testing.T) {
	for name, c := range map[string]struct{ text, by, refused string }{
		"an id":                     {"brokerId=0,pod=kafka-0-x,instance=a\nbrokerId=1,pod=kafka-1-y,instance=b", "brokerId", ""},
		"a pod":                     {"pod=kafka-0,instance=a:1\npod=kafka-1,instance=b:1", "pod", ""},
		"a label that all share":    {"broker=kafka,pod=kafka-0\nbroker=kafka,pod=kafka-1", "pod", ""},
		"a host that some lack":     {"host=x,instance=a:1\ninstance=b:1", "instance", ""},
		"two exporters of a pod":    {"pod=kafka-0,instance=a:1\npod=kafka-0,instance=a:2", "pod", ""},
		"nothing":                   {"job=a\njob=a", "", "no label of its 2 series"},
		"two clusters":              {"pod=kafka-0,kafka_cluster=a\npod=kafka-1,kafka_cluster=b", "", `kafka_cluster is "a" (1 series), "b" (1 series)`},
		"a cluster that some lack":  {"pod=kafka-0,cluster=a\npod=kafka-1", "pod", ""},
		"one name in two provinces": {"pod=kafka-0,region=eu\npod=kafka-0,region=us", "", "region is"},
	} {
		e := examine("x", seriesOf(c.text), "")
		if e.By != c.by || !strings.Contains(e.Refused, c.refused) || (c.refused == "") != (e.Refused == "") {
			t.Errorf("%s: by %q, refused %q; want %q, %q", name, e.By, e.Refused, c.by, c.refused)
		}
	}
}

func TestAnIdIsTakenFromANameOnlyWhereItsMakerPutsItThere(t *testing.T) {
	for text, want := range map[string]int{
		"pod=my-cluster-broker-12,strimzi_io_cluster=my-cluster": 12,
		"pod=kafka-12": NoID,
		"instance=b-3.demo.x1y2z3.c4.kafka.eu-west-1.amazonaws.com:11001":        3,
		"instance=b-3.example.internal:7071":                                     NoID,
		"pod=my-cluster-broker-12,strimzi_io_cluster=my-cluster,broker_id=7":     7,
		"instance=10.0.0.3:9404,brokerId=5":                                      5,
		"pod=my-cluster-broker-12,strimzi_io_cluster=my-cluster,broker=x-broker": 12,
	} {
		if e := examine("x", seriesOf(text), ""); len(e.Brokers) != 1 || e.Brokers[0].ID != want {
			t.Errorf("%s: %+v, want id %d", text, e, want)
		}
	}
}

func FuzzExamine(f *testing.F) {
	f.Add("pod=kafka-0,instance=a:1\npod=kafka-1,instance=b:1", `namespace="kafka"`)
	f.Add("instance=[::1]:9404,host=\nbroker=\x00", "")
	f.Fuzz(func(t *testing.T, text, selector string) {
		series := seriesOf(text)
		e := examine("x", series, selector)
		if e.Refused == "" && len(e.Brokers)+e.Copies != len(series) {
			t.Errorf("%d series became %d brokers and %d copies", len(series), len(e.Brokers), e.Copies)
		}
		_ = podMatchers(e.Brokers)
	})
}
