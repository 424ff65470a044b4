// Package cluster is the vocabulary of the house: what a Kafka cluster looks
// like at one instant, and what can be done to its placement. Everything else
// speaks in these words. It imports the standard library only.
//
// The JSON form of a Snapshot is a contract with other people's scripts; see
// docs/formats/snapshot.md.
package cluster

import (
	"cmp"
	"strconv"
	"time"
)

// SnapshotVersion is the version this package writes and reads.
const SnapshotVersion = 1

// Snapshot is one cluster at one instant. A reading that could not be taken is
// not an error: it is named in Stale, and its fields keep their zero value.
type Snapshot struct {
	Version   int       `json:"version"`
	TakenAt   time.Time `json:"takenAt"`
	ClusterID string    `json:"clusterId"`
	Brokers   []Broker  `json:"brokers"`
	Topics    []Topic   `json:"topics"`
	Groups    []Group   `json:"groups"`
	// Reassignments in flight at TakenAt, ours or not.
	Reassignments []Reassignment `json:"reassignments,omitempty"`
	// Stale names every signal that is missing or too old to act on, sorted.
	Stale []StaleSignal `json:"stale,omitempty"`
	// Sources says by which catalogues signals were read, sorted.
	Sources []Source `json:"sources,omitempty"`
}

// BrokerState says whether a broker may hold replicas.
type BrokerState string

// The states a broker can be in. Only an alive broker is a destination.
const (
	BrokerAlive    BrokerState = "alive"
	BrokerFenced   BrokerState = "fenced"
	BrokerDraining BrokerState = "draining"
	BrokerDead     BrokerState = "dead"
)

// Broker is one Kafka broker.
type Broker struct {
	ID    int         `json:"id"`
	Zone  string      `json:"zone"` // Kafka's broker.rack
	State BrokerState `json:"state"`
	// Host is where the broker says that it is reached, by the listener that was
	// asked; it tells which pod is which broker. Empty when it is not known.
	Host string `json:"host,omitempty"`
	// Voter is true of a broker that votes in the quorum of controllers: one
	// that must never leave.
	Voter    bool     `json:"voter,omitempty"`
	Capacity Capacity `json:"capacity"`
	// Usage is what was measured on the broker itself, where it was measured.
	Usage *Usage `json:"usage,omitempty"`
	// Directories are its log directories, sorted by path, where it has several
	// (JBOD) or one is offline.
	Directories []Directory `json:"directories,omitempty"`
}

// Directory is one log directory of a broker.
type Directory struct {
	Path     string `json:"path"`
	Bytes    Bytes  `json:"bytes"`     // size of its volume; 0: not known
	Free     Bytes  `json:"freeBytes"` // of which usable
	Replicas int    `json:"replicas"`
	Offline  bool   `json:"offline,omitempty"` // the broker cannot use it
	Cordoned bool   `json:"cordoned,omitempty"`
}

// NextDirectory is where Kafka puts the next replica: the directory with the fewest,
// whatever its room; of several the one with least room, to be safe. It is false
// where the broker has one directory, or does not tell.
func (b *Broker) NextDirectory() (next Directory, ok bool) {
	for _, d := range b.Directories {
		if d.Offline || d.Cordoned || d.Bytes <= 0 {
			continue
		}
		if !ok || d.Replicas < next.Replicas || d.Replicas == next.Replicas && d.Free < next.Free {
			next, ok = d, true
		}
	}
	return next, ok && len(b.Directories) > 1
}

// OfflineDirectory names a log directory that the broker cannot use; "" when it can
// use all.
func (b *Broker) OfflineDirectory() string {
	for _, d := range b.Directories {
		if d.Offline {
			return d.Path
		}
	}
	return ""
}

// Capacity is what a broker can do at 100 %.
type Capacity struct {
	CPUCores                 Cores          `json:"cpuCores"`
	NetworkInBytesPerSecond  BytesPerSecond `json:"networkInBytesPerSecond"`
	NetworkOutBytesPerSecond BytesPerSecond `json:"networkOutBytesPerSecond"`
	DiskBytes                Bytes          `json:"diskBytes"`
	DiskBytesPerSecond       BytesPerSecond `json:"diskBytesPerSecond"`
	MemoryBytes              Bytes          `json:"memoryBytes,omitempty"`
}

// Or is the capacity with what is not known of it taken from another.
func (c Capacity) Or(d Capacity) Capacity {
	return Capacity{
		CPUCores:                 cmp.Or(c.CPUCores, d.CPUCores),
		NetworkInBytesPerSecond:  cmp.Or(c.NetworkInBytesPerSecond, d.NetworkInBytesPerSecond),
		NetworkOutBytesPerSecond: cmp.Or(c.NetworkOutBytesPerSecond, d.NetworkOutBytesPerSecond),
		DiskBytes:                cmp.Or(c.DiskBytes, d.DiskBytes),
		DiskBytesPerSecond:       cmp.Or(c.DiskBytesPerSecond, d.DiskBytesPerSecond),
		MemoryBytes:              cmp.Or(c.MemoryBytes, d.MemoryBytes),
	}
}

// Usage is what a broker was measured to use. A NaN is never stored: what is
// unknown is named in Snapshot.Stale.
type Usage struct {
	CPUCores                  Cores          `json:"cpuCores"`
	NetworkInBytesPerSecond   BytesPerSecond `json:"networkInBytesPerSecond"`
	NetworkOutBytesPerSecond  BytesPerSecond `json:"networkOutBytesPerSecond"`
	DiskBytes                 Bytes          `json:"diskBytes"`
	RequestHandlerIdle        Ratio          `json:"requestHandlerIdle"`
	UnderReplicatedPartitions int            `json:"underReplicatedPartitions"`
}

// Topic is one topic with all its partitions, sorted by partition number.
type Topic struct {
	Name       string            `json:"name"`
	ID         string            `json:"id,omitempty"` // Kafka's topic id; tells a recreated topic from the old one
	Internal   bool              `json:"internal"`
	Config     map[string]string `json:"config"`
	Partitions []Partition       `json:"partitions"`
}

// MinInSync is how many replicas must be in sync for a write that asks for all of
// them (min.insync.replicas); Kafka's default is 1.
func (t *Topic) MinInSync() int {
	n, err := strconv.Atoi(t.Config["min.insync.replicas"])
	if err != nil {
		return 1
	}
	return n
}

// Partition is one partition. Replicas lists the preferred leader first.
type Partition struct {
	Partition int   `json:"partition"`
	Replicas  []int `json:"replicas"`
	ISR       []int `json:"isr"`
	Leader    int   `json:"leader"` // -1: none
	Load      Load  `json:"load"`
}

// Load is what clients ask of a partition, and what that costs. Leader, Follower
// and Replicated say what it costs which broker.
type Load struct {
	BytesInPerSecond    BytesPerSecond    `json:"bytesInPerSecond"`  // produced
	BytesOutPerSecond   BytesPerSecond    `json:"bytesOutPerSecond"` // consumed, without replication
	MessagesInPerSecond MessagesPerSecond `json:"messagesInPerSecond"`
	LeaderCPUCores      Cores             `json:"leaderCpuCores"`
	FollowerCPUCores    Cores             `json:"followerCpuCores"`
	SizeBytes           Bytes             `json:"sizeBytes"`
	// FollowerBytesOutPerSecond is what each follower sends in the leader's place; 0
	// where nobody fetches from followers. See ShareReads.
	FollowerBytesOutPerSecond BytesPerSecond `json:"followerBytesOutPerSecond,omitempty"`
}

// Group is one consumer group.
type Group struct {
	Name           string           `json:"name"`
	State          string           `json:"state,omitempty"`
	Members        int              `json:"members,omitempty"`
	ZonesOfMembers map[string]int   `json:"zonesOfMembers"`
	Partitions     []GroupPartition `json:"partitions"`
}

// GroupPartition is a group's position on one partition.
type GroupPartition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Lag       int64  `json:"lag"` // records
	// ConsumedPerSecond is records per second, where it is known.
	ConsumedPerSecond MessagesPerSecond `json:"consumedPerSecond,omitempty"`
}

// Reassignment is a move in flight.
type Reassignment struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Replicas  []int  `json:"replicas"`
	Adding    []int  `json:"adding,omitempty"`
	Removing  []int  `json:"removing,omitempty"`
}

// Move changes the replica list of one partition. To lists the preferred
// leader first.
type Move struct {
	Topic     string `json:"topic"`
	TopicID   string `json:"topicId,omitempty"`
	Partition int    `json:"partition"`
	From      []int  `json:"from"`
	To        []int  `json:"to"`
	// SizeBytes is the size of one replica.
	SizeBytes Bytes `json:"sizeBytes"`
}
