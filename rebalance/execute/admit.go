package execute

import (
	"fmt"
	"math"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// MaxPartitionsPerRequest bounds one AlterPartitionReassignments request, in
// partitions. The controller writes a request's records in one batch of at most
// 10,000 (QuorumController.MAX_RECORDS_PER_USER_OP), and fails the whole call
// when they do not fit; a partition takes one, and a tenth is far from the end.
const MaxPartitionsPerRequest = 1000

// maxInternalAtOnce keeps the offsets and transaction topics in small batches:
// every client in the cluster waits for them. In partitions; a judgement.
const maxInternalAtOnce = 10

// copying is one replica to be copied, or being copied.
type copying struct {
	move     int // index into Run.Moves
	tp       TP
	from     int // the leader, whose out bytes it takes; -1 for none
	to       int // the added broker, whose in bytes it takes
	left     cluster.Bytes
	incoming cluster.BytesPerSecond // what producers add meanwhile
	heals    bool
	internal bool
}

// limits is what a batch must keep to.
type limits struct {
	// allowance is the bytes a broker may have in transit in one direction; one
	// replica is always allowed, whatever its size, beside what is done soon.
	allowance func(broker int) cluster.Bytes
	// soon is the bytes a broker copies before a replica that starts at the next
	// look could take their place: a broker that waits for the look is idle.
	soon func(broker int) cluster.Bytes
	// room is the free space of a broker, less what is on its way there.
	// Negative is unknown, which admits nothing.
	room func(broker int) cluster.Bytes
	// carries tells whether a broker's ceiling leaves room for that much more
	// produced data to be throttled beside what is already.
	carries func(broker int, side Side, incoming cluster.BytesPerSecond) bool
	max     int
}

const (
	// growthMargin is what a destination must have, as a factor of the replica's
	// size: index files take half a per cent of a log (20 bytes in every
	// index.interval.bytes), and the file system some of its own. A judgement.
	growthMargin = 1.05
	// spaceHorizon is for how many seconds of what is produced there must be room
	// on top. A judgement: ten minutes, in which a person can take a copy back.
	spaceHorizon = 600
)

// relieveClasses is how many classes candidates are put in by what they relieve
// per byte: quarters, so that inside of one the schedule decides.
const relieveClasses = 4

// admit chooses which candidates may start beside what is running. Order: what
// heals, then what relieves most per byte, then what the busiest broker has
// the most of left, so that no broker is the last one to be busy. Internal
// topics start when nothing else can. The second result says, per candidate,
// why it must wait. Later holds the copies that cannot start yet because an
// earlier step of their partition comes first; they count for the order only.
func admit(cands, running, later []copying, l limits) (batch []copying, held map[TP]string) {
	held = map[TP]string{}
	load := newLoads(running)
	order := admissionOrder(cands, newLoads(slices.Concat(running, cands, later)))
	max := l.max
	if max <= 0 || max > MaxPartitionsPerRequest {
		max = MaxPartitionsPerRequest
	}
	normal, internal := 0, 0
	for _, r := range running {
		if r.internal {
			internal++
		} else {
			normal++
		}
	}
	space := map[int]cluster.Bytes{}
	for _, c := range order {
		switch {
		case len(batch) >= max:
			held[c.tp] = fmt.Sprintf("the batch is full at %d partitions", max)
			continue
		case c.internal && normal > 0:
			held[c.tp] = "internal topics move last"
			continue
		case c.internal && internal >= maxInternalAtOnce:
			held[c.tp] = "internal topics move in small batches"
			continue
		}
		if why := fits(c, load, space, l); why != "" {
			held[c.tp] = why
			continue
		}
		load.add(c)
		space[c.to] += spaceFor(c)
		batch = append(batch, c)
		if c.internal {
			internal++
		} else {
			normal++
		}
	}
	return batch, held
}

// admissionOrder sorts candidates by who goes first, see admit.
func admissionOrder(cands []copying, remaining loads) []copying {
	order := slices.Clone(cands)
	rank := valueRanks(order)
	slices.SortStableFunc(order, func(a, b copying) int {
		if c := boolFirst(a.heals, b.heals); c != 0 {
			return c
		}
		if c := boolFirst(!a.internal, !b.internal); c != 0 {
			return c
		}
		if c := rank[b.tp] - rank[a.tp]; c != 0 {
			return c
		}
		if ca, cb := remaining.critical(a), remaining.critical(b); ca != cb {
			return cmpDesc(ca, cb)
		}
		if a.left != b.left {
			return cmpDesc(a.left, b.left)
		}
		return compareTP(a.tp, b.tp)
	})
	return order
}

// fits says why a candidate cannot start now; empty when it can.
func fits(c copying, load loads, space map[int]cluster.Bytes, l limits) string {
	room := l.room(c.to)
	if room < 0 {
		return fmt.Sprintf("the free space of broker %d is unknown", c.to)
	}
	if need := spaceFor(c); room-space[c.to] < need {
		return fmt.Sprintf("broker %d has %v left and the replica needs %v", c.to, room-space[c.to], need)
	}
	if in := load.in[c.to]; in > l.soon(c.to) && in+c.left > l.allowance(c.to) {
		return fmt.Sprintf("broker %d receives as much as it may", c.to)
	}
	if out := load.out[c.from]; out > l.soon(c.from) && out+c.left > l.allowance(c.from) {
		return fmt.Sprintf("broker %d sends as much as it may", c.from)
	}
	if !l.carries(c.to, FollowerSide, load.incomingTo[c.to]+c.incoming) {
		return fmt.Sprintf("broker %d cannot catch up with what is produced, at its highest throttle", c.to)
	}
	if !l.carries(c.from, LeaderSide, load.incomingFrom[c.from]+c.incoming) {
		return fmt.Sprintf("broker %d cannot send what is produced, at its highest throttle", c.from)
	}
	return ""
}

// spaceFor is the space a replica takes at its destination.
func spaceFor(c copying) cluster.Bytes {
	return c.left*growthMargin + cluster.Bytes(c.incoming*spaceHorizon)
}

// loads is bytes left to copy per broker and direction.
type loads struct {
	in, out                  map[int]cluster.Bytes
	incomingTo, incomingFrom map[int]cluster.BytesPerSecond
}

func newLoads(cs []copying) loads {
	l := loads{map[int]cluster.Bytes{}, map[int]cluster.Bytes{}, map[int]cluster.BytesPerSecond{}, map[int]cluster.BytesPerSecond{}}
	for _, c := range cs {
		l.add(c)
	}
	return l
}

func (l loads) add(c copying) {
	// A replica that is as good as copied still occupies its brokers.
	left := max(c.left, 1)
	l.in[c.to] += left
	l.out[c.from] += left
	l.incomingTo[c.to] += c.incoming
	l.incomingFrom[c.from] += c.incoming
}

// critical is how long the busier of the copy's two brokers will be at work.
func (l loads) critical(c copying) cluster.Bytes { return max(l.in[c.to], l.out[c.from]) }

// busiest is the most bytes that any broker has to send or to receive: no
// schedule is shorter than this over the rate.
func (l loads) busiest() cluster.Bytes {
	var most cluster.Bytes
	for _, b := range l.in {
		most = max(most, b)
	}
	for _, b := range l.out {
		most = max(most, b)
	}
	return most
}

// valueRanks puts every candidate in one of a few classes by what it relieves:
// produced bytes a second taken off the source per byte copied. Classes and not
// the value itself, so that inside a class the schedule may be a good one.
func valueRanks(cs []copying) map[TP]int {
	value := func(c copying) float64 { return float64(c.incoming) / math.Max(float64(c.left), 1) }
	all := make([]float64, 0, len(cs))
	for _, c := range cs {
		all = append(all, value(c))
	}
	slices.Sort(all)
	out := map[TP]int{}
	for _, c := range cs {
		i, _ := slices.BinarySearch(all, value(c))
		out[c.tp] = relieveClasses * i / len(all)
	}
	return out
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

func cmpDesc(a, b cluster.Bytes) int {
	if a > b {
		return -1
	}
	return 1
}
