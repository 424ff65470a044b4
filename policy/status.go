package policy

// How the custom resource is served.
const (
	Group   = "tidetable.io"
	Version = "v1alpha1"
	Plural  = "kafkacapacitypolicies"
)

// The conditions of a policy's status.
const (
	ConditionReady       = "Ready"       // the document is valid and the loop runs
	ConditionObserved    = "Observed"    // every signal was read
	ConditionForecasting = "Forecasting" // the forecast is trusted
	ConditionLimited     = "Limited"     // the policy's bounds keep the size from what is needed
	ConditionMoving      = "Moving"      // an operation is under way
	ConditionHeld        = "Held"        // a gate holds a proposal
)

// What a status holds at most, in characters: an object is at most 1.5 MB as a
// whole. The state names every change of the last day.
const (
	MaxState = 512 << 10 // of Operation
	MaxText  = 32 << 10  // of Why, and of a condition's message
)

// Status is what the loop last decided, as kubectl shows it. It is written by
// tidetable only.
type Status struct {
	ObservedGeneration int `json:"observedGeneration,omitempty"`
	// Brokers is how many there are.
	Brokers int `json:"brokers,omitempty"`
	// Want is how many the demand needs.
	Want int `json:"want,omitempty"`
	// Why says what binds, or what holds.
	Why string `json:"why,omitempty"`
	// Next says which change of the brokers comes next, and when.
	Next string `json:"next,omitempty"`
	// LastDecision is the id of the newest Decision in the journal.
	LastDecision string `json:"lastDecision,omitempty"`
	// Operation is the one operation under way, as JSON; whoever leads next
	// resumes it. Empty when there is none.
	Operation string `json:"operation,omitempty"`
	// Journal is the journal's newest entry, so that a truncated journal shows.
	Journal    *Anchor     `json:"journal,omitempty"`
	Conditions []Condition `json:"conditions,omitempty"`
}

// Anchor names one journal entry by its sequence and hash.
type Anchor struct {
	Sequence int    `json:"sequence"`
	Hash     string `json:"hash"`
	Path     string `json:"path,omitempty"` // of the journal it is an entry of
}

// Condition is a Kubernetes condition.
type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"` // True, False or Unknown
	ObservedGeneration int    `json:"observedGeneration,omitempty"`
	LastTransitionTime string `json:"lastTransitionTime,omitempty"` // RFC 3339
	Reason             string `json:"reason"`
	Message            string `json:"message"`
}
