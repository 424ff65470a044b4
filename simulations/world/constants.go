package world

import (
	"time"

	"github.com/tidetable/tidetable/capacity"
)

// cpuCost is how much CPU bytes cost: the world believes what sizing believes of
// a cluster that nobody measured.
var cpuCost = capacity.PriorCPUCost()

// What the world takes for given. Every value's source is in docs/formulas.md.

// Physics.
const (
	// bulkShare is what a byte of a move or of catch-up costs of a followed and a
	// sent one: few large fetches instead of many small requests. It is an
	// assumption.
	bulkShare = 0.25
	// serviceTime of a produce request on an idle broker; p99 of M/M/1 is
	// ln(100)·service/(1−u). It is an assumption.
	serviceTime = 2 * time.Millisecond
	ln100       = 4.605170185988092
	// nearlyFull is the utilisation from which on M/M/1's pole says nothing any
	// more: the wait goes on straight from there to the delivery timeout.
	nearlyFull = 0.99
	// leastUse is the utilisation below which an idle broker serves no faster:
	// it bounds how fast a backlog is taken in, at 20 times what comes in.
	leastUse = 0.05
	// shortestCache says when a reader's lag may have left the page cache at all:
	// Kafka's documentation sizes memory for 30 s of writes, and this is twice that.
	shortestCache = time.Minute
	// assumedMessageBytes is a message's size where the scenario says none.
	assumedMessageBytes = 1000
)

// Kafka's and Kubernetes' own defaults.
const (
	// deliveryTimeout is how long a producer keeps what is not acknowledged
	// (delivery.timeout.ms defaults to two minutes); then it is rejected.
	deliveryTimeout = 2 * time.Minute
	// imbalanceCheck is how often the controller elects preferred leaders
	// (leader.imbalance.check.interval.seconds defaults to 300).
	imbalanceCheck = 5 * time.Minute
	// podRetry is when a pod that did not become ready is looked at again. The
	// kubelet backs off from 10 s to 5 min; this is between.
	podRetry = time.Minute
)

// The mover and catch-up.
const (
	// moverLooks is how often the mover looks (rebalance/execute). A plan takes
	// seven looks however little it copies: to set throttles, submit, see the
	// copies done, elect leaders in two rounds, verify every move and clean up.
	// After the last copy of a large one there are five to come.
	moverLooks    = 5 * time.Second
	moverShortest = 7 * moverLooks
	moverVerifies = 5 * moverLooks
	// flowsPerBroker bounds the partitions that move into, or out of, one
	// broker at a time, judgement.
	flowsPerBroker = 8
	// catchUpShare of what network and disk have left is what a follower that
	// fetches without a throttle gets, and leastCatchUp, in bytes per second,
	// what it gets on a full broker. Both are assumptions.
	catchUpShare = 0.8
	leastCatchUp = 1e6
)

// The plain operator's planner (spread.go).
const (
	// evenRounds bounds how often all partitions are looked at; it is seldom more
	// than four until nothing is worth moving.
	evenRounds = 8
	// evenTolerance is how far from the mean what a broker carries may stay, and
	// evenGain the least that a move gains, as a part of what it moves.
	evenTolerance = 0.03
	evenGain      = 0.02
)

// Resolution.
const (
	// logResolution is how finely retention is followed: segments roll, and
	// data leaves, in steps at least as coarse.
	logResolution = 10 * time.Minute
	// writtenPieces is of how many pieces a sum over a profile is made, at most.
	writtenPieces = 96
	// observedSegment is the segment.bytes that topics are said to have, 1 MiB:
	// the world rolls its logs finely.
	observedSegment = "1048576"
	// noLag is a lag in records that is rounding.
	noLag = 1e-6
	// idleReader is the share of a replica's own rate at which it reads a rest
	// when next to nothing arrives; leastRate, in records per second, keeps the
	// age finite.
	idleReader = 0.01
	leastRate  = 1e-9
	// rounding is the part of a broker that is not worth one more.
	rounding = 1e-9
	// leastRounding is the same for a lower bound, which errs on the low side.
	leastRounding = 1e-6
)
