package outlook

import (
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// Input is what an outlook is made from.
type Input struct {
	Snapshot cluster.Snapshot
	Model    capacity.Model
	Shape    *capacity.Shape // for what the snapshot does not know; may be nil
	Min, Max int             // brokers; Max 0: no bound
	Horizon  time.Duration
	// Trend of the bytes produced, where there is a trace; nil: the load stays
	// as it is but for Growth.
	Trend *Trend
	// PeakNow is the highest load lately, and MeanNow its mean; 0: the
	// snapshot's own.
	PeakNow, MeanNow float64
	// Growth is the part by which the load grows until the horizon, compounding;
	// nil: as the trend says.
	Growth *float64
	// Groups are the consumers to size.
	Groups []Group
	Prices capacity.Prices
	// ShapePrices are broker hours by shape, to compare shapes; nil: the
	// catalogue's examples.
	ShapePrices map[string]float64
	MoveRate    cluster.BytesPerSecond
	Start       time.Duration // of a pod and its broker
}

// Group is a consumer group to size.
type Group struct {
	Name            string
	Arriving        float64 // records per second, at the peak lately
	PerReplica      float64
	AtLeast         bool // PerReplica is only known to be at least that
	Partitions, Now int
	Utilisation     cluster.Ratio
	Min, Max        int
}

// Version is the version of an outlook's JSON. 1 spelled constraints as in
// network-in, and gave the requirement's lead time in nanoseconds.
const Version = 2

// Outlook is what the coming months need.
type Outlook struct {
	Version           int       `json:"version"`
	From              time.Time `json:"from"`
	HorizonSeconds    float64   `json:"horizonSeconds"`
	BrokersNow        int       `json:"brokersNow"`
	BrokersNeededNow  int       `json:"brokersNeededNow"`
	BindingConstraint string    `json:"bindingConstraint"`
	// Requirement is the whole sizing at the end of the horizon, mid scenario.
	Requirement     capacity.Requirement `json:"requirementAtHorizon"`
	RunsOut         *RunsOut             `json:"runsOut"` // null: not within the horizon
	LeadTimeSeconds float64              `json:"leadTimeSeconds"`
	Trend           *TrendSummary        `json:"trend"`
	Months          []Month              `json:"months"`
	Currency        string               `json:"currency,omitempty"`
	CostPerMonthNow float64              `json:"costPerMonthNow"`
	Shapes          []ShapeCost          `json:"shapes,omitempty"` // cheapest first
	Losses          []LossEffect         `json:"losses,omitempty"`
	Notes           []string             `json:"notes,omitempty"`
}

// RunsOut is when the present size does not do any more.
type RunsOut struct {
	At         time.Time `json:"at,omitzero"`       // as expected; absent: not within the horizon
	Earliest   time.Time `json:"earliest,omitzero"` // if the load takes the high side
	Latest     time.Time `json:"latest,omitzero"`   // if it takes the low side; absent: beyond the horizon
	Constraint string    `json:"bindingConstraint"`
	// OrderBy is At less the lead time.
	OrderBy time.Time `json:"orderBy,omitzero"`
}

// TrendSummary is the trend in words a meeting can use.
type TrendSummary struct {
	DaysMeasured              int     `json:"daysMeasured"`
	PeakBytesInPerSecond      float64 `json:"peakBytesInPerSecond"`
	GrowthPerDay              float64 `json:"growthBytesInPerSecondPerDay"`
	GrowthPerDayLow           float64 `json:"growthBytesInPerSecondPerDayLow"`
	GrowthPerDayHigh          float64 `json:"growthBytesInPerSecondPerDayHigh"`
	RelativeGrowthPerMonth    float64 `json:"relativeGrowthPerMonth"`
	HighestWeekdayOverAverage float64 `json:"highestWeekdayOverAverage"`
	// HighestWeekOverAverage is the yearly season's; 0: less than two years are
	// measured, or they do not agree on one.
	HighestWeekOverAverage float64 `json:"highestWeekOfYearOverAverage,omitempty"`
	// SlopeCarriedOn is the part of the growth that is taken to go on, as was
	// right in the trace's own past.
	SlopeCarriedOn float64 `json:"slopeCarriedOn"`
	// IntervalWidened is by how much the past asks for wider intervals than the
	// line's own, at its longest horizon; 0: too short to tell.
	IntervalWidened float64 `json:"intervalWidened,omitempty"`
}

// Sizes are brokers for the low, mid and high side of the load.
type Sizes struct {
	Low  int `json:"low"`
	Mid  int `json:"mid"`
	High int `json:"high"`
}

// Month is one step of the plan: what is needed until its end.
type Month struct {
	From              time.Time      `json:"from"`
	To                time.Time      `json:"to"`
	PeakBytesIn       Range          `json:"peakBytesInPerSecond"`
	Brokers           Sizes          `json:"brokers"`
	BindingConstraint string         `json:"bindingConstraint"`
	StoredBytes       float64        `json:"storedBytes"`
	DiskPerBroker     float64        `json:"diskBytesPerBroker"` // used, at the mid size
	Consumers         map[string]int `json:"consumers,omitempty"`
	Partitions        map[string]int `json:"partitionsNeeded,omitempty"` // by group, where its partitions do not do
	Cost              float64        `json:"cost"`
}

// ShapeCost is what the horizon's load would take on one kind of machine.
type ShapeCost struct {
	Shape             string  `json:"shape"`
	Brokers           int     `json:"brokers"`
	BindingConstraint string  `json:"bindingConstraint"`
	CostPerMonth      float64 `json:"costPerMonth"`
}

// LossEffect is what losing something would mean now.
type LossEffect struct {
	What         string  `json:"what"`
	BrokersLeft  int     `json:"brokersLeft"`
	BrokersLost  []int   `json:"brokersLost"`
	Holds        bool    `json:"holds"` // the rest carries the load within the limits
	Overloaded   string  `json:"overloaded,omitempty"`
	BrokersToAdd int     `json:"brokersToAdd"` // so that it would hold
	CostToHold   float64 `json:"costToHoldPerMonth"`
	// PartitionsOffline lose every replica; PartitionsUnderMinISR stop taking
	// acks=all writes.
	PartitionsOffline     int `json:"partitionsOffline"`
	PartitionsUnderMinISR int `json:"partitionsUnderMinIsr"`
}

const month = time.Duration(capacity.HoursPerMonth * float64(time.Hour))

// Ahead looks ahead.
func Ahead(in Input) (Outlook, error) {
	if in.Horizon < 24*time.Hour || in.Horizon > 5*366*24*time.Hour {
		return Outlook{}, fmt.Errorf("planning ahead: the horizon is %s, want between a day and five years", in.Horizon)
	}
	p := &lookahead{
		Input: in,
		now:   capacity.DemandOf(in.Snapshot),
		facts: capacity.FactsOf(in.Snapshot, in.Shape),
		from:  in.Snapshot.TakenAt,
	}
	if in.Trend != nil && in.Trend.Origin.After(p.from) {
		p.from = in.Trend.Origin // the trace goes on after the snapshot
	}
	if p.facts.Brokers == 0 {
		return Outlook{}, fmt.Errorf("planning ahead: no broker of the snapshot is alive")
	}
	if p.now.Produced <= 0 && in.Trend == nil && in.PeakNow <= 0 {
		p.now.LoadUnknown = "the snapshot holds no rates, and there is no trace"
	}
	p.peakNow = max(in.PeakNow, float64(p.now.Produced))
	if p.now.Produced <= 0 && p.peakNow > 0 {
		p.assumeRates()
	}
	return p.plan(), nil
}

type lookahead struct {
	Input
	now     capacity.Demand
	facts   capacity.Facts
	from    time.Time
	peakNow float64
}

// assumeRates takes a trace's load for a snapshot that has placement only.
func (p *lookahead) assumeRates() {
	rf := 1.0
	if p.now.Partitions > 0 {
		rf = float64(p.now.Replicas) / float64(p.now.Partitions)
	}
	p.now.Produced = cluster.BytesPerSecond(p.peakNow)
	p.now.Replicated = cluster.BytesPerSecond(p.peakNow * rf)
}

func (p *lookahead) plan() Outlook {
	o := Outlook{Version: Version, From: p.from, HorizonSeconds: p.Horizon.Seconds(), BrokersNow: p.facts.Brokers}
	needed := p.size(p.peakNow, 1, 0)
	o.BrokersNeededNow = needed.Brokers
	for at := p.from; at.Before(p.from.Add(p.Horizon)); at = at.Add(month) {
		o.Months = append(o.Months, p.month(at, minTime(at.Add(month), p.from.Add(p.Horizon))))
	}
	o.Requirement = p.size(o.Months[len(o.Months)-1].PeakBytesIn.Mid, p.meanGrowth(p.Horizon), p.Horizon)
	o.BindingConstraint = o.Requirement.Bottleneck
	toFill := capacity.DataToFill(max(0, p.now.Stored), p.facts.Brokers, p.facts.Brokers+1)
	o.LeadTimeSeconds = capacity.LeadTime(p.Start, 0, toFill, p.MoveRate).Seconds()
	o.RunsOut = p.runsOut(o.LeadTimeSeconds)
	if t := p.Trend; t != nil {
		o.Trend = t.summary()
	}
	o.CostPerMonthNow = p.cost(p.facts.Brokers, p.consumersNow(), needed)
	o.Shapes = p.shapes()
	o.Notes = p.notes(o)
	return o
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// load is the peak expected at a time.
func (p *lookahead) load(at time.Time) Range {
	if p.Growth != nil {
		spread := Range{Low: 1, Mid: 1, High: 1}
		if t := p.Trend; t != nil && t.Level > 0 {
			spread = Range{Low: max(0, 1+t.Low/t.Level), Mid: 1, High: 1 + t.High/t.Level}
		}
		f := p.peakNow * p.growth(at.Sub(p.from))
		return Range{Low: f * spread.Low, Mid: f, High: f * spread.High}
	}
	if p.Trend == nil {
		return Range{p.peakNow, p.peakNow, p.peakNow}
	}
	return p.Trend.At(at)
}

// growth is the factor after a while when Growth says so: compounding.
func (p *lookahead) growth(after time.Duration) float64 {
	if p.Growth == nil {
		return 1
	}
	return math.Pow(1+*p.Growth, after.Seconds()/p.Horizon.Seconds())
}

// meanGrowth is by how much the mean load, and with it the data kept, has grown.
func (p *lookahead) meanGrowth(after time.Duration) float64 {
	if p.Growth != nil {
		return p.growth(after)
	}
	if t := p.Trend; t != nil && t.Level > 0 {
		return max(0, 1+t.Carried*t.Slope*after.Hours()/24/t.Level)
	}
	return 1
}

// demand is the load of a peak after a while, with data for a growth of the mean.
func (p *lookahead) demand(peak, growth float64, after time.Duration) capacity.Demand {
	d := p.now
	if d.Produced > 0 {
		f := peak / float64(d.Produced)
		d = d.Scale(f, f)
	}
	if s := capacity.StoredAhead(p.Snapshot, p.meanShare(), growth, after); s > 0 {
		d.Stored = s
	}
	return d
}

// meanShare is the mean load as a share of the snapshot's.
func (p *lookahead) meanShare() float64 {
	if p.MeanNow > 0 && p.now.Produced > 0 {
		return p.MeanNow / float64(p.now.Produced)
	}
	return 1
}

func (p *lookahead) size(peak, growth float64, after time.Duration) capacity.Requirement {
	r := p.Model.Size(p.demand(peak, growth, after), p.facts)
	r.Brokers = max(r.Brokers, p.Min)
	return r
}

func (p *lookahead) month(from, to time.Time) Month {
	m := Month{From: from, To: to}
	var low, mid, high float64
	for at := from; !at.After(to); at = at.AddDate(0, 0, 1) {
		r := p.load(at)
		low, mid, high = max(low, r.Low), max(mid, r.Mid), max(high, r.High)
	}
	end := p.load(to)
	m.PeakBytesIn = Range{max(low, end.Low), max(mid, end.Mid), max(high, end.High)}
	after := to.Sub(p.from)
	growth := p.meanGrowth(after)
	r := p.size(m.PeakBytesIn.Mid, growth, after)
	m.Brokers = Sizes{p.size(m.PeakBytesIn.Low, growth, after).Brokers, r.Brokers, p.size(m.PeakBytesIn.High, growth, after).Brokers}
	m.BindingConstraint = r.Bottleneck
	m.StoredBytes = max(0, float64(p.demand(m.PeakBytesIn.Mid, growth, after).Stored))
	m.DiskPerBroker = m.StoredBytes / float64(max(1, r.Brokers))
	replicas := 0
	m.Consumers, m.Partitions, replicas = p.consumers(m.PeakBytesIn.Mid)
	m.Cost = p.cost(r.Brokers, replicas, r)
	return m
}

// consumers are sized for the group's load grown as the cluster's.
func (p *lookahead) consumers(peak float64) (replicas, partitions map[string]int, total int) {
	if len(p.Groups) == 0 {
		return nil, nil, 0
	}
	replicas, partitions = map[string]int{}, map[string]int{}
	for _, g := range p.Groups {
		d := capacity.ConsumerDemand{
			Group: g.Name, Arriving: cluster.MessagesPerSecond(g.Arriving * ratio(peak, p.peakNow)),
			PerReplica: cluster.MessagesPerSecond(g.PerReplica), AtLeast: g.AtLeast,
			Partitions: g.Partitions, Current: g.Now, Utilisation: g.Utilisation, Min: g.Min, Max: g.Max,
		}
		replicas[g.Name] = capacity.SizeConsumers(d).Replicas
		total += replicas[g.Name]
		d.Partitions, d.Max = 1<<20, 0
		if want := capacity.SizeConsumers(d).Replicas; want > g.Partitions && g.PerReplica > 0 {
			partitions[g.Name] = want
		}
	}
	return replicas, partitions, total
}

func (p *lookahead) consumersNow() int {
	n := 0
	for _, g := range p.Groups {
		n += g.Now
	}
	return n
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 1
	}
	return a / b
}

func (p *lookahead) cost(brokers, replicas int, r capacity.Requirement) float64 {
	// What crosses zones is the mean's, not the peak's.
	cross := float64(r.CrossZone.Total())
	if p.MeanNow > 0 && p.peakNow > 0 {
		cross *= p.MeanNow / p.peakNow
	}
	return p.Prices.Monthly(brokers, replicas, p.facts.Profile.DiskBytes, cluster.BytesPerSecond(cross))
}

func (t *Trend) summary() *TrendSummary {
	s := &TrendSummary{DaysMeasured: t.Days, PeakBytesInPerSecond: t.Level, GrowthPerDay: t.Slope, GrowthPerDayLow: t.SlopeLow,
		GrowthPerDayHigh: t.SlopeHigh}
	if t.Level > 0 {
		s.RelativeGrowthPerMonth = t.Slope * month.Hours() / 24 / t.Level
	}
	for _, f := range t.Weekday {
		s.HighestWeekdayOverAverage = max(s.HighestWeekdayOverAverage, f)
	}
	for _, f := range t.Yearly {
		s.HighestWeekOverAverage = max(s.HighestWeekOverAverage, f)
	}
	s.SlopeCarriedOn = t.Carried
	if n := len(t.Widened); n > 0 {
		s.IntervalWidened = max(t.Widened[n-1].Low, t.Widened[n-1].High)
	}
	return s
}
