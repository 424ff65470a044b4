package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// Limits is how much of each resource may be used, after what Survive says is
// lost. A zero is taken as 1: the resource's whole.
type Limits struct {
	CPU, NetworkIn, NetworkOut, Disk, DiskBandwidth cluster.Ratio
}

// Loss is what the cluster must be able to lose at the peak.
type Loss struct {
	Brokers int
	Zones   int
}

// Model sizes a cluster. It is plain data; the zero value keeps no headroom.
type Model struct {
	Limits  Limits
	Survive Loss
	// MaxReplicasPerBroker bounds partition replicas on a broker; 0 stands for
	// DefaultReplicasPerBroker.
	MaxReplicasPerBroker int
	// CatchUp is how long filling a lost broker again may take, at MoveRate;
	// 0: reported, but nothing is sized for it.
	CatchUp  time.Duration
	MoveRate cluster.BytesPerSecond
	// CacheSeconds is how far behind a reader may be and still be served from
	// memory; reported only.
	CacheSeconds float64
	// StorageNetwork is the link to network-attached disks; 0: local disks.
	StorageNetwork cluster.BytesPerSecond
}

// DefaultReplicasPerBroker is KIP-578's and MSK's limit for large brokers.
const DefaultReplicasPerBroker = 4000

// Facts is the cluster that is sized: what it has now.
type Facts struct {
	Brokers int // alive
	Zones   int // distinct, of the alive brokers; 1 when zones are not used
	// ZoneUnknown says that some alive broker's zone is not known: then it is not
	// known either what each zone holds.
	ZoneUnknown bool
	Profile     cluster.Capacity
	// Fleet is each alive broker, where they must be told apart; nil: all can do
	// what the profile says, in zones of equal size.
	Fleet []Member
}

// FactsOf reads the facts off a snapshot.
func FactsOf(s cluster.Snapshot, shape *Shape) Facts {
	f := Facts{Profile: ProfileOf(s.Brokers, shape)}
	var zones []string
	for i := range s.Brokers {
		b := &s.Brokers[i]
		if b.State != cluster.BrokerAlive {
			continue
		}
		f.Brokers++
		f.ZoneUnknown = f.ZoneUnknown || b.Zone == ""
		if b.Zone != "" && !slices.Contains(zones, b.Zone) {
			zones = append(zones, b.Zone)
		}
	}
	f.Zones = max(1, len(zones))
	f.Fleet = fleetOf(s.Brokers, f.Profile)
	return f
}

// sizing is what one constraint's function sees.
type sizing struct {
	Model
	Demand
	Facts
}

// Size computes every constraint, and the requirement that meets them all.
func (m Model) Size(d Demand, f Facts) Requirement {
	s := sizing{m, d, f}
	r := Requirement{Complete: true, Constraints: make([]Constraint, 0, len(constraints)), Headroom: s.headroom()}
	for _, c := range constraints {
		x := c.compute(&s)
		x.Name = c.name
		x.Advisory = x.Advisory || c.advisory
		r.Constraints = append(r.Constraints, x)
		switch {
		case x.Advisory:
		case x.Unknown != "":
			r.Complete = false
		case x.Brokers > r.Brokers:
			r.Brokers, r.Bottleneck = x.Brokers, x.Name
		}
	}
	if s.CatchUp > 0 {
		r.Headroom += fmt.Sprintf("; a lost broker is filled again within %s", s.CatchUp)
	}
	r.CrossZone = CrossZone(d, f.Zones, false)
	return r
}

// headroom says in words what may be lost.
func (s *sizing) headroom() string {
	switch {
	case s.Survive.Zones > 0 && s.Zones > s.Survive.Zones:
		return fmt.Sprintf("%d of %d zones may be lost", s.Survive.Zones, s.Zones)
	case s.Survive.Zones > 0:
		return fmt.Sprintf("losing %d zones cannot be survived with %d: one broker's loss is kept instead", s.Survive.Zones, s.Zones)
	case s.Survive.Brokers > 0:
		return fmt.Sprintf("%d brokers may be lost", s.Survive.Brokers)
	default:
		return "none: nothing may be lost"
	}
}

// lost is how many of n brokers the worst survivable loss takes, with brokers
// spread over zones as evenly as they go.
func (s *sizing) lost(n int) int {
	switch {
	case s.Survive.Zones > 0 && s.Zones > s.Survive.Zones:
		// The zones with most brokers are the ones that fail.
		base, extra := n/s.Zones, n%s.Zones
		return s.Survive.Zones*base + min(s.Survive.Zones, extra)
	case s.Survive.Zones > 0:
		return 1
	default:
		return s.Survive.Brokers
	}
}

// withLoss is the smallest number of brokers of which need are left after the
// worst survivable loss.
func (s *sizing) withLoss(need int) int {
	n := max(need, 1)
	for n-s.lost(n) < need {
		n++
	}
	return n
}

// inZones is the smallest number of brokers, spread over zones as evenly as they
// go, of which the zone with fewest carries what every zone holds a whole copy of.
func (s *sizing) inZones(floor, each float64) int {
	if s.Zones < 2 || s.ZoneUnknown || !(floor > 0) {
		return 0
	}
	return s.Zones * atLeast(floor/each)
}

// withStaying is the smallest number of brokers that carry a demand, and what is
// left of it after a lost zone on those that are left: what stays is shared by all
// and goes with its brokers, since a replica that is gone is not written.
func (s *sizing) withStaying(demand, stays, each float64) int {
	if s.Survive.Zones == 0 || s.Zones <= s.Survive.Zones || stays <= 0 {
		return s.withLoss(atLeast(demand / each))
	}
	n := max(atLeast(demand/each), s.withLoss(1))
	for left := n - s.lost(n); float64(left)*each*(1+roundingSlack) < stays*float64(left)/float64(n)+demand-stays; left = n - s.lost(n) {
		n++
	}
	return n
}

// rate is a demand that moves to the brokers that are left after a loss.
type rate struct {
	demand  float64
	stays   float64                        // of it, what a lost zone takes with it: its replicas are not written
	each    func(cluster.Capacity) float64 // what a broker can do
	limit   cluster.Ratio
	floor   float64 // what each zone must carry of the demand
	unit    string
	formula string
}

// load sizes a rate: demand/(u·each) brokers must be left after the loss.
func (s *sizing) load(r rate) Constraint {
	each, u := r.each(s.Profile), limit(r.limit)
	c := Constraint{Demand: r.demand, PerBroker: each * u, Unit: r.unit}
	switch {
	case s.LoadUnknown != "":
		c.Unknown = s.LoadUnknown
		return c
	case !(each > 0):
		c.Unknown = "no broker's capacity is known; name a shape in brokers.shape"
		return c
	case !(r.demand >= 0) || math.IsInf(r.demand, 0):
		c.Unknown = "the demand is not known"
		return c
	}
	if s.Fleet != nil {
		s.unlike(&c, fleetNeed{left: r.demand / u, floor: r.floor / u, each: r.each, lost: s.lossOf(r)}, u, r.formula)
		return c
	}
	c.Brokers = s.withStaying(r.demand, r.stays, c.PerBroker)
	if s.Brokers > 0 {
		c.Utilisation = cluster.Ratio(r.demand / (each * float64(s.Facts.Brokers)))
	}
	c.Formula = fmt.Sprintf("%s = %.4g ÷ (%.3g × %.4g %s) = %d left of %d", r.formula, r.demand, u, each, r.unit,
		atLeast(r.demand/c.PerBroker), c.Brokers)
	s.zoned(&c, r.floor)
	return c
}

// zoned raises an answer to what the zone with fewest brokers must carry: what of
// the demand every zone holds a copy of is the floor.
func (s *sizing) zoned(c *Constraint, floor float64) {
	if n := s.inZones(floor, c.PerBroker); n > c.Brokers {
		c.Brokers = n
		c.Formula += fmt.Sprintf("; %.4g in each of %d zones with a whole copy: %d", floor, s.Zones, n)
	}
}

// unlike answers a constraint for brokers that must be told apart, in units of
// what they have together.
func (s *sizing) unlike(c *Constraint, n fleetNeed, u float64, formula string) {
	var zones string
	c.Brokers, zones = s.fleet(n)
	has := s.has(n.each)
	c.PerBroker = has * u / float64(len(s.Fleet))
	c.Utilisation = cluster.Ratio(c.Demand / has)
	c.Formula = fmt.Sprintf("%s = %.4g of the %.3g × %.4g %s that %d brokers have: %d do", formula, c.Demand, u, has, c.Unit,
		len(s.Fleet), c.Brokers)
	if zones != "" {
		c.Formula += "; " + zones + " for a whole copy"
	}
}

// limit reads a zero limit as the whole.
func limit(u cluster.Ratio) float64 {
	if u <= 0 || u > 1 {
		return 1
	}
	return float64(u)
}

const (
	// mostBrokers bounds an answer: beyond it a formula has divided by nearly zero.
	mostBrokers = 1 << 20
	// roundingSlack is the part of a broker that floating point may add.
	roundingSlack = 1e-9
)

// atLeast rounds up, forgiving the last bits of floating point: 3.0000000001
// brokers are three.
func atLeast(x float64) int {
	if !(x > 0) {
		return 0
	}
	return int(math.Ceil(min(x, mostBrokers) * (1 - roundingSlack)))
}

// BottleneckUnknown is the bottleneck of a requirement that is only kept where
// it is because something could not be computed.
const BottleneckUnknown = "unknown"

// Explain gives the requirement in one line.
func (r Requirement) Explain() string {
	if r.Bottleneck == "" {
		return "no constraint could be computed"
	}
	var unknown []string
	s := fmt.Sprintf("%d brokers are kept", r.Brokers)
	for _, c := range r.Constraints {
		if c.Name == r.Bottleneck {
			s = fmt.Sprintf("%d brokers, bound by %s (%s)", r.Brokers, r.Bottleneck, c.Formula)
		}
		if c.Unknown != "" && !c.Advisory {
			unknown = append(unknown, c.Name)
		}
	}
	if len(unknown) > 0 {
		s += "; unknown: " + strings.Join(unknown, ", ")
	}
	return s
}
