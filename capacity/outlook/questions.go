package outlook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// zoneBrings are the constraints that a lost zone does not bear on: it comes
// back, and its data with it.
var zoneBrings = []string{string(cluster.Disk), capacity.Partitions, capacity.Replication}

const (
	// fillMargin is how much more than what is stored retention must fill to be
	// worth a word: a fifth is more than segments and compression explain.
	fillMargin = 1.2
	// yearMatters is the horizon from which on a missing season is told.
	yearMatters = 180 * 24 * time.Hour
)

// runsOut looks day by day for the first on which the brokers there are do not
// do; nil when even the high side never needs more within the horizon.
func (p *lookahead) runsOut(leadSeconds float64) *RunsOut {
	out := &RunsOut{}
	for at := p.from; !at.After(p.from.Add(p.Horizon)); at = at.AddDate(0, 0, 1) {
		r, growth := p.load(at), p.meanGrowth(at.Sub(p.from))
		p.exceeds(&out.Earliest, at, r.High, growth, nil)
		p.exceeds(&out.At, at, r.Mid, growth, out)
		p.exceeds(&out.Latest, at, r.Low, growth, nil)
		if !out.Latest.IsZero() {
			break
		}
	}
	if out.Earliest.IsZero() {
		return nil
	}
	if !out.At.IsZero() {
		out.OrderBy = out.At.Add(-time.Duration(leadSeconds * float64(time.Second)))
	} else {
		growth := p.meanGrowth(out.Earliest.Sub(p.from))
		out.Constraint = p.size(p.load(out.Earliest).High, growth, out.Earliest.Sub(p.from)).Bottleneck
	}
	return out
}

func (p *lookahead) exceeds(first *time.Time, at time.Time, peak, growth float64, out *RunsOut) {
	if !first.IsZero() {
		return
	}
	r := p.size(peak, growth, at.Sub(p.from))
	if r.Brokers <= p.facts.Brokers {
		return
	}
	*first = at
	if out != nil {
		out.Constraint = r.Bottleneck
	}
}

// shapes sizes the horizon's load on every machine with a price, cheapest first.
func (p *lookahead) shapes() []ShapeCost {
	var out []ShapeCost
	end := p.Horizon
	d := p.demand(p.load(p.from.Add(end)).Mid, p.meanGrowth(end), end)
	for _, s := range capacity.Shapes() {
		price, ok := s.HourlyPrice, p.ShapePrices == nil
		if p.ShapePrices != nil {
			price, ok = p.ShapePrices[s.Name]
		}
		if !ok || price <= 0 {
			continue
		}
		f, m := p.facts, p.Model
		f.Profile, f.Fleet, m.StorageNetwork = s.Capacity(), nil, s.StorageNetworkBytesPerSecond
		r := m.Size(d, f)
		prices := p.Prices
		prices.BrokerHour, prices.ReplicaHour, prices.CrossZoneGigabyte = price, 0, 0
		n := max(r.Brokers, p.Min)
		out = append(out, ShapeCost{Shape: s.Name, Brokers: n, BindingConstraint: r.Bottleneck,
			CostPerMonth: prices.Monthly(n, 0, s.DiskBytes, 0)})
	}
	slices.SortFunc(out, func(a, b ShapeCost) int {
		if a.CostPerMonth != b.CostPerMonth {
			if a.CostPerMonth < b.CostPerMonth {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Shape, b.Shape)
	})
	return out
}

// Part is what can be lost: a zone or, where that is "", a broker.
type Part struct {
	Zone   string
	Broker int
}

// ParsePart reads zone=a or broker=3.
func ParsePart(text string) (Part, error) {
	kind, value, _ := strings.Cut(text, "=")
	switch id, err := strconv.Atoi(value); {
	case kind == "zone" && value != "":
		return Part{Zone: value}, nil
	case kind == "broker" && err == nil:
		return Part{Broker: id}, nil
	}
	return Part{}, fmt.Errorf("%q is not something that can be lost; write zone=a or broker=3", text)
}

func (p Part) String() string {
	if p.Zone != "" {
		return "zone=" + p.Zone
	}
	return "broker=" + strconv.Itoa(p.Broker)
}

// has tells whether a broker is lost with the part.
func (p Part) has(b cluster.Broker) bool {
	if p.Zone != "" {
		return b.Zone == p.Zone
	}
	return b.ID == p.Broker
}

// Lose tells what losing a zone or a broker would mean at the present peak.
func Lose(in Input, what Part) (LossEffect, error) {
	e := LossEffect{What: what.String()}
	var zones []string
	for _, b := range in.Snapshot.Brokers {
		zones = append(zones, b.Zone)
		if b.State != cluster.BrokerAlive {
			continue
		}
		if what.has(b) {
			e.BrokersLost = append(e.BrokersLost, b.ID)
		} else {
			e.BrokersLeft++
		}
	}
	if len(e.BrokersLost) == 0 {
		slices.Sort(zones)
		return e, fmt.Errorf("%q names no broker that is alive; zones are %s", what.String(), strings.Join(slices.Compact(zones), ", "))
	}
	slices.Sort(e.BrokersLost)
	left := in.Snapshot
	left.Brokers = without(left.Brokers, what)
	p := &lookahead{Input: in, now: capacity.DemandOf(in.Snapshot), facts: capacity.FactsOf(left, in.Shape), from: in.Snapshot.TakenAt}
	p.facts.Profile = capacity.ProfileOf(in.Snapshot.Brokers, in.Shape)
	p.peakNow = max(in.PeakNow, float64(p.now.Produced))
	p.carry(&e, what.Zone != "")
	p.partitionsWithout(&e)
	return e, nil
}

// without is the brokers once a part is lost.
func without(brokers []cluster.Broker, what Part) []cluster.Broker {
	out := slices.Clone(brokers)
	for i := range out {
		if what.has(out[i]) {
			out[i].State = cluster.BrokerDead
		}
	}
	return out
}

// carry asks whether the brokers that are left carry the load, and how many
// more would. A lost zone takes the same part of what is added, unless the
// zones that are left get it; they do, in what is counted here.
func (p *lookahead) carry(e *LossEffect, zone bool) {
	m := p.Model
	m.Survive = capacity.Loss{}
	r := m.Size(p.demand(p.peakNow, 1, 0), p.facts)
	need := 0
	for _, c := range r.Constraints {
		if c.Advisory || c.Unknown != "" || zone && slices.Contains(zoneBrings, c.Name) {
			continue
		}
		if c.Brokers > need {
			need = c.Brokers
			if need > e.BrokersLeft {
				e.Overloaded = c.Name
			}
		}
	}
	e.Holds = need <= e.BrokersLeft
	e.BrokersToAdd = max(0, need-e.BrokersLeft)
	diskMonth := float64(p.facts.Profile.DiskBytes) / 1e9 * p.Prices.GigabyteMonth
	e.CostToHold = float64(e.BrokersToAdd) * (p.Prices.BrokerHour*capacity.HoursPerMonth + diskMonth)
}

func (p *lookahead) partitionsWithout(e *LossEffect) {
	for i := range p.Snapshot.Topics {
		t := &p.Snapshot.Topics[i]
		least := t.MinInSync()
		for _, part := range t.Partitions {
			left := 0
			for _, id := range part.ISR {
				if !slices.Contains(e.BrokersLost, id) {
					left++
				}
			}
			switch {
			case left == 0:
				e.PartitionsOffline++
			case left < least:
				e.PartitionsUnderMinISR++
			}
		}
	}
}

func (p *lookahead) notes(o Outlook) []string {
	var out []string
	if p.Trend == nil && p.Growth == nil {
		out = append(out, "no trace of at least 14 days and no --growth: the load is taken to stay as it is")
	}
	if t := p.Trend; t != nil && p.Growth == nil {
		out = append(out, t.notes(p.Horizon)...)
	}
	if p.now.LoadUnknown != "" {
		out = append(out, p.now.LoadUnknown)
	}
	if !o.Requirement.Complete {
		for _, c := range o.Requirement.Constraints {
			if c.Unknown != "" && !c.Advisory {
				out = append(out, fmt.Sprintf("%s is unknown, so sizes are lower bounds: %s", c.Name, c.Unknown))
			}
		}
	}
	out = append(out, p.fills()...)
	if p.Max > 0 {
		for _, m := range o.Months {
			if m.Brokers.Mid > p.Max {
				out = append(
					out,
					fmt.Sprintf("from %s on more than brokers.max of %d are needed", m.From.UTC().Format("2006-01-02"), p.Max),
				)
				break
			}
		}
	}
	return out
}

// fills says what is stored that this plan may be wrong about, or that will not stay
// as it is.
func (p *lookahead) fills() (out []string) {
	filled, likely := capacity.StoredFilled(p.Snapshot, p.meanShare()), capacity.StoredAhead(p.Snapshot, p.meanShare(), 1, p.Horizon)
	if p.now.Stored > 0 && filled > fillMargin*max(likely, p.now.Stored) {
		out = append(out, fmt.Sprintf("%s are stored now, and retention would fill %s at this rate: "+
			"brokers compress some of it, and if it has not run its time yet, or is raised, disks need up to that much",
			p.now.Stored, filled))
	}
	grows := capacity.GrowsADay(p.Snapshot, p.meanShare())
	if grows <= 0 || p.now.Stored < 0 {
		return out
	}
	var disks cluster.Bytes
	for _, b := range p.Snapshot.Brokers {
		if b.State == cluster.BrokerAlive {
			disks += b.Capacity.DiskBytes
		}
	}
	note := fmt.Sprintf("topics that are kept for ever grow by %s a day", grows)
	if limit := p.Model.Limits.Disk; disks > 0 && limit > 0 {
		days := func(share cluster.Ratio) float64 {
			return max(0, float64((disks*cluster.Bytes(share)-p.now.Stored)/grows))
		}
		note += fmt.Sprintf(
			": %.0f %% of the %s there are will be used in %.1f days, and all in %.1f",
			100*limit,
			disks,
			days(limit),
			days(1),
		)
	}
	return append(out, note)
}

// notes say how far the trend can be trusted.
func (t *Trend) notes(horizon time.Duration) []string {
	var out []string
	switch n := len(t.Widened); {
	case n == 0:
		out = append(out, "the trace is too short to try the trend in its own past: the interval is the line's own")
	case max(t.Widened[n-1].Low, t.Widened[n-1].High) >= mostWidened:
		out = append(out, "the trace's past was no guide to what came after it: take the interval for a scenario, not for a promise")
	case float64(t.Widened[n-1].Days) < horizon.Hours()/24:
		out = append(out, fmt.Sprintf("the trend was tried in its own past up to %d days ahead; beyond that the interval is extrapolated",
			t.Widened[n-1].Days))
	}
	if t.Carried < 1 {
		out = append(out, fmt.Sprintf("%.0f %% of the growth is taken to go on, as was right in the trace's past", 100*t.Carried))
	}
	if t.Yearly == nil && horizon > yearMatters {
		out = append(out, "no season of the year is known: that takes two years which agree")
	}
	return out
}
