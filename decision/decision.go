// Package decision is the vocabulary below the loop: what one round saw,
// expected, needs, proposed, was allowed, did, and how that is told. It knows
// no loop, so that whoever only reads decisions (the journal, the page, the
// program's metrics, Alertmanager) depends on these values alone.
package decision

import (
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance"
)

// Version is the version of Decision that is written. Version 1 gave spans of
// time in nanoseconds; it is still read.
const Version = 2

// Decision is the one value that runs through the house: what was seen, what
// was forecast, what is required, what is proposed, what every gate said, what
// was done, and how it came out. Status, event, log line, journal entry, page
// and tidetable explain are renderings of it.
type Decision struct {
	Version   int       `json:"version"`
	ID        string    `json:"id"` // time of the tick and policy, sortable
	Time      time.Time `json:"time"`
	Policy    string    `json:"policy"`
	ClusterID string    `json:"clusterId"`
	Mode      string    `json:"mode"`

	Limits      Limits               `json:"limits"`
	Seen        Seen                 `json:"seen"`
	Forecasts   []ForecastSummary    `json:"forecasts"`
	Requirement capacity.Requirement `json:"requirement"`
	Proposals   []Proposal           `json:"proposals"`
	Verdicts    []Verdict            `json:"verdicts"`
	Actions     []Action             `json:"actions"`
	// Recommended is the number of brokers to have now: never below what there
	// are while anything is unknown. 0 when nothing could be observed.
	Recommended int `json:"recommendedBrokers"`
	// Horizon is how far the size looks ahead; at least the lead time.
	HorizonSeconds float64 `json:"horizonSeconds"`
	// Schedule is the changes of the number of brokers over the days to come;
	// nil where none could be made, since something is not known.
	Schedule *Schedule `json:"schedule,omitempty"`
	// Operation is what is in flight after the tick.
	Operation *Operation `json:"operation,omitempty"`
	// Notes are what a reader should know beyond the rest, such as a lead time
	// that no forecast can help with.
	Notes   []string `json:"notes,omitempty"`
	Outcome string   `json:"outcome"` // one line a person reads first
	Reason  string   `json:"reason"`  // stable CamelCase word

	// Moving is the rebalance in flight, if there is one.
	Moving *rebalance.Progress `json:"moving,omitempty"`
	// Accuracy is how past forecasts came out, where enough have.
	Accuracy []Accuracy `json:"accuracy,omitempty"`
	// Concerns is what the loop wants people to know beyond what Concerns
	// reads from the rest of the decision.
	Concerns []Concern `json:"concerns,omitempty"`
}

// Limits are the policy's bounds that the decision was made within.
type Limits struct {
	MinBrokers     int           `json:"minBrokers"`
	MaxBrokers     int           `json:"maxBrokers"`
	Tolerance      cluster.Ratio `json:"tolerance"` // of a broker's load over the average
	SurviveZones   int           `json:"surviveZones,omitempty"`
	SurviveBrokers int           `json:"surviveBrokers,omitempty"`
}

// BrokerLoad is how full one broker is: a row of the heat map.
type BrokerLoad struct {
	ID    int                 `json:"id"`
	Pod   string              `json:"pod,omitempty"` // where it is known which one the broker is
	Zone  string              `json:"zone"`
	State cluster.BrokerState `json:"state"`
	// Utilisation of the broker's own capacity. A resource that is not known is
	// absent.
	Utilisation map[cluster.Resource]cluster.Ratio `json:"utilisation"`
}

// Accuracy is how the forecasts of one signal came out lately.
type Accuracy struct {
	Signal   string        `json:"signal"`
	Subject  string        `json:"subject,omitempty"`
	Since    time.Time     `json:"since"`
	Points   int           `json:"points"`
	WAPE     cluster.Ratio `json:"wape"`     // of the median
	Coverage cluster.Ratio `json:"coverage"` // share of points at or below the sizing quantile
	Nominal  cluster.Ratio `json:"nominal"`  // what the coverage should be
}

// Seen is what the tick observed.
type Seen struct {
	Brokers int `json:"brokers"`
	// OtherBrokers are those of other workloads than the policy's, in the same cluster.
	OtherBrokers int                    `json:"otherBrokers,omitempty"`
	AliveBrokers int                    `json:"aliveBrokers"`
	Topics       int                    `json:"topics"`
	Partitions   int                    `json:"partitions"`
	BytesIn      cluster.BytesPerSecond `json:"bytesInPerSecond"`
	BytesOut     cluster.BytesPerSecond `json:"bytesOutPerSecond"`
	DiskBytes    cluster.Bytes          `json:"diskBytes"`
	Stale        []cluster.StaleSignal  `json:"stale,omitempty"`
	Sources      []cluster.Source       `json:"sources,omitempty"` // by what signals were read
	Observations []Observation          `json:"observations,omitempty"`
	BrokerLoads  []BrokerLoad           `json:"brokerLoads,omitempty"` // sorted by id
	// Utilisation is what all alive brokers use together of what they have
	// together: every broker's fair share.
	Utilisation map[cluster.Resource]cluster.Ratio `json:"utilisation,omitempty"`
}

// Observation is something said from outside, such as by Alertmanager. It may
// hold, freeze or raise; it can never scale in.
type Observation struct {
	Source  string    `json:"source"`
	Effect  string    `json:"effect"`
	Subject string    `json:"subject,omitempty"` // the broker's id for EffectBrokerDown
	Value   float64   `json:"value,omitempty"`   // the factor for EffectUplift, above 1
	Until   time.Time `json:"until"`
}

// Stands tells whether it still counts; one without an end does.
func (o Observation) Stands(now time.Time) bool { return o.Until.IsZero() || o.Until.After(now) }

// FrozenBy says which of what is said from outside freezes everything; "" when
// nothing that still stands does.
func FrozenBy(said []Observation, now time.Time) string {
	for _, o := range said {
		if o.Effect == EffectFreeze && o.Stands(now) {
			return "frozen by " + o.Source
		}
	}
	return ""
}

// The effects an observation can have. There is none that makes anything smaller.
const (
	EffectHold       = "hold"       // no scale-in
	EffectFreeze     = "freeze"     // no change of any kind
	EffectUplift     = "uplift"     // expect the load times Value
	EffectBrokerDown = "brokerDown" // treat a broker as lost
	EffectCheck      = "check"      // look now, do not wait for the next tick
)

// ForecastSummary is one signal's forecast at the lead time.
type ForecastSummary struct {
	Signal          string             `json:"signal"`
	Subject         string             `json:"subject,omitempty"` // such as a group's name
	Now             float64            `json:"now"`
	Unit            string             `json:"unit"`
	LeadTimeSeconds float64            `json:"leadTimeSeconds"`
	Quantiles       map[string]float64 `json:"quantiles"` // the highest within the horizon, by quantile
	PeakAt          time.Time          `json:"peakAt,omitzero"`
	Model           string             `json:"model"`
	Trusted         bool               `json:"trusted"`
	Why             string             `json:"why,omitempty"`
	// Capacity is what the present brokers may carry of the signal, in Unit; 0
	// where it is not known. ExhaustedAt is when the sizing quantile exceeds
	// what the policy's largest size could carry.
	Capacity    float64   `json:"capacity,omitempty"`
	ExhaustedAt time.Time `json:"exhaustedAt,omitzero"`
	// Curve is the quantile the policy sizes for, step by step; it may be thinned.
	Curve []CurvePoint `json:"curve,omitempty"`
}

// ClusterSubject is the subject of forecasts of the whole cluster.
const ClusterSubject = "cluster"

// CurvePoint is a forecast's low, middle and high at one time.
type CurvePoint struct {
	Time time.Time `json:"time"`
	Low  float64   `json:"low"`
	Mid  float64   `json:"mid"`
	High float64   `json:"high"`
}

// ProposalKind says what a proposal would change.
type ProposalKind string

// The kinds of proposals.
const (
	ScaleBrokers   ProposalKind = "ScaleBrokers"
	ScaleConsumers ProposalKind = "ScaleConsumers"
	Rebalance      ProposalKind = "Rebalance"
)

// Proposal is one change that the loop would like to make.
type Proposal struct {
	// ID is a hash of the change and of when it was first proposed: what an
	// approval is given for. Nobody can approve what has not been proposed yet.
	ID string `json:"id,omitempty"`
	// Since is when the change was first proposed, and has been ever since.
	Since  time.Time    `json:"since,omitzero"`
	Kind   ProposalKind `json:"kind"`
	Target string       `json:"target"` // the workload, or the group
	From   int          `json:"from"`
	To     int          `json:"to"`
	Why    string       `json:"why"`
	// Reactive is true when the load itself, not its forecast, asks for it.
	Reactive bool `json:"reactive,omitempty"`
	// Late is true when the load needs it before it can be done.
	Late bool `json:"late,omitempty"`
	// Group is the consumer group, for ScaleConsumers.
	Group string `json:"group,omitempty"`
}

// ScaleIn tells whether the proposal makes anything smaller.
func (p Proposal) ScaleIn() bool { return p.Kind != Rebalance && p.To < p.From }

// Ruling is a gate's answer. The zero value is the safe one: undecided holds.
type Ruling string

// The answers a gate can give.
const (
	Undecided Ruling = ""       // could not tell; counts as Hold
	Allow     Ruling = "Allow"  // go on
	Hold      Ruling = "Hold"   // not now; asked again at the next tick
	Refuse    Ruling = "Refuse" // not like this; a person must change something
)

// Verdict is one gate's answer to one proposal.
type Verdict struct {
	Gate     string `json:"gate"`
	Proposal int    `json:"proposal"` // index into Decision.Proposals
	Ruling   Ruling `json:"ruling"`
	Why      string `json:"why,omitempty"`
}

// Action is something that was done, or would have been.
type Action struct {
	Proposal int       `json:"proposal"`
	DryRun   bool      `json:"dryRun,omitempty"`
	At       time.Time `json:"at"`
	Done     string    `json:"done"`
	Error    string    `json:"error,omitempty"`
}

// PastScale is a change of size that was made.
type PastScale struct {
	Kind     ProposalKind `json:"kind"`
	Target   string       `json:"target"`
	From     int          `json:"from"`
	To       int          `json:"to"`
	At       time.Time    `json:"at"`
	Ended    time.Time    `json:"ended,omitzero"` // of an operation that took time
	Reactive bool         `json:"reactive,omitempty"`
	// Cancelled is true of an operation that was taken back.
	Cancelled bool `json:"cancelled,omitempty"`
	// Consumed and Lag are what the group did then, so that a scale-out that
	// did not help is noticed.
	Consumed float64 `json:"consumedRecordsPerSecond,omitempty"`
	Lag      int64   `json:"lagRecords,omitempty"`
}

// Allowed tells whether every gate allowed proposal i, and otherwise which
// stood in the way; a refusal is told before a hold.
func Allowed(verdicts []Verdict, i int) (ok bool, against Verdict) {
	ok = true
	for _, v := range verdicts {
		if v.Proposal != i || v.Ruling == Allow {
			continue
		}
		if ok || v.Ruling == Refuse && against.Ruling != Refuse {
			against = v
		}
		ok = false
	}
	return ok, against
}
