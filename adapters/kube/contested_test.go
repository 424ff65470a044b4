package kube

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/policy"
)

func TestTwoPoliciesOnOneWorkloadAreBothRefused(t *testing.T) {
	of := func(name string, mode policy.Mode, kind, target string) Object {
		o := Object{Policy: policy.Policy{Metadata: policy.Metadata{Name: name, Namespace: "kafka"}}}
		o.Policy.Spec.Mode = mode
		o.Policy.Spec.Brokers.Target = policy.Target{Kind: kind, Name: target}
		return o
	}
	consumers := of("c", policy.Act, "StatefulSet", "other")
	consumers.Policy.Spec.Consumers = []policy.Consumer{{Group: "billing", Target: policy.Target{Kind: "StatefulSet", Name: "kafka", Namespace: "kafka"}}}
	objects := []Object{
		of("a", policy.Act, "StatefulSet", "kafka"), of("b", policy.Approve, "StatefulSet", "kafka"), consumers,
		of("d", policy.Recommend, "StatefulSet", "kafka"), of("e", policy.Act, "KafkaNodePool", "kafka"),
	}
	refuseContested(objects)
	for name, others := range map[string]string{"a": "kafka/b and kafka/c", "b": "kafka/a and kafka/c", "c": "kafka/a and kafka/b", "d": "", "e": ""} {
		for _, o := range objects {
			if o.Policy.Metadata.Name != name {
				continue
			}
			if (o.Err == nil) != (others == "") || o.Err != nil && !strings.Contains(o.Err.Error(), others) {
				t.Errorf("policy %s: %v, want one that names %q", name, o.Err, others)
			}
		}
	}
}
