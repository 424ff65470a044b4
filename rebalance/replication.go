package rebalance

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// ReplicationFactor asks for another replication factor of the topics that
// match.
type ReplicationFactor struct {
	Topics *regexp.Regexp
	Factor int
}

// nowhere, nowhere-1 and so on are the brokers that a partition's replicas still
// to be made are on: they must end up empty, so their replicas are placed like
// those of a broker that leaves.
const nowhere = -1

// resize gives partitions the replication factor asked for: superfluous
// replicas go, missing ones start nowhere. It returns which topics change; the
// argument's topics are left as they are.
func resize(s cluster.Snapshot, o Options) (cluster.Snapshot, map[int]bool, error) {
	changed := map[int]bool{}
	if len(o.ReplicationFactors) == 0 {
		return s, changed, nil
	}
	alive := map[int]bool{}
	zone := map[int]string{}
	for _, b := range s.Brokers {
		zone[b.ID] = b.Zone
		if b.State == cluster.BrokerAlive {
			alive[b.ID] = true
		}
	}
	grown, moving := 0, flying(s)
	index := make(map[int]int32, len(s.Brokers))
	for b, x := range s.Brokers {
		index[x.ID] = int32(b)
	}
	s.Topics = slices.Clone(s.Topics)
	for ti := range s.Topics {
		factor := 0
		for _, f := range o.ReplicationFactors {
			if f.Topics.MatchString(s.Topics[ti].Name) {
				factor = f.Factor
			}
		}
		if factor == 0 {
			continue
		}
		if factor < 1 || factor > len(alive) {
			return s, nil, fmt.Errorf("%w: replication factor %d for topic %s; it must be between 1 and the %d brokers alive",
				ErrBadSnapshot, factor, s.Topics[ti].Name, len(alive))
		}
		parts := slices.Clone(s.Topics[ti].Partitions)
		for i := range parts {
			q := &parts[i]
			missing := factor - len(q.Replicas)
			switch {
			case missing == 0, moving[partitionKey{s.Topics[ti].Name, q.Partition}], nobodyLives(s, *q, index):
				continue
			case missing < 0:
				q.Replicas = keepReplicas(*q, factor, alive, zone)
			default:
				q.Replicas = slices.Clone(q.Replicas)
				for k := range missing {
					q.Replicas = append(q.Replicas, nowhere-k)
					grown = max(grown, k+1)
				}
			}
			changed[ti] = true
		}
		s.Topics[ti].Partitions = parts
	}
	s.Brokers = slices.Clone(s.Brokers)
	for k := range grown {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: nowhere - k, State: cluster.BrokerDead})
	}
	return s, changed, nil
}

// fewest tells whether no zone has fewer replicas than z.
func fewest(replicas map[string]int, z string) bool {
	for _, n := range replicas {
		if n < replicas[z] {
			return false
		}
	}
	return true
}

// keepReplicas chooses factor replicas to keep: alive ones before others, one of
// the zone that keeps fewest before another, and otherwise in the order they have,
// so that the leader stays.
func keepReplicas(q cluster.Partition, factor int, alive map[int]bool, zone map[int]string) []int {
	rest := slices.Clone(q.Replicas)
	var kept []int
	seen := map[string]int{}
	for _, b := range q.Replicas {
		if alive[b] {
			seen[zone[b]] = 0
		}
	}
	for len(kept) < factor {
		best, bestWorth := 0, -1
		for k, b := range rest {
			worth := 0
			if alive[b] {
				worth += 4
			}
			if fewest(seen, zone[b]) {
				worth += 2
			}
			if b == q.Leader {
				worth++
			}
			if worth > bestWorth {
				best, bestWorth = k, worth
			}
		}
		kept = append(kept, rest[best])
		seen[zone[rest[best]]]++
		rest = slices.Delete(rest, best, best+1)
	}
	slices.SortFunc(kept, func(a, b int) int { return slices.Index(q.Replicas, a) - slices.Index(q.Replicas, b) })
	return kept
}
