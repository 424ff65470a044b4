package rebalance

import (
	"math"

	"github.com/tidetable/tidetable/cluster"
)

// unbounded is the limit of a zone that another rule bounds already.
const unbounded = math.MaxInt8

// zoneRule is where the replicas of a partition may be. With every broker's zone
// known, they are in as many zones as there are, and no zone holds more of them
// than it must: ⌈RF/zones⌉, where each has so many brokers. Where only some
// brokers say their zone, the others' is unknown, and an unknown zone is none:
// nothing is forced, no partition loses a zone that it is known to be in, and no
// zone gets more of a partition's replicas than any holds now.
type zoneRule struct {
	need  int8 // distinct zones that the partition must be in
	most  int8 // replicas in one zone
	stray int8 // replicas on brokers that do not say their zone
}

// findZoneRules sets the rule of every partition. Brokers and partitions are laid.
func (p *problem) findZoneRules() {
	p.rules = make([]zoneRule, p.np)
	brokers := p.brokersOfZones()
	byRF := map[int]zoneRule{}
	for i := range p.rules {
		rf := p.rf(i)
		if p.unzoned >= 0 {
			p.rules[i] = p.ruleAsItIs(i)
			continue
		}
		rule, known := byRF[rf]
		if !known {
			rule = zoneRule{need: int8(min(rf, p.nzAlive)), most: mostOfZone(rf, brokers), stray: unbounded}
			byRF[rf] = rule
		}
		p.rules[i] = rule
	}
}

// mostOfZone is the least m for which zones of so many brokers hold rf replicas
// with at most m in each.
func mostOfZone(rf int, brokers []int) int8 {
	if rf <= len(brokers) {
		return unbounded // as many zones as replicas: one each already
	}
	for m := 1; m < min(rf, unbounded); m++ {
		room := 0
		for _, n := range brokers {
			room += min(m, n)
		}
		if room >= rf {
			return int8(m)
		}
	}
	return unbounded
}

// ruleAsItIs lets a partition have no fewer known zones than it has, and no known
// zone more of its replicas than one has now: what is lost with a zone that is known
// never becomes more.
func (p *problem) ruleAsItIs(i int) zoneRule {
	reps := p.replicas(p.orig, i)
	rule := zoneRule{need: int8(p.distinctZones(reps, -1, -1))}
	for _, b := range reps {
		n := int8(p.inZone(reps, -1, p.zone[b]))
		if p.zone[b] != p.unzoned {
			rule.most = max(rule.most, n)
		}
		rule.stray = max(rule.stray, n)
	}
	return rule
}

// findUnzoned is the zone of the brokers that do not say theirs, in a cluster where
// others do; -1 where there are none.
func findUnzoned(bs []cluster.Broker, alive []bool, zone []int32) int32 {
	zoned, without := false, int32(-1)
	for b, x := range bs {
		switch {
		case !alive[b]:
		case x.Zone == "":
			without = zone[b]
		default:
			zoned = true
		}
	}
	if !zoned {
		return -1
	}
	return without
}

// distinctZones counts the known zones that alive replicas are in, leaving out
// slot skip (-1: none) and adding zone extra (-1: none).
func (p *problem) distinctZones(reps []int32, skip int, extra int32) int {
	n := 0
	for k, b := range reps {
		if k == skip || !p.alive[b] {
			continue
		}
		z, seen := p.zone[b], false
		if z == extra || z == p.unzoned {
			continue
		}
		for j := 0; j < k && !seen; j++ {
			seen = j != skip && p.alive[reps[j]] && p.zone[reps[j]] == z
		}
		if !seen {
			n++
		}
	}
	if extra >= 0 && extra != p.unzoned {
		n++
	}
	return n
}

// inZone counts the alive replicas in a zone, leaving out slot skip.
func (p *problem) inZone(reps []int32, skip int, z int32) int {
	n := 0
	for k, b := range reps {
		if k != skip && p.alive[b] && p.zone[b] == z {
			n++
		}
	}
	return n
}

// limit is how many replicas of partition i zone z may hold.
func (p *problem) limit(i int, z int32) int8 {
	if z == p.unzoned {
		return p.rules[i].stray
	}
	return p.rules[i].most
}

// roomInZone tells whether zone z may get slot k of partition i.
func (p *problem) roomInZone(i int, reps []int32, k int, z int32) bool {
	limit := p.limit(i, z)
	return limit == unbounded || p.inZone(reps, k, z) < int(limit)
}

// crowding counts the replicas that are more than their zone may hold.
func (p *problem) crowding(i int, reps []int32) int {
	if p.rules[i].most == unbounded {
		return 0
	}
	over := 0
	for k, b := range reps {
		if !p.alive[b] {
			continue
		}
		before := 0
		for _, c := range reps[:k] {
			if p.alive[c] && p.zone[c] == p.zone[b] {
				before++
			}
		}
		if before >= int(p.limit(i, p.zone[b])) {
			over++
		}
	}
	return over
}

// keepsZones tells whether the replicas are where the rule of partition i has
// them.
func (p *problem) keepsZones(i int, reps []int32) bool {
	return p.distinctZones(reps, -1, -1) >= int(p.rules[i].need) && p.crowding(i, reps) == 0
}
