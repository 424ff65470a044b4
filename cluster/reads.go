package cluster

import "math"

const (
	// contradicts is from how far off the modelled network-out of brokers is, as a
	// part of the mean, that something else is looked for: rates of a few scrapes
	// differ by less. A judgement.
	contradicts = 0.2
	// believedOver is how many times nearer another explanation must be. A judgement.
	believedOver = 2
)

// ShareReads looks whether followers serve what is read (KIP-392: consumers fetch
// from a replica in their zone): what each broker was measured to send says it,
// where that contradicts leaders serving all. It then shares the reads over the
// replicas, and tells so. Where a broker was not measured, replicas are being
// moved, or the snapshot says already what followers send, all stays as it is. The
// topics it was given are left as they are.
func (s *Snapshot) ShareReads() bool {
	measured, ok := s.sent()
	if !ok || len(s.Reassignments) > 0 {
		return false
	}
	byLeaders := s.sending(measured, func(l Load, rf int) BytesPerSecond { return 0 })
	if byLeaders < contradicts {
		return false
	}
	best, off := -1, byLeaders/believedOver
	for k, share := range readShares {
		if x := s.sending(measured, share); x < off {
			best, off = k, x
		}
	}
	if best < 0 {
		return false
	}
	topics := make([]Topic, len(s.Topics))
	for i, t := range s.Topics {
		parts := make([]Partition, len(t.Partitions))
		for j, p := range t.Partitions {
			p.Load.FollowerBytesOutPerSecond = readShares[best](p.Load, len(p.Replicas))
			parts[j] = p
		}
		t.Partitions = parts
		topics[i] = t
	}
	s.Topics = topics
	return true
}

// readShares is what each follower may be sending: its part of what is read, or of
// all that the partition sends.
var readShares = []func(l Load, rf int) BytesPerSecond{
	func(l Load, rf int) BytesPerSecond { return l.BytesOutPerSecond / BytesPerSecond(max(1, rf)) },
	func(l Load, rf int) BytesPerSecond { return l.sent(rf) / BytesPerSecond(max(1, rf)) },
}

// sent is what each alive broker was measured to send; false unless all were.
func (s *Snapshot) sent() (map[int]float64, bool) {
	out := make(map[int]float64, len(s.Brokers))
	sum := 0.0
	for i := range s.Brokers {
		b := &s.Brokers[i]
		if b.State != BrokerAlive {
			continue
		}
		if b.Usage == nil {
			return nil, false
		}
		out[b.ID] = float64(b.Usage.NetworkOutBytesPerSecond)
		sum += out[b.ID]
	}
	for i := range s.Topics {
		for j := range s.Topics[i].Partitions {
			if s.Topics[i].Partitions[j].Load.FollowerBytesOutPerSecond > 0 {
				return nil, false
			}
		}
	}
	return out, len(out) > 1 && sum > 0
}

// sending is how far brokers are from what they were measured to send, as a part of
// the mean, when each follower sends so much; the totals are taken to be equal.
func (s *Snapshot) sending(measured map[int]float64, follower func(Load, int) BytesPerSecond) float64 {
	modelled := make(map[int]float64, len(measured))
	for i := range s.Topics {
		for j := range s.Topics[i].Partitions {
			p := s.Topics[i].Partitions[j]
			p.Load.FollowerBytesOutPerSecond = follower(p.Load, len(p.Replicas))
			for _, id := range p.Replicas {
				modelled[id] += float64(p.On(id).NetworkOut)
			}
		}
	}
	var all, allMeasured, square float64
	for id, m := range measured {
		all += modelled[id]
		allMeasured += m
	}
	if all <= 0 {
		return 0
	}
	for i := range s.Brokers {
		if m, ok := measured[s.Brokers[i].ID]; ok {
			d := modelled[s.Brokers[i].ID]/all - m/allMeasured
			square += d * d
		}
	}
	n := float64(len(measured))
	return math.Sqrt(square/n) * n
}
