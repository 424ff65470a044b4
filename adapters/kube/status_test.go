package kube

import (
	"errors"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

func condition(t *testing.T, s policy.Status, kind string) policy.Condition {
	t.Helper()
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c
		}
	}
	t.Fatalf("there is no condition %s", kind)
	return policy.Condition{}
}

func TestStatusIsARenderingOfTheDecision(t *testing.T) {
	d := decision.Decision{
		ID: "d1", Outcome: "5 brokers are needed", Recommended: 4,
		Limits:    decision.Limits{MaxBrokers: 4},
		Seen:      decision.Seen{Brokers: 3, Stale: []cluster.StaleSignal{{Signal: "group_lag", Reason: "no series"}}},
		Verdicts:  []decision.Verdict{{Gate: "windows", Ruling: decision.Hold, Why: "closed until 22:00"}},
		Operation: &decision.Operation{Phase: decision.Filling, Target: "StatefulSet/kafka", From: 3, To: 4, Note: "40 %"},
	}
	d.Requirement.Brokers = 5
	s := StatusOf(d, 7)
	if s.Brokers != 3 || s.Want != 4 || s.Why != d.Outcome || s.ObservedGeneration != 7 {
		t.Errorf("status = %+v", s)
	}
	for kind, want := range map[string]string{
		policy.ConditionReady: "True", policy.ConditionObserved: "False", policy.ConditionForecasting: "False",
		policy.ConditionLimited: "True", policy.ConditionMoving: "True", policy.ConditionHeld: "True",
	} {
		c := condition(t, s, kind)
		if c.Status != want || c.Reason == "" {
			t.Errorf("%s is %s for reason %q, want %s", kind, c.Status, c.Reason, want)
		}
	}
}

func TestEveryConditionHasAReasonWhateverTheDecision(t *testing.T) {
	for _, s := range []policy.Status{StatusOf(decision.Decision{}, 1), InvalidStatus(errors.New("no"), 1)} {
		for _, c := range s.Conditions {
			if c.Reason == "" {
				t.Errorf("%s has no reason: Kubernetes refuses that", c.Type)
			}
		}
	}
}

func TestAConditionThatDidNotChangeKeepsItsTime(t *testing.T) {
	old := []policy.Condition{
		{Type: "Ready", Status: "True", LastTransitionTime: "2026-01-01T00:00:00Z"},
		{Type: "Held", Status: "False", LastTransitionTime: "2026-01-01T00:00:00Z"},
	}
	got := Transitions(
		old,
		[]policy.Condition{{Type: "Ready", Status: "True"}, {Type: "Held", Status: "True"}},
		time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
	)
	if got[0].Type != "Held" || got[0].LastTransitionTime != "2026-02-01T00:00:00Z" || got[1].LastTransitionTime != "2026-01-01T00:00:00Z" {
		t.Errorf("transitions = %+v", got)
	}
}

func TestAnApprovalCoversOneProposalAlone(t *testing.T) {
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	p := decision.Proposal{Kind: decision.ScaleBrokers, Target: "StatefulSet/kafka", From: 3, To: 4}.Named("claims", now)
	notes := map[string]string{ApproveAnnotation: "other, " + p.ID, ApprovedByAnnotation: "ada"}
	if by, ok := approved(notes, p); !ok || by != "ada" {
		t.Errorf("approved = %q, %v", by, ok)
	}
	larger := p
	larger.To = 5
	for name, other := range map[string]decision.Proposal{
		"a larger change":              larger.Named("claims", now),
		"the same change, later":       p.Named("claims", now.Add(time.Minute)),
		"the same change, of another":  p.Named("orders", now),
		"a proposal that has no name":  {Kind: p.Kind, Target: p.Target, From: 3, To: 4},
		"what nobody has proposed yet": {},
	} {
		if _, ok := approved(notes, other); ok {
			t.Errorf("the approval covers %s", name)
		}
	}
	if _, ok := approved(nil, p); ok {
		t.Error("nothing approves")
	}
}
