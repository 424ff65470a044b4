package rebalance

import (
	"fmt"
	"strconv"

	"github.com/tidetable/tidetable/cluster"
)

// warnings tells what is not forbidden and yet needs somebody's attention; what
// hurts now comes first.
func (p *problem) warnings(s, now cluster.Snapshot) []string {
	var out []string
	say := func(list []int, format string) {
		if len(list) > 0 {
			out = append(out, fmt.Sprintf(format, len(list), p.names(s, list)))
		}
	}
	var under, leaderless, moving []int
	for i := 0; i < p.np; i++ {
		t := &now.Topics[p.topic[i]]
		if len(t.Partitions[p.part[i]].ISR) < t.MinInSync() {
			under = append(under, i)
		}
		if p.lead0[i] < 0 {
			leaderless = append(leaderless, i)
		}
		if p.held[i] == inFlight {
			moving = append(moving, i)
		}
	}
	say(under, "%d partitions have fewer replicas in sync than min.insync.replicas asks for, so producers that wait for them "+
		"are refused; that comes before any balance, such as %v")
	say(leaderless, "%d partitions have no leader; nothing can be copied from them until a replica is back, such as %v")
	say(moving, "%d partitions are being moved already; they are left alone and counted where they are going, such as %v")
	out = append(out, mixedFactors(s)...)
	if p.unzoned >= 0 {
		var ids []string
		for b := range p.alive {
			if p.alive[b] && p.zone[b] == p.unzoned {
				ids = append(ids, strconv.Itoa(p.ids[b]))
			}
		}
		out = append(out, fmt.Sprintf("%s without a zone (broker.rack) beside others that have one: an unknown zone is none, "+
			"so no partition is moved for the zones' sake, and none loses a zone that it is known to be in", brokersAre(ids)))
	}
	for r, g := range goals {
		if p.unknown[r] && !g.count {
			out = append(
				out,
				fmt.Sprintf("no broker's capacity for %s is known, so it is neither evened out nor kept within bounds", g.name),
			)
		}
	}
	return append(append(out, p.unknownFigures()...), offlineDirectories(s)...)
}

func brokersAre(ids []string) string {
	if len(ids) == 1 {
		return brokersNamed(ids) + " is"
	}
	return brokersNamed(ids) + " are"
}

// mixedFactors names the topics whose partitions differ in their number of
// replicas.
func mixedFactors(s cluster.Snapshot) []string {
	var names []string
	for ti := range s.Topics {
		parts := s.Topics[ti].Partitions
		for i := range parts {
			if len(parts[i].Replicas) != len(parts[0].Replicas) {
				names = append(names, s.Topics[ti].Name)
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d topics have partitions of different replication factors, which are kept as they are: %v",
		len(names), names[:min(len(names), maxListed)])}
}
