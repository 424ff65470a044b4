package kube

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidetable/tidetable/decision"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations by which a person approves one proposal on its policy. The page
// writes both in the name of whoever it has checked; by hand, only the first
// is needed, and the API server's audit log knows the name.
const (
	ApproveAnnotation    = "tidetable.io/approve"
	ApprovedByAnnotation = "tidetable.io/approved-by"
)

// ApprovalKey is what the approve annotation holds: the proposal itself, so
// that yesterday's approval never covers today's proposal.
func ApprovalKey(p decision.Proposal) string {
	return fmt.Sprintf("%s/%s/%d-%d", p.Kind, p.Target, p.From, p.To)
}

// Approvals reads approvals from a policy's annotations. Several are separated
// by commas.
type Approvals struct {
	Policies *Policies
	Object   Object
}

// Approved tells whether the proposal is approved, and by whom.
func (a Approvals) Approved(ctx context.Context, p decision.Proposal) (by string, ok bool, err error) {
	o, err := a.Policies.Clients.Dynamic.Resource(PolicyResource).Namespace(a.Object.Policy.Metadata.Namespace).
		Get(ctx, a.Object.Policy.Metadata.Name, metav1.GetOptions{})
	if err != nil {
		return "", false, fmt.Errorf("reading approvals of %s: %w", a.Object.Key(), err)
	}
	by, ok = approved(o.GetAnnotations(), p)
	return by, ok, nil
}

func approved(annotations map[string]string, p decision.Proposal) (by string, ok bool) {
	for key := range strings.SplitSeq(annotations[ApproveAnnotation], ",") {
		if strings.TrimSpace(key) == ApprovalKey(p) {
			by = annotations[ApprovedByAnnotation]
			if by == "" {
				by = "whoever set " + ApproveAnnotation
			}
			return by, true
		}
	}
	return "", false
}
