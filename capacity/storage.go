package capacity

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// StoredAt is what the topics will hold at most after a while, when the mean rate
// is growth times today's, given today's mean as a share of the rate now. What is
// there now grows with the rate, since retention keeps a time span; a topic
// whose retention is not filled yet fills at the rate it is written, up to
//
//	RF·min(W·T, retention.bytes·P) + RF·P·min(segment.bytes, W/P·segment.ms)
//
// one that is kept for ever grows by what is written, without end, unless its
// application deletes what it has read; and a topic whose size is not known is
// taken to be filled.
func StoredAt(s cluster.Snapshot, meanOverNow, growth float64, within time.Duration) cluster.Bytes {
	return stored(s, meanOverNow, growth, within, true)
}

// StoredAhead is the same where a size is wanted that is likely, not one that is
// safe: topics that brokers compress are taken to be filled, as what they are
// written takes less room than it came in.
func StoredAhead(s cluster.Snapshot, meanOverNow, growth float64, within time.Duration) cluster.Bytes {
	return stored(s, meanOverNow, growth, within, false)
}

func stored(s cluster.Snapshot, meanOverNow, growth float64, within time.Duration, atMost bool) cluster.Bytes {
	var sum cluster.Bytes
	passing := inPassing(s.Reassignments)
	for i := range s.Topics {
		t := &s.Topics[i]
		now, rate, replicas := weigh(t, passing)
		rate *= cluster.Bytes(meanOverNow * growth)
		written := rate * cluster.Bytes(within.Seconds())
		filled, known := filledSize(t, rate, replicas)
		switch {
		case keptForEver(t) && !purged(t, now, rate, replicas):
			sum += now + written
		case now <= 0:
			sum += filled
		case known && (atMost || !recompressed(t)):
			now *= cluster.Bytes(max(1, growth))
			sum += now + min(max(0, filled-now), written)
		default:
			sum += now * cluster.Bytes(max(1, growth))
		}
	}
	return sum
}

// StoredFilled is what the topics hold once every retention is filled at the
// mean rate; topics whose retention is not known count as they are.
func StoredFilled(s cluster.Snapshot, meanOverNow float64) cluster.Bytes {
	var sum cluster.Bytes
	passing := inPassing(s.Reassignments)
	for i := range s.Topics {
		now, rate, replicas := weigh(&s.Topics[i], passing)
		filled, known := filledSize(&s.Topics[i], rate*cluster.Bytes(meanOverNow), replicas)
		if !known {
			filled = now
		}
		sum += filled
	}
	return sum
}

// GrowsADay is what topics that are kept for ever grow by in a day, over all
// replicas.
func GrowsADay(s cluster.Snapshot, meanOverNow float64) cluster.Bytes {
	const day = 24 * 3600
	var sum cluster.Bytes
	passing := inPassing(s.Reassignments)
	for i := range s.Topics {
		t := &s.Topics[i]
		now, rate, replicas := weigh(t, passing)
		if rate *= cluster.Bytes(meanOverNow); keptForEver(t) && !purged(t, now, rate, replicas) {
			sum += rate * day
		}
	}
	return sum
}

// keptForEver tells whether neither time nor size bounds what a topic keeps on the
// brokers.
func keptForEver(t *cluster.Topic) bool {
	retention, bound, ok := retentionOf(t)
	return ok && retention < 0 && bound < 0
}

const (
	// repartitioned is how Kafka Streams names the topics that it keeps for ever and
	// deletes the records of once it has read them (KIP-204).
	repartitioned = "-repartition"
	// purgedWithin and purgedSegments are how little a topic holds that its
	// application empties: what was written in an hour, and whole segments only go.
	// Judgement; a topic that is younger than that will be taken for it so long.
	purgedWithin   = time.Hour
	purgedSegments = 2
)

// purged tells whether an application deletes the records of a topic that is kept
// for ever: it is a kind that is, or holds next to nothing of what is written.
func purged(t *cluster.Topic, now, rate cluster.Bytes, replicas int) bool {
	if strings.HasSuffix(t.Name, repartitioned) {
		return true
	}
	segments := purgedSegments * configBytes(t, "segment.bytes", defaultSegmentBytes) * cluster.Bytes(replicas)
	return now > 0 && now <= segments && now <= rate*cluster.Bytes(purgedWithin.Seconds())
}

// recompressed tells whether brokers compress a topic themselves, so that what
// comes in says little of what is stored.
func recompressed(t *cluster.Topic) bool {
	switch t.Config["compression.type"] {
	case "", "producer", "uncompressed":
		return false
	}
	return true
}

// weigh is a topic's size and a second's worth of writes, over all replicas.
func weigh(t *cluster.Topic, passing map[partition]*cluster.Reassignment) (now, rate cluster.Bytes, replicas int) {
	for j := range t.Partitions {
		rf := staying(&t.Partitions[j], passing[partition{t.Name, t.Partitions[j].Partition}])
		all := t.Partitions[j].Load.Replicated(rf)
		replicas += rf
		now += all.Disk
		rate += cluster.Bytes(all.NetworkIn)
	}
	return now, rate, replicas
}

// filledSize is the formula above; false when the retention is not known, or
// bounds nothing.
func filledSize(t *cluster.Topic, rate cluster.Bytes, replicas int) (cluster.Bytes, bool) {
	retention, bound, ok := retentionOf(t)
	if !ok || retention < 0 && bound < 0 {
		return 0, false
	}
	held := cluster.Bytes(math.Inf(1)) // kept for ever: only retention.bytes bounds it
	if retention >= 0 {
		held = rate * cluster.Bytes(retention.Seconds())
	}
	if bound >= 0 {
		held = min(held, bound*cluster.Bytes(replicas))
	}
	segment, span := configBytes(t, "segment.bytes", defaultSegmentBytes), configSpan(t, "segment.ms", defaultSegmentSpan)
	return held + min(segment*cluster.Bytes(replicas), rate*cluster.Bytes(span.Seconds())), true
}

// retentionOf reads how long, and how much per partition, a topic keeps on the
// brokers' own disks. A tiered topic keeps its local retention only.
func retentionOf(t *cluster.Topic) (span time.Duration, perPartition cluster.Bytes, ok bool) {
	if strings.Contains(t.Config["cleanup.policy"], "compact") {
		return 0, 0, false
	}
	_, hasSpan := t.Config["retention.ms"]
	_, hasBytes := t.Config["retention.bytes"]
	if !hasSpan && !hasBytes {
		return 0, 0, false
	}
	span, perPartition = configSpan(t, "retention.ms", -1), configBytes(t, "retention.bytes", -1)
	if t.Config["remote.storage.enable"] == "true" {
		// -2 means "as retention.ms" in Kafka.
		if v := configSpan(t, "local.retention.ms", -2); v != -2*time.Millisecond && v != -2 {
			span = v
		}
		if v := configBytes(t, "local.retention.bytes", -2); v != -2 {
			perPartition = v
		}
	}
	return span, perPartition, true
}

func configBytes(t *cluster.Topic, key string, def cluster.Bytes) cluster.Bytes {
	v, err := strconv.ParseInt(t.Config[key], 10, 64)
	if err != nil {
		return def
	}
	return cluster.Bytes(v)
}

func configSpan(t *cluster.Topic, key string, def time.Duration) time.Duration {
	v, err := strconv.ParseInt(t.Config[key], 10, 64)
	if err != nil {
		return def
	}
	// Kafka's "for ever" is -1, but people also write numbers beyond a Duration.
	if v > int64(math.MaxInt64/time.Millisecond) {
		return -1
	}
	return time.Duration(v) * time.Millisecond
}
