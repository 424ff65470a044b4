package observe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// What a reading must stay within to be a reading. They are wide: a load that is only
// high must never be taken for an error.
const (
	// beyondLink is over a broker's link as its shape has it: clouds let machines of that
	// size go to four times their baseline for a while. A judgement.
	beyondLink = 4
	// beyondCPU is over the cores that a broker has: rates of few scrapes overshoot. A judgement.
	beyondCPU = 2
	// beyondOthers is over the median of the other brokers, and beyondOffsets over the records
	// that Kafka's own offsets count, which are watched for a shorter time. Judgements.
	beyondOthers  = 50
	beyondOffsets = 10
	// fastestLink is of any machine there is, in bytes a second: 400 Gbit/s.
	fastestLink = 50e9
	// quietTraffic and quietCPU are what others are taken to do at least, when one is held
	// against them: beside brokers that rest, any work is many times theirs.
	quietTraffic = 1e6
	quietCPU     = 0.1
	// largestBatch is Kafka's default max.message.bytes.
	largestBatch = 1_048_588
)

// errImpossible is a reading that no machine can have given.
var errImpossible = errors.New("it cannot be")

// bounded is a signal by broker and what bounds it.
type bounded struct {
	signal metrics.Signal
	of     func(cluster.Capacity) float64 // 0: not known
	factor float64
	most   float64 // where it is not known; 0 is no bound
	quiet  float64 // 0: brokers are not held against each other
	unit   string
	sum    metrics.Signal // what is made of the same counters
}

var bounds = []bounded{
	{metrics.BrokerBytesIn, linkIn, beyondLink, fastestLink, quietTraffic, "B/s", metrics.TopicBytesIn},
	{metrics.BrokerBytesOut, linkOut, beyondLink, fastestLink, quietTraffic, "B/s", metrics.TopicBytesOut},
	{metrics.BrokerReplicationIn, linkIn, beyondLink, fastestLink, quietTraffic, "B/s", ""},
	{metrics.BrokerReplicationOut, linkOut, beyondLink, fastestLink, quietTraffic, "B/s", ""},
	{metrics.BrokerCPU, func(c cluster.Capacity) float64 { return float64(c.CPUCores) }, beyondCPU, 0, quietCPU, "cores", ""},
	{metrics.BrokerDiskUsed, func(c cluster.Capacity) float64 { return float64(c.DiskBytes) }, 1, 0, 0, "bytes", ""},
}

func linkIn(c cluster.Capacity) float64  { return float64(c.NetworkInBytesPerSecond) }
func linkOut(c cluster.Capacity) float64 { return float64(c.NetworkOutBytesPerSecond) }

// refuseImpossible takes readings away that no machine can have given, such as what a
// false reset of a counter makes of a rate: they are unknown, and no load.
func (m *merger) refuseImpossible(standIn cluster.Capacity) {
	has := make(map[string]cluster.Capacity, len(m.s.Brokers))
	for i := range m.s.Brokers {
		b := &m.s.Brokers[i]
		has[strconv.Itoa(b.ID)] = b.Capacity
	}
	for _, p := range m.in.Points[metrics.BrokerContainerCPULimit] {
		c := has[p.Labels["broker"]]
		c.CPUCores = cluster.Cores(max(p.Value, 0))
		has[p.Labels["broker"]] = c
	}
	for _, b := range bounds {
		if why := b.impossible(m.in.Points[b.signal], has, standIn); why != "" {
			m.refuse(b.signal, why)
			if b.sum != "" {
				m.refuse(b.sum, "its sum holds what "+string(b.signal)+" shows: "+why)
			}
		}
	}
	m.refuseRecords()
}

func (m *merger) refuse(signal metrics.Signal, why string) {
	if len(m.in.Points[signal]) == 0 {
		return
	}
	delete(m.in.Points, signal)
	if m.in.Failed == nil {
		m.in.Failed = map[metrics.Signal]error{}
	}
	m.in.Failed[signal] = fmt.Errorf("%w: %s", errImpossible, why)
}

// impossible says which reading cannot be, and beside what; "" when all can.
func (b bounded) impossible(points []metrics.Point, has map[string]cluster.Capacity, standIn cluster.Capacity) string {
	for i, p := range points {
		c, known := has[p.Labels["broker"]]
		if !known {
			continue
		}
		limit, of := b.factor*b.of(c.Or(standIn)), "has"
		if limit <= 0 {
			limit, of = b.most, "can have"
		}
		if limit > 0 && p.Value > limit {
			return fmt.Sprintf("broker %s reads %.3g %s, and %s %.3g at most", p.Labels["broker"], p.Value, b.unit, of, limit)
		}
		if b.quiet > 0 && len(points) > 2 {
			if mid := max(median(points, i), b.quiet); p.Value > beyondOthers*mid {
				return fmt.Sprintf("broker %s reads %.3g %s, more than %d times what the others do", p.Labels["broker"], p.Value, b.unit, beyondOthers)
			}
		}
	}
	return ""
}

// median is that of all points but one.
func median(points []metrics.Point, but int) float64 {
	values := make([]float64, 0, len(points))
	for i, p := range points {
		if i != but {
			values = append(values, p.Value)
		}
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// refuseRecords holds the records of topics against Kafka's own offsets, and their bytes
// against the largest record that a topic takes.
func (m *merger) refuseRecords() {
	counted := map[string]float64{}
	sum := 0.0
	m.eachPartition(func(t *cluster.Topic, p *cluster.Partition) {
		counted[t.Name] += float64(p.Load.MessagesInPerSecond)
		sum += float64(p.Load.MessagesInPerSecond)
	})
	records, read := m.byTopic(metrics.TopicMessagesIn), 0.0
	for _, v := range records {
		read += v
	}
	if sum > 0 && read > beyondOffsets*sum {
		m.refuse(metrics.TopicMessagesIn, fmt.Sprintf("%.3g records/s, and Kafka's offsets grow by %.3g", read, sum))
		records = counted
	}
	largest := largestBatches(m.s.Topics)
	for _, p := range slices.SortedFunc(slices.Values(m.in.Points[metrics.TopicBytesIn]), func(a, b metrics.Point) int {
		return cmp.Compare(a.Labels["topic"], b.Labels["topic"])
	}) {
		topic := p.Labels["topic"]
		most, known := largest[topic]
		if !known {
			most = largestBatch
		}
		if n := records[topic]; n > 0 && p.Value > beyondOffsets*n*most {
			m.refuse(metrics.TopicBytesIn, fmt.Sprintf("topic %s reads %.3g B/s in %.3g records/s, and a record is of %.3g bytes at most",
				topic, p.Value, n, most))
			return
		}
	}
}

// largestBatches is the largest batch that each topic takes, in bytes.
func largestBatches(topics []cluster.Topic) map[string]float64 {
	out := make(map[string]float64, len(topics))
	for i := range topics {
		out[topics[i].Name] = largestBatch
		if v, err := strconv.ParseFloat(topics[i].Config["max.message.bytes"], 64); err == nil {
			out[topics[i].Name] = v
		}
	}
	return out
}
