package kube

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

func TestAHoldByHandStandsUntilItsEndAndABadEndNeverFreesIt(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		annotations map[string]string
		held        bool
	}{
		{"no annotation", nil, false},
		{"a reason", map[string]string{policy.HoldAnnotation: "migration"}, true},
		{"an empty value", map[string]string{policy.HoldAnnotation: ""}, true},
		{"false", map[string]string{policy.HoldAnnotation: "false"}, false},
		{"before its end", map[string]string{policy.HoldAnnotation: "x", HoldUntilAnnotation: "2026-03-01T12:00:01Z"}, true},
		{"at its end", map[string]string{policy.HoldAnnotation: "x", HoldUntilAnnotation: "2026-03-01T12:00:00Z"}, false},
		{"an end nobody can read", map[string]string{policy.HoldAnnotation: "x", HoldUntilAnnotation: "tomorrow"}, true},
		{"an end alone", map[string]string{HoldUntilAnnotation: "2027-01-01T00:00:00Z"}, false},
	} {
		got := holdOf(tt.annotations, now)
		if (len(got) == 1) != tt.held {
			t.Errorf("%s: %+v", tt.name, got)
		}
		for _, o := range got {
			if o.Effect != decision.EffectFreeze || !o.Until.After(now) {
				t.Errorf("%s: %+v does not freeze", tt.name, o)
			}
		}
	}
}
