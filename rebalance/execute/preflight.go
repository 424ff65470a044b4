package execute

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// Answer is what a preflight check says. The zero value is the safe one: a
// check that could not tell blocks.
type Answer string

// The answers of a check.
const (
	Undecided Answer = ""
	Ok        Answer = "ok"
	Block     Answer = "block"
	Skip      Answer = "skip" // does not apply here
)

// Finding is one check's answer.
type Finding struct {
	Check  string `json:"check"`
	Answer Answer `json:"answer"`
	Why    string `json:"why,omitempty"`
}

// situation is what a check may look at.
type situation struct {
	Moves     []Move
	Drain     []int
	View      View // of all topics
	Sizes     Sizes
	Throttles Throttles
	Owned     ownership
	// May is what Config.May answered, where it was asked.
	May      error
	MayAsked bool
	// TopicOperator says what Strimzi's topic operator would do to throttles;
	// TopicOperatorErr is why that is not known.
	TopicOperator    TopicOperator
	TopicOperatorErr error
}

// TopicOperator is what is known about Strimzi's topic operator beside the
// cluster.
type TopicOperator string

// What a topic operator may do to throttle lists.
const (
	TopicOperatorUnseen  TopicOperator = ""        // nothing points to one
	TopicOperatorReverts TopicOperator = "reverts" // it would undo throttles
	TopicOperatorAllows  TopicOperator = "allows"  // there is none, or it leaves them alone
	TopicOperatorUnknown TopicOperator = "unknown" // it could not be found out
)

// check is one reason not to begin.
type check struct {
	name string
	run  func(situation) (Answer, string)
}

// checks is the registry: one line a check, in the order in which a person
// would want to read them. A new check is one file, one test and a line here.
var checks = []check{
	{"plan", checkPlan},
	{"brokers", checkBrokers},
	{"in-sync-replicas", checkISR},
	{"foreign-reassignments", checkForeignReassignments},
	{"foreign-throttles", checkForeignThrottles},
	{"topic-operator", checkTopicOperator},
	{"log-directories", checkDirectories},
	{"disk-space", checkDiskSpace},
	{"leave", checkLeave},
}

// preflight asks every check whether a plan may begin.
func preflight(s situation) []Finding {
	out := make([]Finding, 0, len(checks))
	for _, c := range checks {
		a, why := c.run(s)
		out = append(out, Finding{c.name, a, why})
	}
	return out
}

// ErrRefused is wrapped by the error of a plan that may not begin.
var ErrRefused = errors.New("the mover refuses to begin")

// Refusal turns findings into one error that names every reason.
func Refusal(fs []Finding) error {
	var why []string
	for _, f := range fs {
		switch f.Answer {
		case Block:
			why = append(why, f.Check+": "+f.Why)
		case Undecided:
			why = append(why, f.Check+": could not be decided: "+f.Why)
		}
	}
	if len(why) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRefused, strings.Join(why, "; "))
}

// few joins the first names of a list, and says how many more there are.
func few[T fmt.Stringer](list []T) string {
	const most = 5
	var s []string
	for i, x := range list {
		if i == most {
			s = append(s, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		s = append(s, x.String())
	}
	return strings.Join(s, ", ")
}

// arriving is the bytes that the moves bring to each broker.
func arriving(moves []Move) map[int]cluster.Bytes {
	out := map[int]cluster.Bytes{}
	for _, m := range moves {
		for _, b := range without(m.Target, m.Original) {
			out[b] += m.Size
		}
	}
	return out
}
