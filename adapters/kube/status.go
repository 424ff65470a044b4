package kube

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/policy"
)

// StatusOf renders a Decision as a policy's status.
func StatusOf(d decision.Decision, generation int64) policy.Status {
	s := policy.Status{
		ObservedGeneration: int(generation),
		Brokers:            d.Seen.Brokers,
		Want:               d.Recommended,
		Why:                bounded(d.Outcome),
		LastDecision:       d.ID,
	}
	if d.Schedule != nil {
		s.Next = d.Schedule.Comes()
	}
	add := func(kind string, is bool, yes, no, message string) {
		c := policy.Condition{Type: kind, Status: "False", Reason: no, Message: bounded(message), ObservedGeneration: int(generation)}
		if is {
			c.Status, c.Reason = "True", yes
		}
		s.Conditions = append(s.Conditions, c)
	}
	add(policy.ConditionReady, true, "Running", "NotRunning", d.Outcome)
	add(policy.ConditionObserved, len(d.Seen.Stale) == 0, "AllSignals", "SignalsMissing", staleNames(d))
	trusted, why := forecastTrusted(d)
	add(policy.ConditionForecasting, trusted, "Trusted", "NotTrusted", why)
	limited, why := limits(d)
	add(policy.ConditionLimited, limited, "PolicyBound", "WithinBounds", why)
	moving, why := operationCondition(d)
	add(policy.ConditionMoving, moving, "InProgress", "Idle", why)
	held, why := holds(d)
	add(policy.ConditionHeld, held, "GateHolds", "NothingHeld", why)
	return s
}

// InvalidStatus is the status of a policy that cannot be used.
func InvalidStatus(err error, generation int64) policy.Status {
	return notReady("the policy is not valid", "Invalid", err, generation)
}

// NotStartedStatus says that a policy's loop lacks something, and is tried again.
func NotStartedStatus(err error, generation int64) policy.Status {
	return notReady("the loop could not be started, and is tried again: "+bounded(err.Error()), "NotStarted", err, generation)
}

func notReady(why, reason string, err error, generation int64) policy.Status {
	return policy.Status{
		ObservedGeneration: int(generation), Why: bounded(why),
		Conditions: []policy.Condition{{
			Type: policy.ConditionReady, Status: "False", Reason: reason,
			Message: bounded(err.Error()), ObservedGeneration: int(generation),
		}},
	}
}

func staleNames(d decision.Decision) string {
	var names []string
	for _, x := range d.Seen.Stale {
		names = append(names, string(x.Signal)+": "+x.Reason)
	}
	return bounded(strings.Join(names, "; "))
}

func forecastTrusted(d decision.Decision) (bool, string) {
	if len(d.Forecasts) == 0 {
		return false, "there is no forecast yet"
	}
	for _, f := range d.Forecasts {
		if !f.Trusted {
			return false, bounded(strings.TrimSpace(f.Signal+" "+f.Subject) + ": " + f.Why)
		}
	}
	return true, fmt.Sprintf("%d forecasts are trusted", len(d.Forecasts))
}

// operation tells whether one is in flight, and where it stands.
func operationCondition(d decision.Decision) (bool, string) {
	op := d.Operation
	if op == nil {
		return false, ""
	}
	text := fmt.Sprintf("%s: %s from %d to %d brokers", op.Phase, op.Target, op.From, op.To)
	if why := cmp.Or(op.Blocked, op.Note); why != "" {
		text += "; " + why
	}
	return true, bounded(text)
}

// limits tells whether the policy's bounds keep the size from what is needed.
func limits(d decision.Decision) (bool, string) {
	if most := d.Limits.MaxBrokers; most > 0 && d.Requirement.Brokers > most {
		return true, fmt.Sprintf("%d brokers are needed, the policy allows %d", d.Requirement.Brokers, most)
	}
	return false, ""
}

func holds(d decision.Decision) (bool, string) {
	for _, v := range d.Verdicts {
		if v.Ruling != decision.Allow {
			return true, bounded(v.Gate + ": " + v.Why)
		}
	}
	if op := d.Operation; op != nil && op.Blocked != "" {
		return true, bounded(string(op.Phase) + ": " + op.Blocked)
	}
	return false, ""
}

// bounded is a text from whoever wrote it, as the object's schema takes it.
func bounded(s string) string {
	s = plain.Text(s)
	if len(s) > policy.MaxText {
		return strings.ToValidUTF8(s[:policy.MaxText-3], "") + "..."
	}
	return s
}
