package execute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// TP names one partition.
type TP struct {
	Topic     string
	Partition int
}

func (p TP) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Partition) }

func compareTP(a, b TP) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return a.Partition - b.Partition
}

// Kafka is all that the mover asks of a cluster. Client implements it on a
// real one; a placement model implements it in tests and simulations.
type Kafka interface {
	// View reads brokers, the named topics (nil: all) and every reassignment in
	// flight, of the named topics or not.
	View(ctx context.Context, topics []string) (View, error)
	// Sizes reads log dirs: what each of these brokers holds of the partitions
	// (nil: of all), and the room it has. A broker that does not answer is
	// absent from the result, not an error.
	Sizes(ctx context.Context, brokers []int, partitions []TP) (Sizes, error)
	// Throttles reads the throttles set on these brokers and topics. Brokers
	// that do not answer are in Unread.
	Throttles(ctx context.Context, brokers []int, topics []string) (Throttles, error)
	// SetThrottles sets and removes rates, appends and subtracts list entries.
	SetThrottles(ctx context.Context, c ThrottleChange) error
	// Reassign submits targets. The error is of the whole call; the map holds
	// the partitions that were refused, with the reason.
	Reassign(ctx context.Context, targets []Target) (map[TP]error, error)
	// Elect asks for the preferred leader of each partition.
	Elect(ctx context.Context, partitions []TP) (map[TP]error, error)
	// Unregister removes a broker's registration.
	Unregister(ctx context.Context, broker int) error
}

// Target is one partition's new replica list; nil cancels what is in flight.
type Target struct {
	TP
	Replicas []int
	// Shrinks permits fewer replicas than now: only ever to take away what a
	// cancelled move has left behind.
	Shrinks bool
}

// View is the cluster's placement at one instant.
type View struct {
	ClusterID string
	Brokers   map[int]BrokerView
	// FencedKnown tells that Brokers holds every registered broker, fenced ones
	// too; brokers before 4.0 name the live ones only.
	FencedKnown bool
	Topics      map[string]TopicView
	// Reassigning holds every reassignment in flight in the whole cluster.
	Reassigning map[TP]Reassigning
}

// BrokerView is one registered broker.
type BrokerView struct {
	Zone  string
	Alive bool // registered and not fenced
}

// TopicView is one topic.
type TopicView struct {
	ID         string
	Internal   bool
	MinISR     int
	Partitions []PartitionView // by number; a partition that cannot be read has no replicas
}

// PartitionView is one partition.
type PartitionView struct {
	Replicas []int // preferred leader first; while reassigning, old and new
	ISR      []int
	Leader   int // -1: none
}

// Reassigning is one reassignment in flight.
type Reassigning struct {
	Replicas, Adding, Removing []int
}

// Target is the replica list that the reassignment ends with.
func (r Reassigning) Target() []int { return without(r.Replicas, r.Removing) }

// Before is the replica set that the reassignment started from.
func (r Reassigning) Before() []int { return without(r.Replicas, r.Adding) }

// Partition finds a partition; false when the topic or partition is not there.
func (v View) Partition(p TP) (PartitionView, bool) {
	t, ok := v.Topics[p.Topic]
	if !ok || p.Partition < 0 || p.Partition >= len(t.Partitions) {
		return PartitionView{}, false
	}
	pv := t.Partitions[p.Partition]
	return pv, len(pv.Replicas) > 0
}

// ReplicasOn counts the replicas that a broker has, or that are on their way to
// or from it.
func (v View) ReplicasOn(broker int) int {
	n := 0
	for _, t := range v.Topics {
		for _, p := range t.Partitions {
			if slices.Contains(p.Replicas, broker) {
				n++
			}
		}
	}
	for _, re := range v.Reassigning {
		if slices.Contains(re.Replicas, broker) {
			n++
		}
	}
	return n
}

// alive tells whether a broker is registered and not fenced.
func (v View) alive(id int) bool { return v.Brokers[id].Alive }

// Sizes is what brokers hold.
type Sizes struct {
	Brokers map[int]BrokerSizes
	// Offline names the log directories that a broker cannot use, sorted. Such a
	// broker is not in Brokers: what it holds is not known.
	Offline map[int][]string
}

// BrokerSizes is what one broker holds, over all its log dirs.
type BrokerSizes struct {
	Replicas map[TP]cluster.Bytes
	// Usable is the room left, Total the size of the disks; both negative where
	// the broker does not say.
	Usable, Total cluster.Bytes
	// Dirs are the log directories that new replicas may go to, by path, of a broker
	// that has several and says how much room each has.
	Dirs []Dir
}

// Dir is one log directory. Directories of one Volume share their room.
type Dir struct {
	Path     string
	Replicas int
	Usable   cluster.Bytes
	Volume   int
}

// Few names the first of the partitions that a broker holds, and how many more
// there are.
func (s BrokerSizes) Few() string {
	return few(slices.SortedFunc(maps.Keys(s.Replicas), compareTP))
}

// of is the size of one replica; false when the broker holds none or is silent.
func (s Sizes) of(p TP, broker int) (cluster.Bytes, bool) {
	n, ok := s.Brokers[broker].Replicas[p]
	return n, ok
}

// Side is the leader's or the follower's end of replication.
type Side string

// The two sides that Kafka throttles.
const (
	LeaderSide   Side = "leader"
	FollowerSide Side = "follower"
)

// Sides is both, in the order in which they are written.
var Sides = []Side{FollowerSide, LeaderSide}

// RateKey is the name of the broker configuration that bounds the side's rate.
func (s Side) RateKey() string { return string(s) + ".replication.throttled.rate" }

// ListKey is the name of the topic configuration that lists what is bounded.
func (s Side) ListKey() string { return string(s) + ".replication.throttled.replicas" }

// Entry is one replica in a topic's throttle list.
type Entry struct {
	Topic     string `json:"topic"`
	Side      Side   `json:"side"`
	Partition int    `json:"partition"`
	Broker    int    `json:"broker"`
}

func compareEntries(a, b Entry) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Side), string(b.Side)); c != 0 {
		return c
	}
	if a.Partition != b.Partition {
		return a.Partition - b.Partition
	}
	return a.Broker - b.Broker
}

// RateOn is the throttle rate of one side of one broker.
type RateOn struct {
	Broker int
	Side   Side
}

// Throttles is what is set now. Rates holds only values set on the broker
// itself: a static value or a cluster-wide default is not a throttle of ours
// and does not count as one after ours is gone.
type Throttles struct {
	Rates   map[RateOn]cluster.BytesPerSecond
	Entries map[Entry]bool
	// Wild names the topics whose list is "*", by side.
	Wild map[string]bool
	// Unread names the brokers whose rates could not be read.
	Unread map[int]bool
}

// ThrottleChange is one change of throttles.
type ThrottleChange struct {
	Rates    map[RateOn]cluster.BytesPerSecond // set
	Unset    []RateOn
	Append   []Entry
	Subtract []Entry
}

func (c ThrottleChange) empty() bool {
	return len(c.Rates)+len(c.Unset)+len(c.Append)+len(c.Subtract) == 0
}

// without returns a copy of list without the members of drop, in order.
func without(list, drop []int) []int {
	out := make([]int, 0, len(list))
	for _, x := range list {
		if !slices.Contains(drop, x) {
			out = append(out, x)
		}
	}
	return out
}

func sameSet(a, b []int) bool {
	return len(a) == len(b) && len(without(a, b)) == 0 && len(without(b, a)) == 0
}

func subset(a, b []int) bool { return len(without(a, b)) == 0 }
