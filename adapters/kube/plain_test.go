package kube

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/policy"
)

// What others have answered is as long as a line in the status, and steers no
// terminal that prints it.
func TestAStatusHoldsNoMoreOfAnAnswerThanALine(t *testing.T) {
	err := errors.New("the server said \x1b[2J\r\n" + strings.Repeat("x", 5<<20))
	for name, s := range map[string]policy.Status{"invalid": InvalidStatus(err, 1), "not started": NotStartedStatus(err, 1)} {
		for _, got := range []string{s.Why, s.Conditions[0].Message} {
			if strings.ContainsAny(got, "\x1b\r\n") || len(got) > plain.Most || got == "" {
				t.Errorf("%s: %d bytes: %.80q", name, len(got), got)
			}
		}
	}
	p := decision.Proposal{ID: "x"}
	if by, ok := approved(map[string]string{ApproveAnnotation: "x", ApprovedByAnnotation: "a\x1b[2Jb"}, p); !ok || by != "a [2Jb" {
		t.Errorf("approved by %q", by)
	}
}
