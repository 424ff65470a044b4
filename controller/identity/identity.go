// Package identity learns which broker each pod of a workload is, and which
// brokers leave when it shrinks. Nothing here is computed from an ordinal unless
// the policy says so in as many words.
package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// How it was learned which broker a pod is.
const (
	byOperator = "the operator"
	byHost     = "Kafka's metadata"
	byLabel    = "the label that brokers.idOf names"
	byOffset   = "the offset of brokers.idOf"
)

// Identify learns which broker each pod of a workload is: the operator behind
// it states it, or a broker says that it is reached at one of the pod's names
// or addresses; the policy's brokers.idOf is a last word, for brokers that only
// say how they are reached from outside. A pod that is not in the answer could
// not be mapped; an error names pods that two brokers claim, brokers that two
// pods claim, and a last word that metadata contradicts.
func Identify(members []actuators.Member, brokers []cluster.Broker, last *policy.IDOf) (map[string]decision.Leaving, error) {
	out := make(map[string]decision.Leaving, len(members))
	claimed := map[int]string{}
	for i := range members {
		m := &members[i]
		l, known, err := identify(m, brokers, last)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		if other, twice := claimed[l.Broker]; twice {
			return nil, fmt.Errorf("telling pods apart: pods %s and %s are both broker %d (%s says so)", other, m.Pod, l.Broker, l.By)
		}
		claimed[l.Broker], out[m.Pod] = m.Pod, l
	}
	return out, nil
}

func identify(m *actuators.Member, brokers []cluster.Broker, last *policy.IDOf) (l decision.Leaving, known bool, err error) {
	l.Pod = m.Pod
	if m.ID != nil {
		l.Broker, l.By = *m.ID, byOperator
		return l, true, nil
	}
	var at []int
	for i := range brokers {
		if reachedAt(m, brokers[i].Host) {
			at = append(at, brokers[i].ID)
		}
	}
	if len(at) > 1 {
		return l, false, fmt.Errorf("telling pods apart: brokers %v all say that they are reached at pod %s", at, m.Pod)
	}
	said, by, err := lastWord(m, last)
	if err != nil {
		return l, false, err
	}
	switch {
	case len(at) == 1 && said != nil && *said != at[0]:
		return l, false, fmt.Errorf(
			"telling pods apart: pod %s is broker %d by Kafka's metadata and broker %d by %s",
			m.Pod,
			at[0],
			*said,
			by,
		)
	case len(at) == 1:
		l.Broker, l.By = at[0], byHost
		return l, true, nil
	case said != nil:
		l.Broker, l.By = *said, by
		return l, true, nil
	}
	return l, false, nil
}

// reachedAt tells whether a broker's advertised host is one of the pod's. A
// name under the pod's own (kafka-3.brokers.prod.svc.cluster.local for
// kafka-3.brokers.prod) is the pod's; a bare first label is not enough where
// the rest of the name is another's.
func reachedAt(m *actuators.Member, host string) bool {
	if host == "" {
		return false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	qualified := slices.ContainsFunc(m.Hosts, func(h string) bool { return strings.Contains(h, ".") && !isAddress(h) })
	for _, h := range m.Hosts {
		h = strings.ToLower(h)
		switch {
		case host == h:
			return true
		case isAddress(h):
		case strings.Contains(h, "."):
			if strings.HasPrefix(host, h+".") || strings.HasPrefix(h, host+".") && strings.Contains(host, ".") {
				return true
			}
		case !qualified && strings.HasPrefix(host, h+"."):
			return true
		}
	}
	return false
}

func isAddress(h string) bool {
	return strings.Trim(h, "0123456789.") == "" || strings.Contains(h, ":")
}

// lastWord is the id that brokers.idOf gives a pod; nil where it gives none.
func lastWord(m *actuators.Member, last *policy.IDOf) (id *int, by string, err error) {
	switch {
	case last == nil:
		return nil, "", nil
	case last.Label != "":
		text, ok := m.Labels[last.Label]
		if !ok {
			return nil, "", nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, "", fmt.Errorf("telling pods apart: %s of pod %s is %q, which is not a broker's id", last.Label, m.Pod, text)
		}
		return &n, byLabel, nil
	case last.Offset != nil && m.Ordinal >= 0:
		n := m.Ordinal + *last.Offset
		return &n, byOffset, nil
	}
	return nil, "", nil
}

// Question is what has to be known of a change to tell who leaves.
type Question struct {
	Target   string // as people call it
	From, To int
	Scale    actuators.Scale
	Brokers  []cluster.Broker
	Last     *policy.IDOf // brokers.idOf
}

// Leaving is which brokers go when the workload shrinks from so many pods to
// so many, and how it is known; sorted by broker. Pods that never became brokers
// are left out. An error says why nothing may shrink.
func Leaving(q Question) ([]decision.Leaving, error) {
	switch {
	case q.Scale.Replicas <= q.To:
		return nil, nil // they were never asked for, or have gone
	case q.Scale.Members == nil:
		return nil, fmt.Errorf(
			"telling which brokers leave %s: %s",
			q.Target,
			cmp.Or(q.Scale.Unknown, "the workload does not tell which pods leave"),
		)
	case len(q.Scale.Members) < q.From:
		return nil, fmt.Errorf("telling which brokers leave %s: %d of its %d pods are known", q.Target, len(q.Scale.Members), q.From)
	}
	ids, err := Identify(q.Scale.Members, q.Brokers, q.Last)
	if err != nil {
		return nil, err
	}
	var out []decision.Leaving
	for i := range q.Scale.Members[q.To:] {
		m := &q.Scale.Members[q.To+i]
		l, known := ids[m.Pod]
		if !known {
			if why := neverWasOne(m, q.Brokers, ids); why != "" {
				return nil, fmt.Errorf("telling which broker pod %s is: %s", m.Pod, why)
			}
			continue // a pod that never became a broker
		}
		if votes(q.Brokers, l.Broker) {
			return nil, fmt.Errorf(
				"letting broker %d (pod %s) go: it votes in the quorum of controllers, and a voter never leaves",
				l.Broker,
				m.Pod,
			)
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b decision.Leaving) int { return cmp.Compare(a.Broker, b.Broker) })
	return out, nil
}

func votes(brokers []cluster.Broker, id int) bool {
	return slices.ContainsFunc(brokers, func(b cluster.Broker) bool { return b.ID == id && b.Voter })
}

// neverWasOne proves that a pod that maps to no broker is none: no container of
// it has ever run, and every broker that Kafka knows is another pod. It is ""
// when that is so, and why not otherwise.
func neverWasOne(m *actuators.Member, brokers []cluster.Broker, ids map[string]decision.Leaving) string {
	const mend = "no broker says that it is reached there; advertise the pod's name or address, or set brokers.idOf"
	if m.Started {
		return mend
	}
	others := make(map[int]bool, len(ids))
	for _, l := range ids {
		others[l.Broker] = true
	}
	for i := range brokers {
		if id := brokers[i].ID; !others[id] {
			return fmt.Sprintf("it has not started, and broker %d could be it: %s", id, mend)
		}
	}
	return ""
}

// Brokers are the ids of those that leave.
func Brokers(all []decision.Leaving) []int {
	out := make([]int, len(all))
	for i := range all {
		out[i] = all[i].Broker
	}
	return out
}
