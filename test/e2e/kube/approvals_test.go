package kube

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// Who may change a policy may not approve for that, nor in another's name, where
// the component is installed.
func TestApprovingByAnnotationNeedsTheVerb(t *testing.T) {
	ctx, f := start(t)
	f.applyFile(ctx, t, "../../../deploy/kustomize/components/approvals/admission.yaml")
	f.mustApply(ctx, t, "apiVersion: tidetable.io/v1alpha1\nkind: KafkaCapacityPolicy\nmetadata: {name: claims}\n"+
		"spec: {mode: Observe, kafka: {bootstrap: [\"127.0.0.1:1\"]}}")
	as := func(name string, verbs ...string) *kube.Clients {
		token := person(ctx, t, f.Kubernetes, name, verbs...)
		cfg := rest.AnonymousClientConfig(f.Config)
		cfg.BearerToken = token
		return f.clients(t, cfg)
	}
	author := as("author", "get", "patch", "update")
	approver := as("approver", "get", "patch", "update", "approve", "hold", "resume")
	annotate := func(ctx context.Context, c *kube.Clients, key, value string) error {
		if value != "null" {
			value = fmt.Sprintf("%q", value)
		}
		body := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, key, value)
		_, err := c.Dynamic.Resource(kube.PolicyResource).Namespace(f.namespace).
			Patch(ctx, "claims", types.MergePatchType, []byte(body), metav1.PatchOptions{})
		return err
	}
	// The admission policy takes effect a moment after it was made.
	err := testbed.Poll(ctx, "the admission policy to refuse", 300*time.Millisecond, func(ctx context.Context) error {
		if err := annotate(ctx, author, kube.ApproveAnnotation, fmt.Sprint("id-", time.Now().UnixNano())); err == nil {
			return fmt.Errorf("an author approved")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const me = "system:serviceaccount:kafka:"
	for _, c := range []struct {
		who        string
		by         *kube.Clients
		key, value string
		ok         bool
	}{
		{"an author", author, "team", "claims", true},
		{"an author", author, kube.ApproveAnnotation, "id-1", false},
		{"an author", author, kube.ApprovedByAnnotation, me + "approver", false},
		{"an author", author, "tidetable.io/hold", "no", false},
		{"an approver", approver, kube.ApproveAnnotation, "id-2", true},
		{"an approver", approver, kube.ApprovedByAnnotation, me + "author", false},
		{"an approver", approver, kube.ApprovedByAnnotation, me + "approver", true},
		{"an approver", approver, "tidetable.io/hold", "migration", true},
		{"an author", author, "team", "orders", true},
		{"an author", author, "tidetable.io/hold", "false", false},
		{"an author", author, "tidetable.io/hold", "null", false},
		{"an approver", approver, "tidetable.io/hold", "null", true},
	} {
		if err := annotate(ctx, c.by, c.key, c.value); (err == nil) != c.ok {
			t.Errorf("%s sets %s to %s: %v", c.who, c.key, c.value, err)
		}
	}
}
