package decision

// The reasons a Decision can carry: stable words for status, events and
// whoever counts them.
const (
	ReasonFailed            = "Failed"            // the loop could not do its work
	ReasonObservationFailed = "ObservationFailed" // the cluster could not be read
	ReasonObserved          = "Observed"          // mode Observe: nothing is proposed
	ReasonSteady            = "Steady"            // the size is right
	ReasonRecommended       = "Recommended"       // a change is recommended
	ReasonHeld              = "Held"              // a gate stands in the way for now
	ReasonRefused           = "Refused"           // a person must change something
	ReasonScaled            = "Scaled"            // a size was set
	ReasonMoving            = "Moving"            // an operation is in flight
	ReasonActionFailed      = "ActionFailed"      // what was tried did not work
	ReasonUnknown           = "Unknown"           // too little is known to say
)

// Reasons is every reason, for metrics that are there from the start.
var Reasons = []string{
	ReasonFailed, ReasonObservationFailed, ReasonObserved, ReasonSteady, ReasonRecommended, ReasonHeld,
	ReasonRefused, ReasonScaled, ReasonMoving, ReasonActionFailed, ReasonUnknown,
}
