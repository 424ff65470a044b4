package controller

import (
	"cmp"
	"fmt"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// conclude puts a decision into one line and one word.
func (c *Controller) conclude(d *decision.Decision, f *Facts, kept string) {
	if op := c.machine.InFlight(); op != nil {
		o := op.Clone()
		d.Operation = &o
	}
	var failed, done, would string
	for _, a := range d.Actions {
		switch {
		case a.Error != "":
			failed = join(failed, a.Error)
		case a.DryRun:
			would = join(would, a.Done)
		default:
			done = join(done, a.Done)
		}
	}
	against, refused := standsInTheWay(d)
	switch {
	case failed != "":
		d.Reason, d.Outcome = decision.ReasonActionFailed, failed
	case done != "":
		d.Reason, d.Outcome = decision.ReasonScaled, done
	case d.Operation != nil && d.Operation.Blocked != "":
		d.Reason, d.Outcome = decision.ReasonHeld, "held: "+d.Operation.Words()
	case d.Operation != nil:
		d.Reason, d.Outcome = decision.ReasonMoving, d.Operation.Words()
	case refused:
		d.Reason, d.Outcome = decision.ReasonRefused, against
	case would != "":
		d.Reason, d.Outcome = decision.ReasonRecommended, would
	case against != "":
		d.Reason, d.Outcome = decision.ReasonHeld, against
	case c.spec.Mode == policy.Observe:
		d.Reason, d.Outcome = decision.ReasonObserved, "observed; mode Observe proposes nothing"
	case f.NotFresh != "" || kept != "" || !d.Requirement.Complete:
		d.Reason, d.Outcome = decision.ReasonUnknown, fmt.Sprintf(
			"kept at %d brokers: %s",
			f.Asked,
			cmp.Or(f.NotFresh, kept, d.Requirement.Explain()),
		)
	default:
		d.Reason, d.Outcome = decision.ReasonSteady, steady(d, f.Asked)
	}
}

// steady says why the size stays, and what comes next.
func steady(d *decision.Decision, brokers int) string {
	words, s := "the size is right: "+d.Requirement.Explain(), d.Schedule
	if s == nil {
		return words
	}
	if s.Needed < brokers {
		words = fmt.Sprintf("%d brokers kept; %d would do now", brokers, s.Needed)
	}
	return words + "; next: " + s.Comes()
}

// standsInTheWay tells which gate held or refused what.
func standsInTheWay(d *decision.Decision) (words string, refused bool) {
	for i, p := range d.Proposals {
		ok, v := decision.Allowed(d.Verdicts, i)
		if ok {
			continue
		}
		how := "held"
		if v.Ruling == decision.Refuse {
			how, refused = "refused", true
		}
		words = join(words, fmt.Sprintf("%s to %s: %s: %s", how, p.Words(), v.Gate, cmp.Or(v.Why, "could not tell")))
	}
	return words, refused
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
