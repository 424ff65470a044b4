// Package world is a Kafka cluster on Kubernetes that exists in memory only:
// brokers with CPU, network, disk and page cache, partitions with leaders and
// followers, producers that follow profiles, consumer groups with lag, pods
// that take time to start, and moves that compete with clients.
//
// Loads are kept as sums per broker and load class, so that a tick costs
// brokers × classes, and a partition costs something only when it changes.
// The world is deterministic: the same configuration and the same calls give
// the same state, bit for bit.
package world

import (
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/simulations/workload"
)

// Config describes a world at its start.
type Config struct {
	ClusterID string
	Start     time.Time
	Tick      time.Duration // one minute if zero

	Brokers  []BrokerSpec // ordinals 0…n−1
	Zones    []string     // a new broker takes the next zone in turn
	NewShape cluster.Capacity

	Profiles []*workload.Profile
	Topics   []TopicSpec
	Groups   []GroupSpec
	Times    Times
	// Throttle bounds the bytes per second that moves bring into a broker, and
	// take out of one.
	Throttle cluster.BytesPerSecond
	SLO      SLO
	// Scrape is how often Prometheus scrapes: rates that it gives are means over
	// some scrapes, and so are behind what is. Zero is at once.
	Scrape time.Duration
	Events []Event // faults and changes, in any order
}

// BrokerSpec is one broker.
type BrokerSpec struct {
	Zone     string
	Capacity cluster.Capacity
}

// TopicSpec is one topic. Its demand is Scale × its profile.
type TopicSpec struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	MinISR            int
	Profile           int
	Scale             float64
	Retention         time.Duration
	RetentionBytes    cluster.Bytes // a partition; zero is without bound
	MessageBytes      float64
	// Records is the profile of the records per second that the topic's demand
	// is, for messages whose size drifts; MessageBytes is then their mean. It is
	// for topics that have a profile of their own. Zero is none, so it counts
	// from one.
	Records int
	// Shares of the topic's load by partition; they sum to one. Nil is even.
	Shares []float64
	// Replicas by partition, preferred leader first; nil is spread over zones.
	Replicas [][]int
	// SizeBytes at the start, of one replica of the whole topic; zero is what
	// the retention holds at the profile's mean.
	SizeBytes float64
	// Young says that SizeBytes is what has been written so far: the logs grow
	// from there, as their profile writes them, to what the retention holds.
	// Otherwise SizeBytes is what the retention holds of the profile's past.
	Young bool
	// Sizes are the shares of SizeBytes by partition; nil is as Shares.
	Sizes []float64
	// LeaderCPU and FollowerCPU are cores per produced byte per second; zero
	// is derived from the bytes in and out.
	LeaderCPU, FollowerCPU float64
}

// GroupSpec is one consumer group with the workload that runs its members.
type GroupSpec struct {
	Name       string
	Topics     []int
	PerReplica float64 // records per second that one replica can process
	Replicas   int
	Min, Max   int
	// MaxLag is the lag in seconds beyond which the group violates its
	// objective.
	MaxLag time.Duration
	// CommitInterval is how often members commit: the lag that can be read is
	// of committed offsets, and on average half of this behind what was read.
	CommitInterval time.Duration
	// From is when the group starts to read; the zero time is the start.
	From time.Time
}

// Times are how long things take.
type Times struct {
	PodStart       time.Duration // a broker's pod, scheduled and started
	BrokerJoin     time.Duration // from started to alive in the cluster
	ConsumerStart  time.Duration
	RebalancePause time.Duration // a group stands still for this long when its members change
}

// SLO is what clients were promised.
type SLO struct {
	ProduceP99 time.Duration
}

// EventKind says what happens in the world.
type EventKind string

// The faults and changes there are.
const (
	BrokerDown     EventKind = "broker"        // one broker is dead, and comes back with its disk
	ZoneDown       EventKind = "zone"          // every broker of a zone is dead
	SlowDisk       EventKind = "slow-disk"     // a broker's disk bandwidth × Factor
	NetworkCut     EventKind = "network-cut"   // a broker's network × Factor
	MetricsOutage  EventKind = "prometheus"    // nothing measured can be read
	LoopOutage     EventKind = "controller"    // the policy is not asked
	PodStartFails  EventKind = "pod-start"     // pods do not become ready
	RetentionScale EventKind = "retention"     // retention × Factor, for good
	GroupStarts    EventKind = "group-starts"  // set by GroupSpec.From
	MachineChange  EventKind = "machine-shape" // capacity of the brokers that start from now on
)

// Event is one fault or change. Faults end after For; a zero For never ends.
type Event struct {
	Kind   EventKind
	At     time.Duration // since the start
	For    time.Duration
	Broker int
	Zone   string
	Topic  int // −1 is every topic
	Factor float64
	Group  int
	Shape  cluster.Capacity
}
