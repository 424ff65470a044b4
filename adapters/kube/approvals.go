package kube

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
)

// Annotations by which a person approves one proposal on its policy: its ID, as
// the decision shows it. The page writes both in the name of whoever it has
// checked; by hand, only the first is needed, and the API server's audit log
// knows the name. Whoever may change the policy may approve, but where
// deploy/kustomize/components/approvals asks for the verb.
const (
	ApproveAnnotation    = "tidetable.io/approve"
	ApprovedByAnnotation = "tidetable.io/approved-by"
)

// Approvals reads approvals from a policy's annotations. Several are separated
// by commas. An ID holds for one proposal while it stands, and for four hours at
// most; the loop takes each approval once, so that none need be taken away.
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
		if p.ID != "" && strings.TrimSpace(key) == p.ID {
			by = plain.Text(annotations[ApprovedByAnnotation])
			if by == "" {
				by = "whoever set " + ApproveAnnotation
			}
			return by, true
		}
	}
	return "", false
}
