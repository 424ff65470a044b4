package policy

import "github.com/tidetable/tidetable/cluster"

// Brokers says how many brokers there may be, and what they may carry.
type Brokers struct {
	Target Target `json:"target,omitzero" yaml:"target,omitempty"`
	// IDOf is the last word on which pod is which broker, where neither the
	// operator nor Kafka's metadata tells; nothing shrinks unless that is known.
	IDOf *IDOf `json:"idOf,omitempty" yaml:"idOf,omitempty"`
	Min  int   `json:"min,omitempty" yaml:"min,omitempty"`
	Max  int   `json:"max,omitempty" yaml:"max,omitempty"` // 0: no bound, in Recommend only
	// Shape names a machine of the built-in catalogue, for what the snapshot
	// does not know about the brokers' capacity.
	Shape       string      `json:"shape,omitempty" yaml:"shape,omitempty"`
	Utilisation Utilisation `json:"utilisation,omitzero" yaml:"utilisation,omitempty"`
	Survive     Survive     `json:"survive,omitzero" yaml:"survive,omitempty"`
	// Stabilisation: scale-in waits for the highest need of this long.
	Stabilisation Duration `json:"stabilisation,omitempty" yaml:"stabilisation,omitempty"`
	// MaxStep is the most brokers that one change adds or takes. When absent a
	// change may double what there are or halve it, and is up to three in any case.
	MaxStep int `json:"maxStep,omitempty" yaml:"maxStep,omitempty"`
	// MaxReplicasPerBroker bounds the partition replicas on one broker.
	MaxReplicasPerBroker int     `json:"maxReplicasPerBroker,omitempty" yaml:"maxReplicasPerBroker,omitempty"`
	Startup              Startup `json:"startup,omitzero" yaml:"startup,omitempty"`
	// CatchUp is how long a broker that was lost may take to be filled again;
	// 0: nothing is sized for it.
	CatchUp Duration `json:"catchUp,omitempty" yaml:"catchUp,omitempty"`
	// DrainTimeout is when a drain is reported as stuck. It only ever holds.
	DrainTimeout Duration `json:"drainTimeout,omitempty" yaml:"drainTimeout,omitempty"`
}

// leastStep is what one change may add or take however few brokers there are.
const leastStep = 3

// Step is the most brokers that one change may add, or take: where the policy
// does not say, it may double what there are, or halve it.
func (b Brokers) Step(from, to int) int {
	switch {
	case b.MaxStep > 0:
		return b.MaxStep
	case to > from:
		return max(leastStep, from)
	}
	return max(leastStep, from/2)
}

// IDOf says which broker a pod is: by a label or annotation of the pod that
// holds the id, or by what is added to the pod's ordinal.
type IDOf struct {
	Label  string `json:"label,omitempty" yaml:"label,omitempty"`
	Offset *int   `json:"offset,omitempty" yaml:"offset,omitempty"`
}

// Utilisation is how much of a resource may be used at the forecast's
// quantile, with what Survive says lost.
type Utilisation struct {
	CPU           cluster.Ratio `json:"cpu,omitempty" yaml:"cpu,omitempty"`
	NetworkIn     cluster.Ratio `json:"networkIn,omitempty" yaml:"networkIn,omitempty"`
	NetworkOut    cluster.Ratio `json:"networkOut,omitempty" yaml:"networkOut,omitempty"`
	Disk          cluster.Ratio `json:"disk,omitempty" yaml:"disk,omitempty"`
	DiskBandwidth cluster.Ratio `json:"diskBandwidth,omitempty" yaml:"diskBandwidth,omitempty"`
}

// Survive says what may be lost at the peak without overload: zones, or
// brokers. The zero value is defaulted to one zone, and to one broker in a
// cluster without zones.
type Survive struct {
	Zones   int `json:"zones,omitempty" yaml:"zones,omitempty"`
	Brokers int `json:"brokers,omitempty" yaml:"brokers,omitempty"`
	// Nothing keeps no headroom; it has to be said.
	Nothing bool `json:"nothing,omitempty" yaml:"nothing,omitempty"`
}

// Startup is how long a new member takes before data moves; it is used until
// operations have been seen, and learned from them then.
type Startup struct {
	Pod  Duration `json:"pod,omitempty" yaml:"pod,omitempty"`
	Join Duration `json:"join,omitempty" yaml:"join,omitempty"`
}

// Consumer is one consumer group and the workload that runs it.
type Consumer struct {
	Group  string `json:"group" yaml:"group"`
	Target Target `json:"target,omitzero" yaml:"target,omitempty"`
	Via    string `json:"via,omitempty" yaml:"via,omitempty"` // auto, floor, scale, metric
	Min    int    `json:"min,omitempty" yaml:"min,omitempty"`
	Max    int    `json:"max,omitempty" yaml:"max,omitempty"` // 0: the partitions bound it
	Lag    Lag    `json:"lag,omitzero" yaml:"lag,omitempty"`
	// PerReplica is the records per second one replica can do; 0: learned.
	PerReplica  float64       `json:"perReplica,omitempty" yaml:"perReplica,omitempty"`
	Utilisation cluster.Ratio `json:"utilisation,omitempty" yaml:"utilisation,omitempty"`
	// Stabilisation: scale-in waits for the highest need of this long, and for
	// what the forecast wants back within as long.
	Stabilisation Duration `json:"stabilisation,omitempty" yaml:"stabilisation,omitempty"`
	MaxStep       int      `json:"maxStep,omitempty" yaml:"maxStep,omitempty"` // 0: no bound
	Startup       Duration `json:"startup,omitempty" yaml:"startup,omitempty"`
}

// Lag is a group's objective.
type Lag struct {
	MaxSeconds float64 `json:"maxSeconds,omitempty" yaml:"maxSeconds,omitempty"`
}

// Rebalance says when and how data is moved.
type Rebalance struct {
	Disabled  bool          `json:"disabled,omitempty" yaml:"disabled,omitempty"`
	Tolerance cluster.Ratio `json:"tolerance,omitempty" yaml:"tolerance,omitempty"` // over a fair share, before it is a hot spot
	MinGain   cluster.Ratio `json:"minGain,omitempty" yaml:"minGain,omitempty"`     // fall of the worst broker's utilisation that is worth moving for
	Throttle  string        `json:"throttle,omitempty" yaml:"throttle,omitempty"`   // auto, or a rate such as 50MB/s
	MaxBytes  string        `json:"maxBytes,omitempty" yaml:"maxBytes,omitempty"`   // of one plan, such as 500GB
	Windows   []Window      `json:"windows,omitempty" yaml:"windows,omitempty"`
	Exclude   Exclude       `json:"exclude,omitzero" yaml:"exclude,omitempty"`
	Zones     ZoneRules     `json:"zones,omitzero" yaml:"zones,omitempty"`
}

// Exclude names what is left where it is.
type Exclude struct {
	Topics  []string `json:"topics,omitempty" yaml:"topics,omitempty"` // regular expressions
	Brokers []int    `json:"brokers,omitempty" yaml:"brokers,omitempty"`
}

// ZoneRules are wishes about zones beyond the rack rule.
type ZoneRules struct {
	PreferConsumers bool `json:"preferConsumers,omitempty" yaml:"preferConsumers,omitempty"`
}

// Gates say when nothing may be done.
type Gates struct {
	Windows    []Window      `json:"windows,omitempty" yaml:"windows,omitempty"` // scale-in and rebalancing only inside; reactive scale-out always
	Cooldown   Duration      `json:"cooldown,omitempty" yaml:"cooldown,omitempty"`
	Hold       bool          `json:"hold,omitempty" yaml:"hold,omitempty"`
	StaleAfter Duration      `json:"staleAfter,omitempty" yaml:"staleAfter,omitempty"`
	MinZones   int           `json:"minZones,omitempty" yaml:"minZones,omitempty"`
	DiskAfter  cluster.Ratio `json:"diskAfter,omitempty" yaml:"diskAfter,omitempty"` // highest disk fill after a change
	Budget     Budget        `json:"budget,omitzero" yaml:"budget,omitempty"`
	// Ineffective is how long a scale-out has to show an effect.
	Ineffective Duration `json:"ineffective,omitempty" yaml:"ineffective,omitempty"`
}

// Budget bounds what is done in any 24 hours.
type Budget struct {
	BrokerActions   int `json:"brokerActionsPerDay,omitempty" yaml:"brokerActionsPerDay,omitempty"`
	ConsumerActions int `json:"consumerActionsPerDay,omitempty" yaml:"consumerActionsPerDay,omitempty"` // a group
}

// Cost is what things cost, in one currency of the reader's choice.
type Cost struct {
	BrokerHour        float64 `json:"brokerHour,omitempty" yaml:"brokerHour,omitempty"`
	ReplicaHour       float64 `json:"replicaHour,omitempty" yaml:"replicaHour,omitempty"` // a consumer replica
	GigabyteMonth     float64 `json:"gigabyteMonth,omitempty" yaml:"gigabyteMonth,omitempty"`
	CrossZoneGigabyte float64 `json:"crossZoneGigabyte,omitempty" yaml:"crossZoneGigabyte,omitempty"`
	Currency          string  `json:"currency,omitempty" yaml:"currency,omitempty"`
	// Change is what a change of the number of brokers costs by itself, and
	// MovedGigabyte what a gigabyte that is moved costs beside what crosses
	// zones: the attention, the time and the risk. ShortBrokerHour is the price
	// of a broker that is needed and not there, for an hour. Where they are
	// absent they follow from the price of a broker.
	Change          float64 `json:"change,omitempty" yaml:"change,omitempty"`
	MovedGigabyte   float64 `json:"movedGigabyte,omitempty" yaml:"movedGigabyte,omitempty"`
	ShortBrokerHour float64 `json:"shortBrokerHour,omitempty" yaml:"shortBrokerHour,omitempty"`
}

// Alerts says which alerts are listened to. An alert can hold, freeze or
// raise; it can never scale in.
type Alerts struct {
	Alertmanagers []Alertmanager `json:"alertmanagers,omitempty" yaml:"alertmanagers,omitempty"`
	Webhook       Webhook        `json:"webhook,omitzero" yaml:"webhook,omitempty"`
}

// Alertmanager is one to read from, and to announce to.
type Alertmanager struct {
	URL             string     `json:"url" yaml:"url"`
	TLS             TLS        `json:"tls,omitzero" yaml:"tls,omitempty"`
	BearerTokenFile string     `json:"bearerTokenFile,omitempty" yaml:"bearerTokenFile,omitempty"`
	BasicAuth       *BasicAuth `json:"basicAuth,omitempty" yaml:"basicAuth,omitempty"`
}

// Webhook takes Alertmanager's notifications.
type Webhook struct {
	Rules []AlertRule `json:"rules,omitempty" yaml:"rules,omitempty"`
	Token Secret      `json:"token,omitzero" yaml:"token,omitempty"` // a bearer token the sender must show
}

// AlertRule says what a matching alert does.
type AlertRule struct {
	Match  map[string]string `json:"match" yaml:"match"`   // label: value, all must hold
	Effect string            `json:"effect" yaml:"effect"` // hold, freeze, uplift, brokerDown, check
	For    Duration          `json:"for,omitempty" yaml:"for,omitempty"`
	Uplift float64           `json:"uplift,omitempty" yaml:"uplift,omitempty"`
	// SubjectLabel is the label that holds the broker's id, for brokerDown.
	SubjectLabel string `json:"subjectLabel,omitempty" yaml:"subjectLabel,omitempty"`
}

// Journal says where decisions are written.
type Journal struct {
	Path  string `json:"path,omitempty" yaml:"path,omitempty"`
	Topic string `json:"topic,omitempty" yaml:"topic,omitempty"`
	Sign  Secret `json:"sign,omitzero" yaml:"sign,omitempty"` // an Ed25519 private key, PEM
}
