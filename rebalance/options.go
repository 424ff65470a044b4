package rebalance

import (
	"regexp"

	"github.com/tidetable/tidetable/cluster"
)

// Options are what a plan is asked for. The zero value asks for the best
// balance that is worth its bytes, with every broker of the snapshot as it is.
type Options struct {
	// Add names brokers that join. One the snapshot knows becomes alive; one it
	// does not know is taken to be like its most common broker.
	Add []NewBroker
	// Remove names brokers that must end up empty.
	Remove []int
	// ExcludeBrokers neither receive nor give a replica or a leadership unless
	// the rules force one off them.
	ExcludeBrokers []int
	// ExcludeTopics matches topics whose partitions stay as they are.
	ExcludeTopics []*regexp.Regexp
	// ReplicationFactors asks for another replication factor; the last that
	// matches a topic counts. By default none changes.
	ReplicationFactors []ReplicationFactor
	// Forecast is what topics will carry; nil plans for what they carry now.
	Forecast *Forecast
	// Locality, where set, moves leaders or replicas to where the consumers are.
	Locality *Locality
	// PartitionLimits, where set, ask for advice on partition counts.
	PartitionLimits *PartitionLimits
	// LeadersOnly moves leaderships and no data.
	LeadersOnly bool
	// Budget bounds the bytes moved; nil means that only their price does.
	Budget *Budget
	// CapacityThreshold is the share of a broker's capacity that may be used;
	// zero stands for 1.
	CapacityThreshold cluster.Ratio
	// EvacuateFenced moves replicas off fenced brokers too. By default they
	// stay: a fenced broker is usually restarting and comes back.
	EvacuateFenced bool
	// MinGain is how many points of the objective a plan must gain to be worth
	// carrying out; zero stands for the default, a negative value for any gain.
	// What the rules force is planned whatever it gains.
	MinGain float64
	// BytePrice weighs moved bytes against balance: moving everything costs
	// BytePrice points. Zero stands for DefaultBytePrice.
	BytePrice float64
	// Evaluations bounds the candidate moves that are tried; zero stands for a
	// default that grows with the cluster.
	Evaluations int64
	// Throttle is the replication rate a broker may receive or send at, for the
	// duration; zero stands for DefaultThrottle.
	Throttle cluster.BytesPerSecond
}

// Budget bounds the bytes a plan moves: those that must move, plus PercentOver
// percent of them when it was given relative, or at most Bytes in all.
type Budget struct {
	Bytes       cluster.Bytes
	Relative    bool
	PercentOver float64
}

// NewBroker is a broker that joins. An empty zone or a zero capacity is filled
// in: the zone with the least capacity, the most common broker's capacity.
type NewBroker struct {
	ID       int
	Zone     string
	Capacity cluster.Capacity
}

// Defaults of Options.
const (
	// DefaultBytePrice is points for moving everything: half a point for a hundredth
	// of all bytes, as the verifier of make docs-rebalance weighs them.
	DefaultBytePrice = 50.0
	// DefaultThrottle, in bytes per second, is what a run that says nothing is timed
	// at: what a move is taken to get on the controller's side too.
	DefaultThrottle cluster.BytesPerSecond = 100e6
	// leaderPrice is points for changing every leader without moving data: a change
	// of leader makes clients look for it, and no more. A judgement.
	leaderPrice = 2.0
)
