// Package strimzi scales a broker-only KafkaNodePool through its scale
// subresource, so that Strimzi's operator does the rest. Broker ids come from
// status.nodeIds, never from ordinals: the highest in the pool leaves, unless
// the strimzi.io/remove-node-ids annotation says otherwise.
//
// Brokers that leave are drained by the caller and proven empty before the
// replicas are lowered, whatever the Kafka resource delegates: the operator
// refuses to let go of a broker with replicas, but for an annotation that
// switches its check off, and then nothing else would protect the data.
// Brokers that join are filled by the operator where spec.cruiseControl's
// autoRebalance has the mode add-brokers, and by the caller otherwise. With
// only the other mode the operator fails at every reconciliation, so that
// neither is asked for.
package strimzi

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/workload"
)

// Annotations and labels of Strimzi's that this package reads, and the reason of
// the condition by which its operator refuses a scale-in.
const (
	scaleDownPrevented  = "ScaleDownPreventionCheck"
	clusterLabel        = "strimzi.io/cluster"
	removeNodeIDs       = "strimzi.io/remove-node-ids"
	pauseReconciliation = "strimzi.io/pause-reconciliation"
	skipScaleDownCheck  = "strimzi.io/skip-broker-scaledown-check"
)

// Scaler sets the replicas of one KafkaNodePool.
type Scaler struct {
	Client workload.Client
	Target workload.Target
}

// Current reads what is wanted, how many node ids the operator has made, which
// brokers they are, and what the operator says of it.
func (s Scaler) Current(ctx context.Context) (actuators.Scale, error) {
	n, _, err := s.Client.Scale(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return actuators.Scale{}, err
	}
	kafka, err := s.kafkaOf(ctx, pool)
	if err != nil {
		return actuators.Scale{}, err
	}
	modes, err := autoRebalance(kafka)
	if err != nil {
		return actuators.Scale{}, err
	}
	scale := actuators.Scale{
		Replicas: n, Ready: len(nodeIDs(pool)), Held: cmp.Or(workload.Held(pool), paused(pool), paused(kafka)),
		Delegated: slices.Contains(modes, addBrokers), Refused: refused(kafka), Members: members(pool),
	}
	scale.NoIn, scale.NoOut = cmp.Or(unchecked(kafka), missingMode(kafka, modes, removeBrokers)), missingMode(kafka, modes, addBrokers)
	if why := roles(pool); why != "" {
		scale.NoIn, scale.NoOut = why, why
	}
	return scale, nil
}

// Set scales a pool whose only role is broker: controllers are never scaled.
func (s Scaler) Set(ctx context.Context, want actuators.Scale) error {
	now, err := s.Current(ctx)
	if err != nil {
		return err
	}
	why := now.NoOut
	if want.Replicas < now.Replicas {
		why = now.NoIn
	}
	if why != "" {
		return fmt.Errorf("scaling %s: %s", s.Target, why)
	}
	return s.Client.SetScale(ctx, s.Target, want.From, want.Replicas)
}

// roles says why a pool is not scaled: it has another role than broker.
func roles(pool *unstructured.Unstructured) string {
	all, _, _ := unstructured.NestedStringSlice(pool.Object, "spec", "roles")
	if slices.Equal(all, []string{"broker"}) {
		return ""
	}
	return fmt.Sprintf("its roles are %v; only a pool with the single role broker is scaled", all)
}

// The modes of spec.cruiseControl.autoRebalance.
const (
	addBrokers    = "add-brokers"
	removeBrokers = "remove-brokers"
)

// autoRebalance lists the modes that the operator's own rebalancing has; none
// where it is off.
func autoRebalance(kafka *unstructured.Unstructured) ([]string, error) {
	list, _, err := unstructured.NestedSlice(kafka.Object, "spec", "cruiseControl", "autoRebalance")
	if err != nil {
		return nil, fmt.Errorf("reading autoRebalance of %s: %w", kafka.GetName(), err)
	}
	var modes []string
	for _, x := range list {
		if o, ok := x.(map[string]any); ok {
			if mode, ok := o["mode"].(string); ok {
				modes = append(modes, mode)
			}
		}
	}
	return modes, nil
}

// missingMode says why a size is not changed in one direction: the operator
// rebalances by itself, but not in this direction, and fails at every
// reconciliation when it should ("No auto-rebalancing configuration specified
// for mode REMOVE_BROKERS", seen with Strimzi 1.2.0; by its source the same the
// other way round).
func missingMode(kafka *unstructured.Unstructured, modes []string, mode string) string {
	if len(modes) == 0 || slices.Contains(modes, mode) {
		return ""
	}
	return fmt.Sprintf(
		"spec.cruiseControl.autoRebalance of Kafka %s has %s and not %s, with which the operator fails; add that mode, or take autoRebalance out",
		kafka.GetName(),
		strings.Join(modes, ", "),
		mode,
	)
}

// unchecked says why a scale-in is refused: the operator's own check is off.
func unchecked(kafka *unstructured.Unstructured) string {
	if kafka.GetAnnotations()[skipScaleDownCheck] != "true" {
		return ""
	}
	return "the annotation " + skipScaleDownCheck + " of Kafka " + kafka.GetName() + " lets brokers go with replicas on them; take it away"
}

// paused says that the operator does nothing.
func paused(o *unstructured.Unstructured) string {
	if o.GetAnnotations()[pauseReconciliation] != "true" {
		return ""
	}
	return "the annotation " + pauseReconciliation + " is set on " + o.GetKind() + " " + o.GetName()
}

// refused is what the operator says of a scale-in that it does not carry out: a
// condition of the Kafka resource. It never writes spec.replicas back (seen with
// Strimzi 1.2.0).
func refused(kafka *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(kafka.Object, "status", "conditions")
	for _, x := range list {
		o, ok := x.(map[string]any)
		if !ok {
			continue
		}
		if reason, _ := o["reason"].(string); reason == scaleDownPrevented {
			message, _ := o["message"].(string)
			return cmp.Or(message, reason)
		}
	}
	return ""
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

// members are the pods of the nodes, in the order in which they leave.
func members(pool *unstructured.Unstructured) []actuators.Member {
	have := nodeIDs(pool)
	order := leaving(have, preferredIDs(pool, removeNodeIDs), len(have))
	slices.Reverse(order)
	out := make([]actuators.Member, 0, len(order))
	for _, id := range order {
		out = append(out, member(pool, id))
	}
	return out
}

// member is the pod of a node: Strimzi calls it <cluster>-<pool>-<id>.
func member(pool *unstructured.Unstructured, id int) actuators.Member {
	pod := pool.GetLabels()[clusterLabel] + "-" + pool.GetName() + "-" + strconv.Itoa(id)
	return actuators.Member{Pod: pod, Ordinal: -1, Hosts: []string{pod}, ID: &id, Started: true}
}

// preferredIDs reads an annotation of the pool. Strimzi's operator takes a list
// that it cannot read for none, and says so in its log.
func preferredIDs(pool *unstructured.Unstructured, annotation string) []int {
	ids, err := parseIDs(pool.GetAnnotations()[annotation])
	if err != nil {
		return nil
	}
	return ids
}

func (s Scaler) kafka(ctx context.Context) (*unstructured.Unstructured, error) {
	pool, err := s.Client.Get(ctx, s.Target)
	if err != nil {
		return nil, err
	}
	return s.kafkaOf(ctx, pool)
}

func (s Scaler) kafkaOf(ctx context.Context, pool *unstructured.Unstructured) (*unstructured.Unstructured, error) {
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
	if strings.TrimSpace(s[1:len(s)-1]) == "" {
		return nil, nil
	}
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
