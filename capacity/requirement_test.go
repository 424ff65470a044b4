package capacity

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

func TestARequirementOfVersionOneIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/requirement-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var r Requirement
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range constraints {
		known[c.name] = true
	}
	if len(r.Constraints) != len(constraints) {
		t.Errorf("%d constraints are read, want %d", len(r.Constraints), len(constraints))
	}
	for _, c := range r.Constraints {
		if !known[c.Name] {
			t.Errorf("constraint %q is read under a name that nobody has now", c.Name)
		}
	}
	if r.LeadTimeSeconds != 11100 || r.LeadTime() != 3*time.Hour+5*time.Minute {
		t.Errorf("a lead time of %v s is read, want 11100", r.LeadTimeSeconds)
	}
	if err := json.Unmarshal([]byte(`{"bottleneck":"network-out"}`), &r); err != nil || r.Bottleneck != "networkOut" {
		t.Errorf("the bottleneck is read as %q (%v), want networkOut", r.Bottleneck, err)
	}
}
