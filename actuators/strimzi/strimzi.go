// Package strimzi scales a broker-only KafkaNodePool through its scale
// subresource, so that Strimzi's operator does the rest. Broker ids come from
// status.nodeIds, never from ordinals: the lowest free id joins, the highest in
// the pool leaves, unless the strimzi.io/next-node-ids and
// strimzi.io/remove-node-ids annotations say otherwise.
//
// Where the Kafka resource has spec.cruiseControl.autoRebalance, Strimzi itself
// fills and drains (delegated): we set replicas and watch. Where it has not,
// we drain first (native), because Strimzi reverts a scale-in of a broker that
// still has replicas. Its skip-broker-scaledown-check annotation is never set.
package strimzi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Annotations and labels of Strimzi's that this package reads.
const (
	clusterLabel  = "strimzi.io/cluster"
	nextNodeIDs   = "strimzi.io/next-node-ids"
	removeNodeIDs = "strimzi.io/remove-node-ids"
)

// Scaler sets the replicas of one KafkaNodePool.
type Scaler struct {
	Client workload.Client
	Target workload.Target
}

// Current reads what is wanted, and how many node ids the operator has made.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	n, _, err := s.Client.Scale(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	delegated, err := s.Delegated(ctx)
	if err != nil {
		return actuators.Scale{}, err
	}
	return actuators.Scale{Replicas: n, Ready: len(nodeIDs(pool)), Held: workload.Held(pool), Delegated: delegated}, nil
}

// Set scales a pool whose only role is broker: controllers are never scaled.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return err
	}
	roles, _, _ := unstructured.NestedStringSlice(pool.Object, "spec", "roles")
	if !slices.Equal(roles, []string{"broker"}) {
		return fmt.Errorf("scaling %s: its roles are %v; only a pool with the single role broker is scaled", s.Target, roles)
	}
	return s.Client.SetScale(ctx, s.Target, want.Replicas)
}

// Delegated tells whether Strimzi's own auto-rebalance fills and drains.
func (s Scaler) Delegated(ctx context.Context) (bool, error) {
	kafka, err := s.kafka(ctx)
	if err != nil {
		return false, err
	}
	_, found, err := unstructured.NestedSlice(kafka.Object, "spec", "cruiseControl", "autoRebalance")
	if err != nil {
		return false, fmt.Errorf("reading autoRebalance of %s: %w", kafka.GetName(), err)
	}
	return found, nil
}

// RebalanceState is status.autoRebalance.state of the Kafka resource: Idle,
// RebalanceOnScaleUp or RebalanceOnScaleDown; empty where there is none.
func (s Scaler) RebalanceState(ctx context.Context) (string, error) {
	kafka, err := s.kafka(ctx)
	if err != nil {
		return "", err
	}
	return workload.Text(kafka, "status", "autoRebalance", "state"), nil
}

// RevertsThrottles tells whether Strimzi's Topic Operator would undo throttles
// on topics: it does unless Cruise Control is on (strimzi #9972, #10122).
func (s Scaler) RevertsThrottles(ctx context.Context) (bool, error) {
	kafka, err := s.kafka(ctx)
	if err != nil {
		return false, err
	}
	_, operator, _ := unstructured.NestedMap(kafka.Object, "spec", "entityOperator", "topicOperator")
	_, cruise, _ := unstructured.NestedMap(kafka.Object, "spec", "cruiseControl")
	return operator && !cruise, nil
}

// Joining lists the ids that come when the pool grows to the given size.
func (s Scaler) Joining(ctx context.Context, to int) ([]int, error) {
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return nil, err
	}
	pools, err := s.Client.List(ctx, "KafkaNodePool", s.Target.Namespace)
	if err != nil {
		return nil, err
	}
	used := map[int]bool{}
	for i := range pools {
		if pools[i].GetLabels()[clusterLabel] == pool.GetLabels()[clusterLabel] {
			for _, id := range nodeIDs(&pools[i]) {
				used[id] = true
			}
		}
	}
	preferred, err := parseIDs(pool.GetAnnotations()[nextNodeIDs])
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", nextNodeIDs, s.Target, err)
	}
	return joining(used, preferred, to-len(nodeIDs(pool))), nil
}

// Leaving lists the ids that go when the pool shrinks to the given size.
func (s Scaler) Leaving(ctx context.Context, to int) ([]int, error) {
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return nil, err
	}
	preferred, err := parseIDs(pool.GetAnnotations()[removeNodeIDs])
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", removeNodeIDs, s.Target, err)
	}
	have := nodeIDs(pool)
	return leaving(have, preferred, len(have)-to), nil
}

func (s Scaler) kafka(ctx context.Context) (*unstructured.Unstructured, error) {
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return nil, err
	}
	name := pool.GetLabels()[clusterLabel]
	if name == "" {
		return nil, fmt.Errorf("finding the Kafka of %s: it has no %s label", s.Target, clusterLabel)
	}
	return s.Client.Get(ctx, workload.Target{Kind: "Kafka", Namespace: s.Target.Namespace, Name: name})
}

func nodeIDs(pool *unstructured.Unstructured) []int {
	raw, _, _ := unstructured.NestedSlice(pool.Object, "status", "nodeIds")
	ids := make([]int, 0, len(raw))
	for _, v := range raw {
		switch n := v.(type) {
		case int64:
			ids = append(ids, int(n))
		case float64:
			ids = append(ids, int(n))
		}
	}
	slices.Sort(ids)
	return ids
}

// joining picks n free ids: the preferred ones in their order, then the lowest.
func joining(used map[int]bool, preferred []int, n int) []int {
	var out []int
	take := func(id int) {
		if len(out) < n && !used[id] {
			used[id] = true
			out = append(out, id)
		}
	}
	for _, id := range preferred {
		take(id)
	}
	for id := 0; len(out) < n; id++ {
		take(id)
	}
	return out
}

// leaving picks n of the ids: the preferred ones in their order, then the highest.
func leaving(have, preferred []int, n int) []int {
	var out []int
	for _, id := range preferred {
		if len(out) < n && slices.Contains(have, id) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for i := len(have) - 1; i >= 0 && len(out) < n; i-- {
		if !slices.Contains(out, have[i]) {
			out = append(out, have[i])
		}
	}
	return out
}

// maxRange bounds an annotation such as [0-1000000000].
const maxRange = 10_000

// parseIDs reads Strimzi's list of ids and ranges, such as "[7, 10-12]"; a
// range may run down, as in "[12-10]".
func parseIDs(s string) ([]int, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	if !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]") {
		return nil, fmt.Errorf("reading node ids %q: a list such as [7, 10-12] is expected", s)
	}
	var out []int
	for part := range strings.SplitSeq(s[1:len(s)-1], ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(strings.TrimSpace(lo))
		if err != nil {
			return nil, fmt.Errorf("reading node ids %q: %q is not a number", s, lo)
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(strings.TrimSpace(hi)); err != nil {
				return nil, fmt.Errorf("reading node ids %q: %q is not a number", s, hi)
			}
		}
		if max(a, b)-min(a, b) > maxRange {
			return nil, fmt.Errorf("reading node ids %q: a range of more than %d ids", s, maxRange)
		}
		step := 1
		if b < a {
			step = -1
		}
		for id := a; ; id += step {
			out = append(out, id)
			if id == b {
				break
			}
		}
	}
	return out, nil
}
