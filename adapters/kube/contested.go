package kube

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/policy"
)

// refuseContested refuses policies that would set the size of one workload: two
// that act on it undo each other's changes for ever. Who only looks and
// recommends stands in nobody's way.
func refuseContested(objects []Object) {
	claims := map[string][]string{} // policies by workload
	for _, o := range objects {
		for _, target := range scaled(o) {
			claims[target] = append(claims[target], o.Key())
		}
	}
	for i := range objects {
		o := &objects[i]
		var told []string
		for _, target := range scaled(*o) {
			others := slices.DeleteFunc(slices.Clone(claims[target]), func(key string) bool { return key == o.Key() })
			if len(others) > 0 {
				told = append(told, fmt.Sprintf("%s is set by %s, too", target, strings.Join(others, " and ")))
			}
		}
		if len(told) > 0 {
			o.Err = fmt.Errorf("refusing the policy: %s; one workload has one policy that acts on it", strings.Join(told, "; "))
		}
	}
}

// scaled names the workloads whose size a policy sets, each once.
func scaled(o Object) []string {
	s := o.Policy.Spec
	if o.Err != nil || !s.Mode.Acts() {
		return nil
	}
	var out []string
	add := func(t policy.Target) {
		if t.Name == "" {
			return
		}
		if t.Namespace == "" {
			t.Namespace = o.Policy.Metadata.Namespace
		}
		if key := t.Key(); !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	add(s.Brokers.Target)
	for _, c := range s.Consumers {
		if c.Via != "metric" {
			add(c.Target)
		}
	}
	return out
}
