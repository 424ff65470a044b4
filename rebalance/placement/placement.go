// Package placement is a model of how Kafka moves replicas: what
// AlterPartitionReassignments, its list, preferred elections and replication
// throttles do to a cluster, with bytes that take time. It is pure: time moves
// only when Advance is called. Tests of the mover put it behind a fake Kafka,
// and a simulation can use it as its cluster.
//
// What it follows is Kafka 4 with KRaft: a reassignment's replicas are the
// target and then the ones to be removed; it is complete when every adding
// replica is in sync; a pure reorder or removal is complete at once and elects
// nobody unless the leader left; a cancel restores the list of before; a
// registered broker that is dead is accepted as a destination.
package placement

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// The errors that a request on the model can have, named as Kafka's.
var (
	ErrUnknownPartition  = errors.New("unknown topic or partition")
	ErrInvalidReplicas   = errors.New("invalid replica assignment")
	ErrInvalidFactor     = errors.New("invalid replication factor")
	ErrNoReassignment    = errors.New("no reassignment in progress")
	ErrPreferredNotInISR = errors.New("preferred leader not available")
	ErrElectionNotNeeded = errors.New("election not needed")
	ErrNotRegistered     = errors.New("broker id not registered")
)

// Partition names one partition.
type Partition struct {
	Topic  string
	Number int
}

// Replica is one replica of a partition.
type Replica struct {
	Partition
	Broker int
}

// Broker is one broker of the model.
type Broker struct {
	Zone  string
	Alive bool
	Disk  cluster.Bytes // size of its disk
	// Leader and Follower are the throttle rates; zero is none.
	Leader, Follower cluster.BytesPerSecond
}

// State is one partition of the model.
type State struct {
	Replicas, ISR, Adding, Removing []int
	Leader                          int // -1: none
	Size                            cluster.Bytes
	Incoming                        cluster.BytesPerSecond
	// Held is what each broker has on disk, replica of the partition or not: a
	// stray is held and not a replica.
	Held map[int]cluster.Bytes
}

// Topic is one topic of the model.
type Topic struct {
	ID         string
	Internal   bool
	MinISR     int
	Partitions []*State
	// LeaderThrottled and FollowerThrottled are the topic's throttle lists.
	LeaderThrottled, FollowerThrottled map[Replica]bool
}

// Cluster is the model. It is not safe for use by several goroutines.
type Cluster struct {
	ID      string
	Brokers map[int]*Broker
	Topics  map[string]*Topic
	// Link is how fast one broker can send or receive without a throttle.
	Link    cluster.BytesPerSecond
	created int
}

// New makes an empty cluster.
func New(id string) *Cluster {
	return &Cluster{ID: id, Brokers: map[int]*Broker{}, Topics: map[string]*Topic{}, Link: 1e9}
}

// AddBroker adds a live broker.
func (c *Cluster) AddBroker(id int, zone string, disk cluster.Bytes) {
	c.Brokers[id] = &Broker{Zone: zone, Alive: true, Disk: disk}
}

// AddTopic makes a topic whose partitions all have this size.
func (c *Cluster) AddTopic(name string, minISR int, size cluster.Bytes, replicas ...[]int) *Topic {
	c.created++
	t := &Topic{ID: fmt.Sprintf("id-%s-%d", name, c.created), MinISR: minISR, LeaderThrottled: map[Replica]bool{},
		FollowerThrottled: map[Replica]bool{}}
	c.Topics[name] = t
	for _, r := range replicas {
		c.Grow(name, size, r)
	}
	return t
}

// Grow adds a partition to a topic.
func (c *Cluster) Grow(name string, size cluster.Bytes, replicas []int) {
	s := &State{
		Replicas: slices.Clone(replicas),
		ISR:      slices.Clone(replicas),
		Leader:   replicas[0],
		Size:     size,
		Held:     map[int]cluster.Bytes{},
	}
	for _, b := range replicas {
		s.Held[b] = size
	}
	t := c.Topics[name]
	t.Partitions = append(t.Partitions, s)
}

// find returns a partition.
func (c *Cluster) find(p Partition) (*State, error) {
	t, ok := c.Topics[p.Topic]
	if !ok || p.Number < 0 || p.Number >= len(t.Partitions) {
		return nil, ErrUnknownPartition
	}
	return t.Partitions[p.Number], nil
}

func (c *Cluster) alive(b int) bool { return c.Brokers[b] != nil && c.Brokers[b].Alive }

// Reassign submits a new replica list, as AlterPartitionReassignments does; nil
// cancels. Without allowFactor the number of replicas may not change.
func (c *Cluster) Reassign(p Partition, target []int, allowFactor bool) error {
	s, err := c.find(p)
	if err != nil {
		return err
	}
	if target == nil {
		if len(s.Adding)+len(s.Removing) == 0 {
			return ErrNoReassignment
		}
		c.settle(s, without(s.Replicas, s.Adding))
		return nil
	}
	for i, b := range target {
		if c.Brokers[b] == nil || slices.Contains(target[:i], b) {
			return fmt.Errorf("%w: %v", ErrInvalidReplicas, target)
		}
	}
	before := without(s.Replicas, s.Removing)
	if !allowFactor && len(before) != len(target) {
		return ErrInvalidFactor
	}
	for _, b := range without(s.Adding, target) { // of a target that is replaced
		c.drop(s, b)
	}
	current := without(s.Replicas, without(s.Adding, target))
	s.Adding = without(target, without(current, s.Adding))
	s.Removing = without(current, target)
	s.Replicas = append(slices.Clone(target), s.Removing...)
	for _, b := range s.Adding {
		if _, ok := s.Held[b]; !ok {
			s.Held[b] = 0
		}
	}
	c.complete(s)
	return nil
}

// complete ends a reassignment when every adding replica is in sync.
func (c *Cluster) complete(s *State) {
	if len(s.Adding)+len(s.Removing) == 0 || len(without(s.Adding, s.ISR)) > 0 {
		return
	}
	target := without(s.Replicas, s.Removing)
	if len(without(s.ISR, without(s.ISR, target))) == 0 {
		return // nobody of the target is in sync
	}
	c.settle(s, target)
}

// settle makes a list the whole truth.
func (c *Cluster) settle(s *State, replicas []int) {
	for _, b := range without(s.Replicas, replicas) {
		c.drop(s, b)
	}
	s.Replicas, s.Adding, s.Removing = replicas, nil, nil
	c.elect(s)
}

// drop takes a replica away; a dead broker keeps its files until it is back.
func (c *Cluster) drop(s *State, b int) {
	s.ISR = without(s.ISR, []int{b})
	if c.alive(b) {
		delete(s.Held, b)
	}
}

// elect keeps the leader if it may lead, and takes the first in sync otherwise.
func (c *Cluster) elect(s *State) {
	if slices.Contains(s.Replicas, s.Leader) && slices.Contains(s.ISR, s.Leader) && c.alive(s.Leader) {
		return
	}
	s.Leader = -1
	for _, b := range s.Replicas {
		if slices.Contains(s.ISR, b) && c.alive(b) {
			s.Leader = b
			return
		}
	}
}

// Elect asks for the preferred leader.
func (c *Cluster) Elect(p Partition) error {
	s, err := c.find(p)
	if err != nil {
		return err
	}
	first := s.Replicas[0]
	switch {
	case s.Leader == first:
		return ErrElectionNotNeeded
	case !slices.Contains(s.ISR, first) || !c.alive(first):
		return ErrPreferredNotInISR
	}
	s.Leader = first
	return nil
}

// Kill stops a broker at once.
func (c *Cluster) Kill(b int) {
	c.Brokers[b].Alive = false
	for _, s := range c.each() {
		if len(s.ISR) > 1 {
			s.ISR = without(s.ISR, []int{b})
		}
		c.elect(s)
	}
}

// Restart brings a broker back. It deletes what it should not hold, and catches
// up with the rest before it is in sync again.
func (c *Cluster) Restart(b int) {
	c.Brokers[b].Alive = true
	for _, s := range c.each() {
		if !slices.Contains(s.Replicas, b) {
			delete(s.Held, b)
		}
		c.elect(s)
	}
}

// Unregister removes a broker's registration.
func (c *Cluster) Unregister(b int) error {
	if c.Brokers[b] == nil {
		return ErrNotRegistered
	}
	delete(c.Brokers, b)
	return nil
}

// Free is the room on a broker's disk.
func (c *Cluster) Free(b int) cluster.Bytes {
	free := c.Brokers[b].Disk
	for _, s := range c.each() {
		free -= s.Held[b]
	}
	return free
}

// each lists all partitions in a fixed order.
func (c *Cluster) each() []*State {
	var out []*State
	for _, p := range c.Partitions() {
		out = append(out, c.Topics[p.Topic].Partitions[p.Number])
	}
	return out
}

// Partitions names all partitions, sorted.
func (c *Cluster) Partitions() []Partition {
	var out []Partition
	for name, t := range c.Topics {
		for i := range t.Partitions {
			out = append(out, Partition{name, i})
		}
	}
	slices.SortFunc(out, func(a, b Partition) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return a.Number - b.Number
	})
	return out
}

func without(list, drop []int) []int {
	out := make([]int, 0, len(list))
	for _, x := range list {
		if !slices.Contains(drop, x) {
			out = append(out, x)
		}
	}
	return out
}
