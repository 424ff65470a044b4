package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// pod is a StatefulSet's pod as the API shows it.
func pod(ordinal int, more ...string) actuators.Member {
	name := fmt.Sprintf("kafka-%d", ordinal)
	return actuators.Member{Pod: name, Ordinal: ordinal, Hosts: append([]string{name, name + ".brokers.prod"}, more...), Started: true}
}

func broker(id int, host string) cluster.Broker {
	return cluster.Broker{ID: id, Host: host, State: cluster.BrokerAlive}
}

func offset(n int) *policy.IDOf { return &policy.IDOf{Offset: &n} }

func TestAPodIsTheBrokerThatIsReachedThere(t *testing.T) {
	stated := 7
	for name, c := range map[string]struct {
		pod     actuators.Member
		brokers []cluster.Broker
		last    *policy.IDOf
		want    int // −1: not known
		by      string
		err     string
	}{
		"a qualified name":               {pod(3), []cluster.Broker{broker(104, "kafka-3.brokers.prod.svc.cluster.local"), broker(3, "kafka-0.brokers.prod.svc.cluster.local")}, nil, 104, byHost, ""},
		"the pod's address":              {pod(3, "10.0.0.7"), []cluster.Broker{broker(104, "10.0.0.7"), broker(3, "10.0.0.70")}, nil, 104, byHost, ""},
		"an address of version 6":        {pod(3, "fd00::7"), []cluster.Broker{broker(104, "fd00::7")}, nil, 104, byHost, ""},
		"case and a dot at the end":      {pod(3), []cluster.Broker{broker(9, "Kafka-3.Brokers.Prod.svc.")}, nil, 9, byHost, ""},
		"a short name of the service":    {pod(3), []cluster.Broker{broker(9, "kafka-3.brokers")}, nil, 9, byHost, ""},
		"another set of that name":       {pod(3), []cluster.Broker{broker(9, "kafka-3.brokers.test.svc.cluster.local")}, nil, -1, "", ""},
		"a name that only begins so":     {pod(3), []cluster.Broker{broker(9, "kafka-30.brokers.prod.svc")}, nil, -1, "", ""},
		"only an outer name":             {pod(3), []cluster.Broker{broker(9, "b3.example.org")}, nil, -1, "", ""},
		"an outer name, and a last word": {pod(3), []cluster.Broker{broker(103, "b3.example.org")}, offset(100), 103, byOffset, ""},
		"a last word that metadata denies": {pod(3), []cluster.Broker{broker(104, "kafka-3.brokers.prod.svc")}, offset(100), -1, "",
			"is broker 104 by Kafka's metadata and broker 103"},
		"two brokers at one pod": {pod(3), []cluster.Broker{broker(1, "kafka-3.brokers.prod"), broker(2, "kafka-3.brokers.prod.svc")}, nil, -1, "", "brokers [1 2] all say"},
		"a label":                {labelled(pod(3), "12"), nil, &policy.IDOf{Label: "brokerId"}, 12, byLabel, ""},
		"a label that is no id":  {labelled(pod(3), "x"), nil, &policy.IDOf{Label: "brokerId"}, -1, "", "is not a broker's id"},
		"the operator's word":    {actuators.Member{Pod: "claims-pool-7", ID: &stated}, []cluster.Broker{broker(7, "elsewhere")}, nil, 7, byOperator, ""},
	} {
		got, err := Identify([]actuators.Member{c.pod}, c.brokers, c.last)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
			continue
		}
		l, known := got[c.pod.Pod]
		if known != (c.want >= 0) || known && (l.Broker != c.want || l.By != c.by) {
			t.Errorf("%s: %+v, want broker %d by %s", name, l, c.want, c.by)
		}
	}
}

func labelled(m actuators.Member, id string) actuators.Member {
	m.Labels = map[string]string{"brokerId": id}
	return m
}

func TestNothingLeavesThatIsNotKnown(t *testing.T) {
	pods := func(n int) actuators.Scale {
		s := actuators.Scale{Replicas: n}
		for i := range n {
			s.Members = append(s.Members, pod(i))
		}
		return s
	}
	brokers := func(first, n int) []cluster.Broker {
		var out []cluster.Broker
		for i := range n {
			out = append(out, broker(first+i, fmt.Sprintf("kafka-%d.brokers.prod.svc", i)))
		}
		return out
	}
	pending := func(s actuators.Scale, i int) actuators.Scale {
		s.Members[i].Started = false
		return s
	}
	voting := brokers(0, 3)
	voting[2].Voter = true
	for name, c := range map[string]struct {
		scale   actuators.Scale
		brokers []cluster.Broker
		to      int
		want    string // "[104 105]", or what the error says
	}{
		"ids from 0":                             {pods(6), brokers(0, 6), 4, "[4 5]"},
		"ids from 1":                             {pods(6), brokers(1, 6), 4, "[5 6]"},
		"ids from 100":                           {pods(6), brokers(100, 6), 4, "[104 105]"},
		"a pod that no broker is at":             {pods(6), brokers(0, 5), 4, "pod kafka-5 is: no broker says"},
		"a voter":                                {pods(3), voting, 2, "a voter never leaves"},
		"pods that are not told":                 {actuators.Scale{Replicas: 6, Unknown: "pods may not be listed"}, brokers(0, 6), 5, "pods may not be listed"},
		"fewer pods than there are":              {actuators.Scale{Replicas: 6, Members: pods(4).Members}, brokers(0, 6), 5, "4 of its 6 pods are known"},
		"a pod that never ran, all others known": {pending(pods(4), 3), brokers(100, 3), 3, "[]"},
		"a pod that never ran, and a broker without a pod": {pending(pods(4), 3), append(brokers(100, 3), cluster.Broker{ID: 103, State: cluster.BrokerDead}), 3,
			"broker 103 could be it"},
		"nothing to let go": {pods(4), brokers(0, 4), 4, "[]"},
	} {
		got, err := Leaving(Question{Target: "kafka", From: c.scale.Replicas, To: c.to, Scale: c.scale, Brokers: c.brokers})
		said := fmt.Sprint(Brokers(got))
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: %s, want %s", name, said, c.want)
		}
	}
}
